//! The outbox of a connection: any thread may queue frames, only the connection's task takes them out.
//! Queueing never makes a sender wait. It never holds more than its bound, and knows no stream and no clock.

pub(super) mod aging;
pub(super) mod compressed;
mod moving;
mod room;
mod session;
pub(crate) mod signals;

use crate::{
    connection::queue::{Out, Queue, aging::AgingQueue},
    error::SendError,
    session::{moving::Relayed, sent::SentFrames},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use std::{sync::PoisonError, task::Waker};
use tokio::sync::Notify;
use wse_frame::deflate::Deflate;
use wse_proto::{Closed, Full, Limits};

#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Bytes above which the peer is late.
    limit: usize,
    /// Bytes that it holds at the most.
    max: usize,
    /// Bytes of the largest frame that is accepted.
    largest: AtomicUsize,
    pub(super) masked: bool,
    /// Bytes of the smallest frame of the application that is worth compressing; the largest number while nothing
    /// is compressed.
    compress_from: AtomicUsize,
    /// Wakes those who wait for room.
    freed: Notify,
    /// Whether the end was chosen, readable without the lock.
    closing: AtomicBool,
    /// The task is at work, and looks here before it sleeps: nothing has to wake it.
    awake: AtomicBool,
}

/// Above so many waiting bytes, pings stay unanswered: the bytes show a reader that this side is there.
const PONGS: usize = 4 << 10;

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    /// What follows, from the first frame on that ages. Most often there is none.
    aging: Option<Box<AgingQueue>>,
    /// Bytes in the queue and those that the task is writing.
    bytes: usize,
    /// How many of them were sent before over another connection. They count against no bound.
    slack: usize,
    /// More than the limit waits.
    late: bool,
    /// It has become late since the task last looked.
    became_late: bool,
    /// Someone waits for room.
    awaited: bool,
    /// How the connection ends. No frame is accepted after it is set. In a box, since every connection has
    /// this state and few are ending.
    closed: Option<Box<Closed>>,
    /// How the connection ends once no handler runs.
    drain: Option<Box<Closed>>,
    abort: bool,
    cut: bool,
    handover: bool,
    /// A signal waits for the task.
    signalled: bool,
    session: Option<Box<SentFrames>>,
    /// What the stream has agreed on.
    deflate: Option<Deflate>,
    /// Something has changed since the task last looked.
    news: bool,
    /// Wakes the sleeping task.
    waker: Option<Waker>,
}

/// What became of a frame that was accepted.
#[derive(Clone, Copy, Default)]
pub(crate) struct Queued {
    /// Its number, where a session can tell when it has arrived.
    pub(crate) number: Option<u64>,
    /// It made a parked session grow, or what waits beyond the limit.
    pub(crate) counts: bool,
}

impl Outbox {
    /// `masked` is for the client's role.
    pub(crate) fn new(limits: &Limits, masked: bool) -> Self {
        Self {
            state: Mutex::default(),
            limit: limits.queue_bytes,
            max: limits.queue_bytes_max,
            largest: AtomicUsize::new(limits.queue_bytes),
            masked,
            compress_from: AtomicUsize::new(usize::MAX),
            freed: Notify::new(),
            closing: AtomicBool::new(false),
            awake: AtomicBool::new(false),
        }
    }

    /// Accepts no frame of more than so many bytes, because the peer takes none.
    pub(crate) fn bound_frames(&self, bytes: usize) {
        self.largest.store(bytes.min(self.limit), Ordering::Relaxed);
    }

    /// Queues a frame of the protocol. A session does not count it and keeps no copy.
    pub(crate) fn push(&self, frame: &[u8]) -> Result<(), SendError> {
        self.admit(Out::Own(frame), false).map(drop)
    }

    /// Queues the welcome. What is announced to its receiver goes behind it.
    pub(crate) fn push_welcome(&self, frame: &[u8]) -> Result<(), SendError> {
        self.push(frame)?;
        self.lock().queue.mark();
        Ok(())
    }

    /// Queues a frame of the application.
    pub(crate) fn send(&self, frame: Out<'_>) -> Result<Queued, SendError> {
        self.admit(frame, true)
    }

