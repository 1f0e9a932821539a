//! The outbox of a session that moves to another server: it keeps what is sent until the session is there, and has
//! everything carried after it from then on.

use crate::{
    connection::outbox::{Outbox, Queued, State},
    session::{
        moving::{Held, Order, Relay, Relayed},
        sent::{SentFrames, moving::SentParts},
    },
    sync::MutexGuard,
};
use bytes::Bytes;
use std::{sync::Arc, time::Instant};
use wse_proto::{FrameAge, Token, TokenCheck};

impl Outbox {
    /// Continues a session that began at another server. What is sent here is held until it has arrived. False where it
    /// is larger than `limit`.
    pub(crate) fn continue_session(
        &self,
        parts: SentParts,
        held: &Arc<Held>,
        (limit, can_skip): (usize, bool),
        now: Instant,
    ) -> bool {
        let continued = SentFrames::continued(parts, held, (limit, can_skip), now).map(Box::new);
        let continues = continued.is_some();
        self.lock().session = continued;
        continues
    }

    /// Everything has come that was sent at the server that had the session.
    pub(crate) fn arrive(&self) {
        self.keep_by(SentFrames::arrive);
        self.freed.notify_waiters();
    }

    /// Keeps a frame that was sent at the server that had the session, before what is sent here. False where all of
    /// them have come already: then it goes behind.
    pub(crate) fn keep_relayed(&self, frame: &Bytes, age: Option<&FrameAge>) -> bool {
        let mut arriving = false;
        self.keep_by(|session| {
            arriving = session.is_arriving();
            !arriving || session.keep(frame.clone(), age.cloned())
        });
        arriving
    }

    /// Has frames kept. A session that cannot keep them ends.
    fn keep_by(&self, keep: impl FnOnce(&mut SentFrames) -> bool) {
        let mut state = self.lock();
        let open = state.closed.is_none();
        if let Some(session) = &mut state.session
            && open
            && !keep(session)
        {
            let _ = self.too_slow(state);
        }
    }

    /// Sets the session out for the server that asks for it, if the token is right. Its task does the `order`.
    pub(crate) fn give(&self, token: &Token, seen: u64, now: Instant, order: Order) -> TokenCheck {
        let mut check = TokenCheck::Unknown;
        self.move_by(|session| check = session.give(token, seen, now, order));
        check
    }

    /// Sets the session out for a server that did not ask. False where it stays.
    pub(crate) fn offer(&self, order: Order) -> bool {
        let mut offered = false;
        self.move_by(|session| offered = session.offer(order));
        offered
    }

    /// Nobody has taken the session: it stays.
    pub(crate) fn come_back(&self) {
        self.move_by(SentFrames::come_back);
    }

    /// The session is at the other server. False where it was not on its way, or has ended.
    pub(crate) fn leave(&self, relay: &Arc<dyn Relay>) -> bool {
        let mut left = false;
        self.move_by(|session| left = session.leave(relay));
        if left {
            relay.carry();
            self.freed.notify_waiters(); // there is room elsewhere
        }
        left
    }

    /// Tells the task that a caller does not wait any more for what runs here.
    pub(crate) fn cancel(&self, stamp: &str) {
        self.move_by(|session| _ = session.cancel(stamp));
    }

    /// What carries to the server that has the session now.
    pub(crate) fn relay_of_session(&self) -> Option<Arc<dyn Relay>> {
        let state = self.lock();
        state.session.as_deref().filter(|session| session.is_elsewhere())?.relay()
    }

    fn move_by(&self, change: impl FnOnce(&mut SentFrames)) {
        self.signal(|state| {
            if let (None, Some(session)) = (&state.closed, &mut state.session) {
                change(session);
            }
        });
    }

    /// Has it carried to the server that has the session.
    #[cold]
    pub(super) fn relay(&self, state: MutexGuard<'_, State>, relay: &Arc<dyn Relay>, what: Option<Relayed>) -> Queued {
        if let Some(what) = what {
            relay.put(what); // under the lock, so that frames keep their order
        }
        drop(state);
        relay.carry();
        Queued::default()
    }
}

impl State {
    pub(super) fn relay(&self) -> Option<Arc<dyn Relay>> {
        self.session.as_deref()?.relay()
    }
}
