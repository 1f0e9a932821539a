//! The outbound side of a connection: what everybody may put in and only its pump takes out.
//! It may never make a sender wait, and never hold more than its bound.

use crate::{
    connection::{kept::Kept, queue::Queue, resume::Line},
    error::SendError,
    session::parking::Evicted,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};
use bytes::Bytes;
use std::{sync::PoisonError, task::Waker};
use wse_proto::{Closed, Full, Reason};

#[derive(Debug)]
pub(crate) struct Outbox {
    pub(super) state: Mutex<State>,
    limit: usize,
    pub(super) masked: bool,
    /// Whether the end was chosen, to be asked without the lock.
    closing: AtomicBool,
}

/// Bytes that may wait before pings are left unanswered: a peer that reads sees that this side lives.
const PONGS: usize = 4 << 10;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) queue: Queue,
    /// Bytes in the queue and those the pump is writing.
    pub(super) bytes: usize,
    /// Of them so many were sent before, and do not count against the bound.
    pub(super) slack: usize,
    /// How the connection ends; nothing is taken in any more.
    pub(super) closed: Option<Closed>,
    /// How it is to end once no handler runs.
    pub(super) drain: Option<Closed>,
    pub(super) abort: bool,
    pub(super) cut: bool,
    /// One of these, or a connection to go on over, waits for the pump.
    pub(super) signalled: bool,
    pub(super) session: Option<Box<Kept>>,
    /// Something has changed since the pump last looked.
    pub(super) news: bool,
    /// The sleeping pump.
    pub(super) waker: Option<Waker>,
}

/// What the pump finds besides bytes and the end.
pub(crate) struct Signals {
    /// No handler shall start any more; close like this when none runs.
    pub(crate) drain: Option<Closed>,
    /// End at once.
    pub(crate) abort: bool,
    /// Lose the connection.
    pub(crate) cut: bool,
    /// Go on over this one.
    pub(crate) line: Option<Box<Line>>,
}

/// A frame for the queue.
#[derive(Clone, Copy)]
pub(crate) enum Out<'a> {
    /// That the caller keeps.
    Own(&'a [u8]),
    /// That many connections share.
    Shared(&'a Bytes),
}

impl Out<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Out::Own(frame) => frame.len(),
            Out::Shared(frame) => frame.len(),
        }
    }

    /// A copy that outlives the caller.
    pub(super) fn to_bytes(self) -> Bytes {
        match self {
            Out::Own(frame) => Bytes::copy_from_slice(frame),
            Out::Shared(frame) => frame.clone(),
        }
    }
}

impl Outbox {
    /// At most `limit` bytes; `masked` for the client's role.
    pub(crate) fn new(limit: usize, masked: bool) -> Self {
        Self { state: Mutex::default(), limit, masked, closing: AtomicBool::new(false) }
    }

    /// Queues a frame of the protocol's own: it is not counted, and not kept without a connection.
    pub(crate) fn push(&self, frame: &[u8]) -> Result<(), SendError> {
        self.admit(Out::Own(frame), false).map(drop)
    }

    /// Queues a frame of the application's. Gives its number where a session can tell of it.
    pub(crate) fn send(&self, frame: Out<'_>) -> Result<Option<u64>, SendError> {
        self.admit(frame, true)
    }

    /// Queues a pong, unless so much waits that pings could pile up (RFC 6455 section 5.5.3 lets
    /// some go unanswered).
    pub(crate) fn push_pong(&self, frame: &[u8]) -> Result<(), SendError> {
        if self.lock().bytes > PONGS { Ok(()) } else { self.push(frame) }
    }

    fn admit(&self, frame: Out<'_>, counted: bool) -> Result<Option<u64>, SendError> {
        let length = frame.len();
        if length > self.limit {
            return Err(SendError::TooBig(length));
        }
        let state = self.lock();
        if state.closed.is_some() {
            return Err(SendError::NotReady);
        }
        if state.bytes + length > self.limit + state.slack {
            return Err(self.too_slow(state));
        }
        if state.session.is_some() {
            return self.admit_kept(state, frame, counted);
        }
        Self::enqueue(state, frame);
        Ok(None)
    }

