//! The outbound side of a connection: what everybody may put in and only its pump takes out.
//! It may never make a sender wait, and never hold more than its bound.

use crate::{error::SendError, queue::Queue};
use bytes::Bytes;
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};
use wse_frame::put_close;
use wse_proto::Closed;

#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    limit: usize,
    masked: bool,
    /// Whether the end was chosen, to be asked without the lock.
    closing: AtomicBool,
}

/// Bytes that may wait before pings are left unanswered: a peer that reads sees that this side lives.
const PONGS: usize = 4 << 10;

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    /// Bytes in the queue and those the pump is writing.
    bytes: usize,
    /// How the connection ends; nothing is taken in any more.
    closed: Option<Closed>,
    drain: bool,
    cut: bool,
    /// Something has changed since the pump last looked.
    news: bool,
    /// The sleeping pump.
    waker: Option<Waker>,
}

/// What the pump finds besides bytes and the end.
#[derive(Debug)]
pub(crate) struct Signals {
    /// No handler shall start any more; close when none runs.
    pub(crate) drain: bool,
    /// End at once.
    pub(crate) cut: bool,
}

impl Outbox {
    /// At most `limit` bytes; `masked` for the client's role.
    pub(crate) fn new(limit: usize, masked: bool) -> Self {
        Self { state: Mutex::default(), limit, masked, closing: AtomicBool::new(false) }
    }

    /// Queues a frame that the caller keeps.
    pub(crate) fn push(&self, frame: &[u8]) -> Result<(), SendError> {
        self.admit(frame.len(), |queue| queue.push(frame))
    }

    /// Queues a pong, unless so much waits that pings could pile up (RFC 6455 section 5.5.3 lets
    /// some go unanswered).
    pub(crate) fn push_pong(&self, frame: &[u8]) -> Result<(), SendError> {
        if self.lock().bytes > PONGS { Ok(()) } else { self.push(frame) }
    }

    /// Queues a frame that many connections share.
    pub(crate) fn push_shared(&self, frame: &Bytes) -> Result<(), SendError> {
        self.admit(frame.len(), |queue| queue.push_shared(frame))
    }

    fn admit(&self, length: usize, push: impl FnOnce(&mut Queue)) -> Result<(), SendError> {
        if length > self.limit {
            return Err(SendError::TooBig(length));
        }
        let mut state = self.lock();
        if state.closed.is_some() {
            return Err(SendError::NotReady);
        }
        if state.bytes + length > self.limit {
            // What the pump has begun to write stays, so that the close frame can still be read.
            let writing = state.bytes - std::mem::take(&mut state.queue).len();
            state.bytes = writing;
            self.end(&mut state, Closed::slow());
            Self::wake(state);
            return Err(SendError::Slow);
        }
        state.bytes += length;
        push(&mut state.queue);
        Self::wake(state);
        Ok(())
    }

    /// Queues the close frame; nothing is taken in after it. Gives the end that holds: this one, or
    /// the one chosen before.
    pub(crate) fn close(&self, closed: Closed) -> Closed {
        let mut state = self.lock();
        if let Some(before) = &state.closed {
            return before.clone();
        }
        self.end(&mut state, closed.clone());
        Self::wake(state);
        closed
    }

    /// Lets running handlers finish, then closes.
    pub(crate) fn drain(&self) {
        let mut state = self.lock();
        state.drain = true;
        Self::wake(state);
    }

    /// Ends the connection at once.
    pub(crate) fn cut(&self) {
        let mut state = self.lock();
        state.cut = true;
        Self::wake(state);
    }

    /// Whether frames are still taken in.
    pub(crate) fn is_open(&self) -> bool {
        !self.closing.load(Ordering::Acquire)
    }

    /// How the connection ends, once that was chosen.
    pub(crate) fn closed(&self) -> Option<Closed> {
        if self.is_open() { None } else { self.lock().closed.clone() }
    }

    /// For the pump: takes what is queued, once `writing` is empty, and every signal.
    pub(crate) fn collect(&self, writing: &mut Queue) -> Signals {
        let mut state = self.lock();
        if writing.is_empty() {
            *writing = std::mem::take(&mut state.queue);
        }
        state.news = false;
        Signals { drain: state.drain, cut: state.cut }
    }

    /// For the pump: so many bytes have left.
    pub(crate) fn written(&self, bytes: usize) {
        self.lock().bytes -= bytes;
    }

    /// For the pump: false when there is news; else the waker is kept for the next.
    pub(crate) fn sleep(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        if !state.news {
            match &mut state.waker {
                Some(kept) => kept.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
        !state.news
    }

    fn end(&self, state: &mut State, closed: Closed) {
        let mask = self.masked.then(rand::random);
        let mut frame = Vec::new();
        put_close(&mut frame, mask, closed.code, closed.reason.as_str());
        state.bytes += frame.len();
        state.queue.push(&frame);
        state.closed = Some(closed);
        self.closing.store(true, Ordering::Release);
    }

    fn wake(mut state: MutexGuard<'_, State>) {
        state.news = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing of the application runs under this lock, so it is never left half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
