//! The outbox of a connection: any thread may queue frames, only the connection's task takes them out. It
//! never makes a sender wait, never holds more than its bound, and knows no stream.

use crate::{
    connection::queue::{Out, Queue},
    error::SendError,
    session::sent::{SentFrames, resolve},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};
use std::{sync::PoisonError, task::Waker};
use wse_frame::put_again;
use wse_proto::{Closed, Full, ProtocolError, Reason, Token};

#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    limit: usize,
    masked: bool,
    /// Whether the end was chosen, readable without the lock.
    closing: AtomicBool,
}

/// Above so many waiting bytes, pings stay unanswered: the bytes show a reader that this side is there.
const PONGS: usize = 4 << 10;

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    /// Bytes in the queue and those that the task is writing.
    bytes: usize,
    /// How many of them were sent before over another connection. They do not count against the bound.
    slack: usize,
    /// How the connection ends. No frame is accepted after it is set.
    closed: Option<Closed>,
    /// How the connection ends once no handler runs.
    drain: Option<Closed>,
    abort: bool,
    cut: bool,
    handover: bool,
    /// A signal waits for the task.
    signalled: bool,
    session: Option<Box<SentFrames>>,
    /// Something has changed since the task last looked.
    news: bool,
    /// Wakes the sleeping task.
    waker: Option<Waker>,
}

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
}

/// What became of a frame that was accepted.
#[derive(Default)]
pub(crate) struct Queued {
    /// Its number, where a session can tell when it has arrived.
    pub(crate) number: Option<u64>,
    /// It made a parked session grow.
    pub(crate) parked: bool,
}

impl Outbox {
    /// Holds at most `limit` bytes. `masked` is for the client's role.
    pub(crate) fn new(limit: usize, masked: bool) -> Self {
        Self { state: Mutex::default(), limit, masked, closing: AtomicBool::new(false) }
    }

    /// Queues a frame of the protocol. A session does not count it and keeps no copy.
    pub(crate) fn push(&self, frame: &[u8]) -> Result<(), SendError> {
        self.admit(Out::Own(frame), false).map(drop)
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
            return self.admit_in_session(state, frame, counted);
        }
        Self::enqueue(state, frame);
        Ok(Queued::default())
    }

    /// The same in a session, which keeps a copy of a counted frame. While it is parked it keeps
    /// nothing else.
    #[inline(never)]
    fn admit_in_session(
        &self,
        mut state: MutexGuard<'_, State>,
        frame: Out<'_>,
        counted: bool,
    ) -> Result<Queued, SendError> {
        let Some(session) = &mut state.session else { return Ok(Queued::default()) };
        let parked = session.is_parked();
        let mut queued = Queued::default();
        if counted {
            match session.push(frame.to_bytes()) {
                Ok(number) => queued = Queued { number: Some(number), parked },
                Err(Full(_)) if parked => return Err(self.too_slow(state)),
                // The connection stays. Until this frame is acknowledged, its loss ends the session.
                Err(Full(number)) => queued.number = Some(number),
            }
        }
        if parked {
            drop(state)
        } else {
            Self::enqueue(state, frame)
        }
        Ok(queued)
    }

    fn enqueue(mut state: MutexGuard<'_, State>, frame: Out<'_>) {
        state.bytes += frame.len();
        state.queue.put(frame);
        Self::wake(state);
    }

    /// Ends the connection, since its bound is exceeded. What the task has begun to write stays, so that
    /// the peer can still read the close frame.
    fn too_slow(&self, mut state: MutexGuard<'_, State>) -> SendError {
        let writing = state.bytes - std::mem::take(&mut state.queue).len();
        state.bytes = writing;
        self.end(state, Closed::slow());
        SendError::Slow
    }

    /// Accepts no more frames; the task sends the close frame. Returns the end that holds: this one, or
    /// one that was chosen before.
    pub(crate) fn close(&self, closed: Closed) -> Closed {
        let state = self.lock();
        if let Some(before) = &state.closed {
            return before.clone();
        }
        self.end(state, closed.clone());
        closed
    }

    /// For the task: queues the last frames, behind what was queued before the end was chosen.
    pub(crate) fn goodbye(&self, frames: &[u8]) {
        Self::enqueue(self.lock(), Out::Own(frames));
    }

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

    /// Whether frames are still accepted.
    pub(crate) fn is_open(&self) -> bool {
        !self.closing.load(Ordering::Acquire)
    }

    /// How the connection ends, once that was chosen.
    pub(crate) fn closed(&self) -> Option<Closed> {
        if self.is_open() { None } else { self.lock().closed.clone() }
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
        })
    }

    /// For the task: notes that so many bytes were written to the stream.
    pub(crate) fn written(&self, bytes: usize) {
        let mut state = self.lock();
        state.bytes -= bytes;
        state.slack = state.slack.min(state.bytes);
    }

    /// For the task: keeps the waker for the next change. False when something has changed already.
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
        Self::wake(state);
        resolve(receipts);
    }

    /// Notes that the peer has taken in the first `count` frames.
    ///
    /// # Errors
    /// When fewer frames were sent.
    pub(crate) fn acknowledge(&self, count: u64) -> Result<(), ProtocolError> {
        let receipts = self.session(|session| session.acknowledge(count)).transpose()?;
        resolve(receipts.unwrap_or_default());
        Ok(())
    }

    /// Drops every receipt that still waits, when nothing more comes from the peer.
    pub(crate) fn give_up_receipts(&self) {
        drop(self.session(SentFrames::give_up_receipts)); // it wakes tasks, so no lock may be held
    }

    fn end(&self, mut state: MutexGuard<'_, State>, closed: Closed) {
        state.closed = Some(closed);
        self.closing.store(true, Ordering::Release);
        if let Some(session) = &mut state.session {
            session.end();
        }
        Self::wake(state);
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
        // No code of the application runs under this lock, so a panic never leaves it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
