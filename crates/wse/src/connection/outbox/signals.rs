//! What other threads signal to the task of a connection through its outbox, besides frames and the end.

use crate::connection::{
    outbox::{Outbox, State},
    queue::Queue,
};
use wse_proto::{Closed, Reason};

/// The signals for the task, besides frames and the end.
pub(crate) struct Signals {
    /// Start no more handlers, and close with this when none runs.
    pub(crate) drain: Option<Closed>,
    /// End at once.
    pub(crate) abort: bool,
    /// Lose the connection.
    pub(crate) cut: bool,
    /// Another connection of the session waits to be taken over.
    pub(crate) handover: bool,
    /// More than the limit waits, since now.
    pub(crate) became_late: bool,
}

impl Outbox {
    /// Lets running handlers finish, then closes.
    pub(crate) fn drain(&self, closed: Closed) {
        self.signal(|state| state.drain = Some(closed));
    }

    /// Ends the connection at once, and its session.
    pub(crate) fn abort(&self) {
        let mut state = self.lock();
        (state.abort, state.signalled) = (true, true);
        if state.closed.is_none() {
            return self.end(state, Closed::broken(Reason::default()));
        }
        Self::wake(state);
    }

    /// Loses the connection, as a broken network does.
    pub(crate) fn cut(&self) {
        self.signal(|state| state.cut = true);
    }

    /// Tells the task that another connection of its session waits. False when the session has ended.
    pub(crate) fn announce_handover(&self) -> bool {
        let mut accepted = false;
        self.signal(|state| {
            accepted = state.closed.is_none() && state.session.is_some();
            state.handover = accepted;
            if let (true, Some(session)) = (accepted, &mut state.session) {
                session.expect_connection();
            }
        });
        accepted
    }

    fn signal(&self, set: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        set(&mut state);
        state.signalled = true;
        Self::wake(state);
    }

    /// For the task: takes what is queued, once `writing` is empty, and every signal.
    pub(crate) fn collect(&self, writing: &mut Queue) -> Option<Signals> {
        let mut state = self.lock();
        if writing.is_empty() {
            *writing = std::mem::take(&mut state.queue);
        }
        state.news = false;
        if !state.signalled {
            return None; // most often
        }
        state.signalled = state.abort; // an abort is signalled again, to end what begins after it
        Some(Signals {
            drain: state.drain.take(),
            abort: state.abort,
            cut: std::mem::take(&mut state.cut),
            handover: std::mem::take(&mut state.handover),
            became_late: std::mem::take(&mut state.became_late),
        })
    }
}