    /// The same for a session, which keeps a copy of what is counted, and no more than that while it
    /// has no connection.
    #[inline(never)]
    fn admit_kept(
        &self,
        mut state: MutexGuard<'_, State>,
        frame: Out<'_>,
        counted: bool,
    ) -> Result<Option<u64>, SendError> {
        let Some(kept) = &mut state.session else { return Ok(None) };
        let parked = kept.parked;
        let (mut number, mut evicted) = (None, Evicted::default());
        if counted {
            match kept.push(frame) {
                Ok((first, others)) => (number, evicted) = (Some(first), others),
                Err(Full(_)) if parked => return Err(self.too_slow(state)),
                // The connection goes on; until this one is acknowledged the session ends with it.
                Err(Full(first)) => number = Some(first),
            }
        }
        if parked {
            drop(state)
        } else {
            Self::enqueue(state, frame)
        }
        evicted.end();
        Ok(number)
    }

    fn enqueue(mut state: MutexGuard<'_, State>, frame: Out<'_>) {
        state.bytes += frame.len();
        match frame {
            Out::Own(frame) => state.queue.push(frame),
            Out::Shared(frame) => state.queue.push_shared(frame),
        }
        Self::wake(state);
    }

    /// More waits than may: what the pump has begun to write stays, so that the close frame can
    /// still be read.
    fn too_slow(&self, mut state: MutexGuard<'_, State>) -> SendError {
        let writing = state.bytes - std::mem::take(&mut state.queue).len();
        state.bytes = writing;
        self.end(state, Closed::slow());
        SendError::Slow
    }

    /// Takes nothing in any more; the pump says goodbye. Gives the end that holds: this one, or the
    /// one chosen before.
    pub(crate) fn close(&self, closed: Closed) -> Closed {
        let state = self.lock();
        if let Some(before) = &state.closed {
            return before.clone();
        }
        self.end(state, closed.clone());
        closed
    }

    /// For the pump: queues the last frames, behind what was queued before the end was chosen.
    pub(crate) fn goodbye(&self, frames: &[u8]) {
        Self::enqueue(self.lock(), Out::Own(frames));
    }

    /// Lets running handlers finish, then closes.
    pub(crate) fn drain(&self, closed: Closed) {
        let mut state = self.lock();
        (state.drain, state.signalled) = (Some(closed), true);
        Self::wake(state);
    }

    /// Ends the connection at once, and a session with it.
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
        let mut state = self.lock();
        (state.cut, state.signalled) = (true, true);
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
    pub(crate) fn collect(&self, writing: &mut Queue) -> Option<Signals> {
        let mut state = self.lock();
        if writing.is_empty() {
            *writing = std::mem::take(&mut state.queue);
        }
        state.news = false;
        if !state.signalled {
            return None; // most often
        }
        state.signalled = state.abort; // it holds for whatever begins late, too
        let line = state.session.as_mut().and_then(|kept| kept.line.take());
        Some(Signals { drain: state.drain.take(), abort: state.abort, cut: std::mem::take(&mut state.cut), line })
    }

    /// For the pump: so many bytes have left.
    pub(crate) fn written(&self, bytes: usize) {
        let mut state = self.lock();
        state.bytes -= bytes;
        state.slack = state.slack.min(state.bytes);
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

    fn end(&self, mut state: MutexGuard<'_, State>, closed: Closed) {
        state.closed = Some(closed);
        self.closing.store(true, Ordering::Release);
        let slot = state.session.as_mut().and_then(|kept| kept.end());
        Self::wake(state);
        drop(slot); // it wakes others
    }

    pub(super) fn wake(mut state: MutexGuard<'_, State>) {
        state.news = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing of the application runs under this lock, so it is never left half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