    /// Queues a pong, unless so much waits that pongs could pile up (RFC 6455 section 5.5.3 allows
    /// leaving some pings unanswered).
    pub(crate) fn push_pong(&self, frame: &[u8]) -> Result<(), SendError> {
        if self.lock().bytes > PONGS { Ok(()) } else { self.push(frame) }
    }

    fn admit(&self, frame: Out<'_>, counted: bool) -> Result<Queued, SendError> {
        self.can_hold(frame.len())?;
        self.admit_in(self.lock(), frame, frame, counted)
    }

    /// Whether a frame of that length is ever accepted.
    pub(crate) fn can_hold(&self, length: usize) -> Result<(), SendError> {
        if length > self.largest.load(Ordering::Relaxed) { Err(SendError::TooBig(length)) } else { Ok(()) }
    }

    /// Queues `frame`. A session keeps `plain`, which is the same or what `frame` was compressed from.
    #[inline]
    fn admit_in(
        &self,
        mut state: MutexGuard<'_, State>,
        frame: Out<'_>,
        plain: Out<'_>,
        counted: bool,
    ) -> Result<Queued, SendError> {
        if state.closed.is_some() {
            return Err(SendError::NotReady);
        }
        let beyond = state.bytes + frame.len() > self.limit + state.slack;
        if beyond {
            state = self.exceed(state, frame.len())?;
        }
        if state.session.is_some() {
            return self.admit_in_session(state, frame, plain, counted, beyond);
        }
        self.enqueue(state, frame);
        Ok(Queued { number: None, counts: beyond })
    }

