//! What other threads signal to the task of a connection through its outbox, besides frames and the end.

use crate::{
    connection::{
        outbox::{Outbox, State},
        queue::Queue,
    },
    session::{
        moving::Order,
        sent::{Notice, Receipts, SentFrames},
    },
};
use std::{task::Waker, time::Instant};
use wse_proto::{Closed, Reason};

/// What the task finds in its outbox.
#[derive(Default)]
pub(crate) struct Collected {
    /// Most often there are none. In a box, so that what is found otherwise is two words.
    pub(crate) signals: Option<Box<Signals>>,
    /// There was nothing, and the next change wakes the task.
    pub(crate) sleeps: bool,
    /// Less waits now beyond the limit.
    pub(crate) less_beyond: bool,
}

/// The signals for the task, besides frames and the end.
pub(crate) struct Signals {
    /// Start no more handlers, and close with this when none runs.
    pub(crate) drain: Option<Box<Closed>>,
    /// End at once.
    pub(crate) abort: bool,
    /// Lose the connection.
    pub(crate) cut: bool,
    /// Another connection of the session waits to be taken over.
    pub(crate) handover: bool,
    /// More than the limit waits, since now.
    pub(crate) became_late: bool,
    /// The session moves.
    pub(crate) orders: Vec<Order>,
}

impl Outbox {
    /// Lets running handlers finish, then closes.
    pub(crate) fn drain(&self, closed: Closed) {
        self.signal(|state| state.drain = Some(Box::new(closed)));
    }

    /// Ends the connection at once, and its session.
    pub(crate) fn abort(&self) {
        let mut state = self.lock();
        (state.abort, state.signalled) = (true, true);
        if state.closed.is_none() {
            return self.end(state, Closed::broken(Reason::default()));
        }
        self.wake(state);
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

    pub(super) fn signal(&self, set: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        set(&mut state);
        state.signalled = true;
        self.wake(state);
    }

    /// For the task, which has written so many bytes since it was last here: takes what is queued, once
    /// `writing` is empty, and every signal. If there is neither, the task sleeps from now on: it does not
    /// have to take the lock again for that. `skip` makes the frame that tells of places that were given up.
    pub(crate) fn collect(
        &self,
        writing: &mut Queue,
        written: usize,
        waker: &Waker,
        now: Instant,
        skip: impl Fn(u64) -> Vec<u8>,
    ) -> Collected {
        let mut state = self.lock();
        let (mut collected, mut over) = (Collected::default(), None::<Receipts>);
        if written > 0 {
            collected.less_beyond = self.forget(&mut state, written);
        }
        if writing.is_empty() {
            if !state.queue.is_empty() {
                std::mem::swap(writing, &mut state.queue);
            }
            if state.aging.is_some() {
                over = Some(self.take_aging(&mut state, writing, now, skip));
                collected.less_beyond |= self.forget(&mut state, 0);
            }
        }
        state.news = false;
        if state.signalled {
            collected.signals = Some(Box::new(state.take_signals()));
        } else if writing.is_empty() {
            self.doze(&mut state, waker);
            collected.sleeps = true;
        }
        // Only what has become free wakes those who wait: they look again, and wake the task to say that they wait.
        if written > 0 || over.is_some() {
            self.freed_by(state);
        }
        if let Some(over) = over {
            Notice::TooOld.tell(over);
        }
        collected
    }
}

impl State {
    fn take_signals(&mut self) -> Signals {
        self.signalled = self.abort; // an abort is signalled again, to end what begins after it
        Signals {
            drain: self.drain.take(),
            abort: self.abort,
            cut: std::mem::take(&mut self.cut),
            handover: std::mem::take(&mut self.handover),
            became_late: std::mem::take(&mut self.became_late),
            orders: self.session.as_deref_mut().map(SentFrames::take_orders).unwrap_or_default(),
        }
    }
}
