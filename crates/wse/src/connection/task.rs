//! The task of a connection, or of a session with one connection after the other: its state and its
//! loop. It decides nothing about envelopes, and waits for no peer but its own.

use crate::connection::{
    handle::Handle,
    inbox::Inbox,
    owner::{Asked, Life, Owner},
    parked::Resumption,
    queue::Queue,
    running_handlers::{Checking, Running},
    stream::Io,
    turn::{self, TURN},
};
use futures_util::stream::FuturesUnordered;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    sync::oneshot,
    time::{Instant, Sleep},
};
use wse_frame::{Decoder, Role};
use wse_proto::{Closed, Input, Limits, Machine, Reason};

type AnswerOf<O> = <<O as Owner>::Machine as Machine>::Answer;

/// One connection and everything that runs for it.
pub(crate) struct Connection<O: Owner> {
    /// `None` once the connection has ended or is lost. Running handlers still finish then.
    pub(super) io: Option<Io>,
    /// Bytes that were read and not decoded: before the task began, or while the inbox was full.
    pub(super) read_ahead: Vec<u8>,
    /// How many of them were decoded.
    pub(super) decoded: usize,
    pub(super) role: Role,
    pub(super) decoder: Decoder,
    pub(super) machine: O::Machine,
    pub(super) owner: O,
    pub(super) handle: Arc<Handle>,
    /// The peer has been admitted.
    pub(super) welcomed: bool,
    /// The application's answer to a question, while the application works on it.
    pub(super) asked: Option<Asked<AnswerOf<O>>>,
    /// After the welcome, messages and calls wait for this before they reach their handlers.
    pub(super) ready: Option<oneshot::Receiver<()>>,
    pub(super) running: FuturesUnordered<Running>,
    /// The message or call that the application's hook looks at.
    pub(super) checking: Option<Box<Checking>>,
    pub(super) inbox: Inbox,
    pub(super) writing: Queue,
    pub(super) flushed: bool,
    /// The stream has not taken everything: what it takes next, its peer has made room for.
    pub(super) full: bool,
    /// When the connection ends as slow, unless the queue falls to its limit before.
    pub(super) late_until: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    pub(super) now: Instant,
    /// Why the connection ends or ended.
    pub(super) cause: Option<Closed>,
    /// The peer has sent its close frame.
    pub(super) peer_closed: bool,
    /// When this side drops the stream, if the peer has not answered the close frame by then.
    pub(super) close_deadline: Instant,
    /// The welcome resumes this session, in another task.
    pub(super) found_session: Option<Box<(Arc<Handle>, Resumption)>>,
    /// The payload of the ping behind a welcome, until something shows that the client has the welcome.
    pub(super) unconfirmed_welcome: Option<[u8; 8]>,
    /// No envelope has come since the session was resumed: its client may have given that attempt up.
    pub(super) unheard: bool,
    /// Until the peer has shown that it is there, its session ends when the stream is lost.
    pub(super) provisional: bool,
    /// No more handlers start. The connection ends like this when none runs.
    pub(super) draining: Option<Closed>,
    /// Something began or became free in this round, so there is more to poll.
    pub(super) progressed: bool,
}

impl<O: Owner> Connection<O> {
    pub(crate) fn new(
        io: Io,
        read_ahead: Vec<u8>,
        role: Role,
        machine: O::Machine,
        owner: O,
        handle: Arc<Handle>,
    ) -> Self {
        let now = Instant::now();
        let first = machine.deadline().map_or(now, Instant::from_std);
        let limits = frame_limits(&owner.env().limits, role == Role::Client);
        Self {
            io: Some(io),
            read_ahead,
            decoded: 0,
            role,
            decoder: Decoder::new(role, limits),
            machine,
            owner,
            handle,
            welcomed: false,
            asked: None,
            ready: None,
            running: FuturesUnordered::new(),
            checking: None,
            inbox: Inbox::default(),
            writing: Queue::default(),
            flushed: true,
            full: false,
            late_until: None,
            timer: Box::pin(tokio::time::sleep_until(first)),
            now,
            cause: None,
            peer_closed: false,
            close_deadline: now,
            found_session: None,
            unconfirmed_welcome: None,
            unheard: false,
            provisional: false,
            draining: None,
            progressed: false,
        }
    }

    fn is_done(&self) -> bool {
        let gone = self.io.is_none() && self.cause.is_some();
        gone && self.running.is_empty() && self.checking.is_none() && self.inbox.is_empty()
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) {
        loop {
            let due = match self.machine.deadline() {
                Some(deadline) => Instant::from_std(deadline),
                None if self.io.is_some() => self.close_deadline,
                None => return,
            };
            let due = self.late_until.map_or(due, |late| late.min(due));
            // When a deadline moves to later, the timer still fires at the earlier time and is set again
            // only then, so that traffic costs nothing.
            if due > self.now {
                if due < self.timer.deadline() || self.timer.is_elapsed() {
                    self.timer.as_mut().reset(due);
                }
                if self.timer.as_mut().poll(cx).is_pending() {
                    return;
                }
                self.now = Instant::now();
            }
            if self.late_until.is_some_and(|late| self.now >= late) {
                self.late_until = None;
                self.end_if_late();
                continue;
            }
            if self.cause.is_some() {
                if self.now >= self.close_deadline {
                    self.io = None;
                }
                continue;
            }
            // While this side does not read, silence proves nothing: a ping finds out whether the peer
            // is there.
            let deaf = self.welcomed && self.io.is_some() && !self.has_room() && self.now >= due;
            let step = self.machine.step(if deaf { Input::Deaf } else { Input::Tick }, self.now.into_std());
            self.act(step, cx);
        }
    }
}

impl<O: Owner> Future for Connection<O> {
    /// How the connection ended.
    type Output = Closed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Closed> {
        let this = &mut *self;
        this.now = Instant::now();
        turn::begin();
        let mut left = TURN;
        loop {
            this.progressed = false;
            this.check_closed();
            this.poll_read(&mut left, cx);
            let unread = !this.has_room();
            this.poll_asked(cx);
            this.hand_over();
            this.poll_running(cx);
            this.poll_checking(cx);
            this.start_waiting(cx);
            this.check_inbox();
            this.poll_timer(cx);
            this.poll_write(cx);
            if let (None, Some(closed)) = (&this.io, &this.cause) {
                this.handle.outbox.give_up_receipts();
                let drained = this.inbox.is_empty() && this.checking.is_none();
                this.owner.on(Life::StreamGone { closed, drained });
            }
            if this.is_done() {
                return Poll::Ready(this.cause.clone().unwrap_or_else(|| Closed::broken(Reason::default())));
            }
            if left == 0 || turn::is_over() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // A handler that calls the peer makes room for the answer.
            let reads_again = unread && this.has_room();
            if !this.progressed && !reads_again && this.handle.outbox.sleep(cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

impl<O: Owner> Drop for Connection<O> {
    fn drop(&mut self) {
        if self.cause.is_none() {
            let closed = self.handle.close_as(Closed::broken(Reason::default()));
            self.handle.calls().disconnect();
            self.owner.on(Life::Ended(&closed));
        }
        self.handle.outbox.give_up_receipts(); // nothing more is read
        self.handle.forget_queue();
        self.handle.parked.drop_handover(); // no task is left that could take it over
    }
}

/// The limits of frames. They are lower for a client that was not admitted yet.
pub(super) fn frame_limits(limits: &Limits, admitted: bool) -> wse_frame::Limits {
    let bytes = if admitted { limits.message_bytes } else { limits.auth_message_bytes };
    wse_frame::Limits { frame: bytes, message: bytes, fragments: limits.fragments }
}