    /// Notes that so many more bytes go beyond the limit: the peer is late from now on, or closed.
    #[cold]
    fn exceed<'s>(&self, mut state: MutexGuard<'s, State>, more: usize) -> Result<MutexGuard<'s, State>, SendError> {
        if state.bytes + more > self.max + state.slack {
            return Err(self.too_slow(state));
        }
        if !state.late {
            (state.late, state.became_late, state.signalled) = (true, true, true);
        }
        Ok(state)
    }

    /// The same in a session, which keeps a copy of a counted frame. While it is parked it keeps
    /// nothing else.
    #[inline(never)]
    fn admit_in_session(
        &self,
        mut state: MutexGuard<'_, State>,
        frame: Out<'_>,
        plain: Out<'_>,
        counted: bool,
        beyond: bool,
    ) -> Result<Queued, SendError> {
        let Some(session) = &mut state.session else { return Ok(Queued::default()) };
        let parked = session.is_parked();
        if parked && let Some(relay) = session.relay() {
            return Ok(self.relay(state, &relay, counted.then(|| Relayed::Frame(plain.to_bytes(), None))));
        }
        let mut queued = Queued { number: None, counts: beyond };
        if counted {
            match session.push(plain.to_bytes()) {
                Ok(number) => queued = Queued { number: Some(number), counts: beyond || parked },
                Err(Full(_)) if parked => return Err(self.too_slow(state)),
                // The connection stays. Until this frame is acknowledged, its loss ends the session.
                Err(Full(number)) => queued.number = Some(number),
            }
        }
        if parked {
            drop(state)
        } else {
            self.enqueue(state, frame)
        }
        Ok(queued)
    }

    fn enqueue(&self, mut state: MutexGuard<'_, State>, frame: Out<'_>) {
        state.bytes += frame.len();
        match &mut state.aging {
            None => state.queue.put(frame),
            Some(aging) => aging.put(frame),
        }
        self.wake(state);
    }

    /// Ends the connection, since its bound is exceeded. What the task has begun to write stays, so that
    /// the peer can still read the close frame.
    fn too_slow(&self, mut state: MutexGuard<'_, State>) -> SendError {
        let aging = state.aging.take().map_or(0, |aging| aging.weight());
        let writing = state.bytes - std::mem::take(&mut state.queue).len() - aging;
        state.bytes = writing;
        self.end(state, Closed::slow());
        SendError::Slow
    }

    /// Ends a connection whose peer is too slow. One that has ended already stays as it is.
    pub(crate) fn shed(&self) {
        let state = self.lock();
        if state.closed.is_none() {
            let _ = self.too_slow(state);
        }
    }

    /// Accepts no more frames; the task sends the close frame. Returns the end that holds: this one, or
    /// one that was chosen before.
    pub(crate) fn close(&self, closed: Closed) -> Closed {
        let state = self.lock();
        if let Some(before) = &state.closed {
            return (**before).clone();
        }
        self.end(state, closed.clone());
        closed
    }

    /// For the task: queues the last frames, behind what was queued before the end was chosen.
    pub(crate) fn goodbye(&self, frames: &[u8]) {
        self.enqueue(self.lock(), Out::Own(frames));
    }

    /// Whether frames are still accepted.
    pub(crate) fn is_open(&self) -> bool {
        !self.closing.load(Ordering::Acquire)
    }

    /// How the connection ends, once that was chosen.
    pub(crate) fn closed(&self) -> Option<Closed> {
        if self.is_open() { None } else { self.lock().closed.as_deref().cloned() }
    }

    /// For the task: counts what it writes by itself, ahead of what it has collected.
    pub(crate) fn wrote_ahead(&self, bytes: usize) {
        let mut state = self.lock();
        (state.bytes, state.slack) = (state.bytes + bytes, state.slack + bytes);
    }

    /// For the task: notes that so many bytes that it had collected wait no longer. True when less waits
    /// now beyond the limit.
    pub(crate) fn gone(&self, bytes: usize) -> bool {
        let mut state = self.lock();
        let less_beyond = self.forget(&mut state, bytes);
        self.freed_by(state);
        less_beyond
    }

    /// The same under the lock.
    #[inline]
    fn forget(&self, state: &mut State, bytes: usize) -> bool {
        state.bytes -= bytes;
        state.slack = state.slack.min(state.bytes);
        let was_late = state.late;
        state.late = was_late && state.bytes > self.limit + state.slack;
        was_late
    }

    /// Whether more than the limit waits, without a pause since the task was told so.
    pub(crate) fn is_late(&self) -> bool {
        let state = self.lock();
        state.late && !state.became_late
    }

    /// Bytes that wait beyond the limit.
    pub(crate) fn excess(&self) -> usize {
        let state = self.lock();
        state.bytes.saturating_sub(self.limit + state.slack)
    }

    /// For the task: it is at work. Until it sleeps again, what changes here does not wake it: a handler
    /// that sends would schedule the task that runs it (1,200 of 8,100 instructions of one echo).
    ///
    /// It takes no lock. Whoever sees the flag set has done so under the lock, before the task takes the
    /// lock to clear it, and the task sees what has changed then. Whoever does not see it yet wakes the
    /// task in vain.
    #[inline]
    pub(crate) fn work(&self) {
        self.awake.store(true, Ordering::Relaxed);
    }

    /// For the task: from now on the next change wakes it. False when something has changed already.
    pub(crate) fn sleep(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        if !state.news {
            self.doze(&mut state, waker);
        }
        !state.news
    }

    /// Forgets the task, which has ended: whoever keeps the connection's handle keeps nothing of it.
    pub(crate) fn forget_task(&self) {
        let waker = self.lock().waker.take();
        drop(waker); // after unlocking
    }

    /// Keeps the waker for the next change. Nothing may have changed since the task last looked.
    fn doze(&self, state: &mut State, waker: &Waker) {
        self.awake.store(false, Ordering::Relaxed); // under the lock, where it is read
        match &mut state.waker {
            Some(kept) => kept.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    fn end(&self, mut state: MutexGuard<'_, State>, closed: Closed) {
        state.closed = Some(Box::new(closed));
        self.closing.store(true, Ordering::Release);
        if let Some(session) = &mut state.session {
            session.end();
        }
        self.wake(state);
        self.freed.notify_waiters();
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        state.news = true;
        if self.awake.load(Ordering::Relaxed) {
            return; // the task is at work, and looks here before it sleeps
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of the application runs under this lock, so a panic never leaves it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
