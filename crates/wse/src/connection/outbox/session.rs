//! The session in an outbox: what it keeps, how it is parked, and how it continues over another connection.

use crate::{
    connection::{
        outbox::Outbox,
        queue::{Out, Queue},
    },
    session::sent::{Arrival, SentFrames, resolve},
};
use wse_frame::put_again;
use wse_proto::{ProtocolError, Token};

impl Outbox {
    /// Begins a session that keeps at most `limit` bytes. `token` is the first that a server grants.
    pub(crate) fn begin_session(&self, token: Option<Token>, limit: usize) {
        let mut state = self.lock();
        let ended = state.closed.is_some();
        let session = state.session.insert(Box::new(SentFrames::new(token, limit)));
        if ended {
            session.end(); // it began too late to be resumed
        }
    }

    /// Reads or changes the session, if there is one. No lock may be taken within.
    pub(crate) fn session<T>(&self, ask: impl FnOnce(&mut SentFrames) -> T) -> Option<T> {
        self.lock().session.as_deref_mut().map(ask)
    }

    /// Parks the session of a connection that is lost: only copies are kept from now on. False when there
    /// is no session that can be resumed.
    pub(crate) fn park(&self) -> bool {
        let mut state = self.lock();
        let open = state.closed.is_none();
        let Some(session) = &mut state.session else { return false };
        if !open || !session.park() {
            return false;
        }
        (state.queue, state.bytes, state.slack, state.cut) = (Queue::default(), 0, 0, false);
        (state.late, state.became_late) = (false, false);
        self.forget_agreement(&mut state); // the next stream has its own
        true
    }

    /// Continues over another connection, whose peer has taken in the first `seen` frames. Queues `first`,
    /// then the frames that it has not seen, then `last`.
    pub(crate) fn resume(&self, first: &[u8], seen: u64, last: &[u8]) {
        let mut state = self.lock();
        if state.closed.is_some() {
            return;
        }
        let Some(session) = &mut state.session else { return };
        let receipts = session.resume(seen);
        let mut queue = Queue::default();
        queue.put(Out::Own(first));
        queue.mark();
        let mut masked = Vec::new();
        for frame in session.frames() {
            if self.masked {
                masked.clear();
                put_again(&mut masked, frame, rand::random());
                queue.put(Out::Own(&masked));
            } else {
                queue.put(Out::Shared(frame));
            }
        }
        queue.put(Out::Own(last));
        (state.bytes, state.slack) = (queue.len(), queue.len());
        state.queue = queue;
        self.wake(state);
        self.freed.notify_waiters(); // it has a connection again
        resolve(receipts);
    }

    /// Notes that the peer has taken in the first `count` frames.
    ///
    /// # Errors
    /// When fewer frames were sent.
    pub(crate) fn acknowledge(&self, count: u64) -> Result<(), ProtocolError> {
        let mut state = self.lock();
        let receipts = state.session.as_deref_mut().map(|session| session.acknowledge(count)).transpose()?;
        self.freed_by(state);
        resolve(receipts.unwrap_or_default());
        Ok(())
    }

    /// Whether a frame of that number has arrived, or what to wait for: the task reads behind a full inbox
    /// from then on.
    pub(crate) fn arrival(&self, number: u64) -> Arrival {
        let mut state = self.lock();
        let Some(session) = &mut state.session else { return Arrival::Unknown };
        let arrival = session.arrival(number);
        if let Arrival::Wait(_) = arrival {
            self.wake(state);
        }
        arrival
    }

    /// Drops every receipt that still waits, when nothing more comes from the peer.
    pub(crate) fn give_up_receipts(&self) {
        drop(self.session(SentFrames::give_up_receipts)); // it wakes tasks, so no lock may be held
    }
}
