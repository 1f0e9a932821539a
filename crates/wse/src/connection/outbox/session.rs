//! The session in an outbox: what it keeps, how it is parked, and how it continues over another connection.

use crate::{
    connection::{
        outbox::Outbox,
        queue::{Out, Queue, aging::AgingQueue},
    },
    session::sent::{Arrival, Notice, SentFrames},
};
use bytes::Bytes;
use std::time::Instant;
use wse_frame::put_again;
use wse_proto::{Again, ProtocolError, Token};

impl Outbox {
    /// Begins a session that keeps at most `limit` bytes. `token` is the first that a server grants. Frames are
    /// given up only if the peer can be told.
    pub(crate) fn begin_session(&self, token: Option<Token>, limit: usize, can_skip: bool) {
        let mut state = self.lock();
        let ended = state.closed.is_some();
        let session = state.session.insert(Box::new(SentFrames::new(token, limit, can_skip)));
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
        (state.queue, state.aging, state.bytes, state.slack, state.cut) = (Queue::default(), None, 0, 0, false);
        (state.late, state.became_late) = (false, false);
        self.forget_agreement(&mut state); // the next stream has its own
        true
    }

    /// Continues over another connection, whose peer has taken in the first `seen` frames. Queues `first`,
    /// then the frames that it has not seen, then `last`. `skip` makes the frame that tells of places that were
    /// given up.
    pub(crate) fn resume(&self, first: &[u8], seen: u64, last: &[u8], now: Instant, skip: impl Fn(u64) -> Vec<u8>) {
        let mut state = self.lock();
        if state.closed.is_some() {
            return;
        }
        let too_old = state.too_old();
        let Some(session) = &mut state.session else { return };
        let receipts = session.resume(seen);
        let over = session.expire(now);
        let (mut queue, mut aging) = (Queue::default(), None::<Box<AgingQueue>>);
        queue.put(Out::Own(first));
        queue.mark();
        let mut put = |aging: &mut Option<Box<AgingQueue>>, frame: Out<'_>| match aging {
            None => queue.put(frame),
            Some(aging) => aging.put(frame),
        };
        let mut masked = Vec::new();
        for again in session.again() {
            match again {
                Again::Skip(count) => put(&mut aging, Out::Own(&skip(count))),
                Again::Frame(number, frame, Some(age)) => {
                    let frame = self.masked_again(frame);
                    aging.get_or_insert_default().push(number, frame, age.clone(), too_old);
                }
                Again::Frame(_, frame, None) if self.masked => {
                    masked.clear();
                    put_again(&mut masked, frame, rand::random());
                    put(&mut aging, Out::Own(&masked));
                }
                Again::Frame(_, frame, None) => put(&mut aging, Out::Shared(frame)),
            }
        }
        put(&mut aging, Out::Own(last));
        let bytes = queue.len() + aging.as_deref().map_or(0, AgingQueue::weight);
        (state.bytes, state.slack) = (bytes, bytes);
        (state.queue, state.aging) = (queue, aging);
        self.wake(state);
        self.freed.notify_waiters(); // it has a connection again
        Notice::Arrived.tell(receipts);
        Notice::TooOld.tell(over);
    }

    /// A copy of a frame under another key, where this side masks; the same frame otherwise.
    fn masked_again(&self, frame: &Bytes) -> Bytes {
        if !self.masked {
            return frame.clone();
        }
        let mut masked = Vec::new();
        put_again(&mut masked, frame, rand::random());
        masked.into()
    }

    /// Notes that the peer has taken in the first `count` frames.
    ///
    /// # Errors
    /// When fewer frames were sent.
    pub(crate) fn acknowledge(&self, count: u64) -> Result<(), ProtocolError> {
        let mut state = self.lock();
        let receipts = state.session.as_deref_mut().map(|session| session.acknowledge(count)).transpose()?;
        self.freed_by(state);
        Notice::Arrived.tell(receipts.unwrap_or_default());
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
