//! The task of a connection, or of a session with one connection after the other: its state and its
//! loop. It decides nothing about envelopes, and waits for no peer but its own.

use crate::{
    app::known::Known,
    connection::{
        handle::Handle,
        inbox::Inbox,
        owner::{Asked, Life, Owner},
        parked::Resumption,
        queue::Queue,
        read_ahead::ReadAhead,
        running_handlers::{Checking, RunningHandlers},
        stream::Io,
        timer::Timer,
        turn::{self, TURN},
    },
};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{sync::oneshot, time::Instant};
use wse_frame::{Decoder, Role, deflate::RSV1};
use wse_proto::{Closed, Input, Limits, Machine, Reason};

type AnswerOf<O> = <<O as Owner>::Machine as Machine>::Answer;

/// One connection and everything that runs for it.
pub(crate) struct Connection<O: Owner> {
    /// `None` once the connection has ended or is lost. Running handlers still finish then.
    pub(super) io: Option<Io>,
    pub(super) read_ahead: ReadAhead,
    pub(super) role: Role,
    pub(super) decoder: Decoder,
    pub(super) machine: O::Machine,
    pub(super) owner: O,
    pub(super) handle: Arc<Handle>,
    /// The peer has been admitted.
    pub(super) welcomed: bool,
    pub(super) entering: Entering<AnswerOf<O>>,
    /// The handlers that this turn has seen.
    pub(super) known: Known<O::Who>,
    pub(super) running: RunningHandlers,
    /// The message or call that the application's hook looks at.
    pub(super) checking: Option<Box<Checking>>,
    pub(super) inbox: Inbox,
    pub(super) writing: Queue,
    pub(super) flushed: bool,
    /// The stream has not taken everything: what it takes next, its peer has made room for.
    pub(super) full: bool,
    /// When the connection ends as slow, unless the queue falls to its limit before.
    pub(super) late_until: Option<Box<Instant>>,
    timer: Timer,
    pub(super) now: Instant,
    /// Why the connection ends or ended. In a box, as all that few connections have at a time: a task is
    /// rounded up to 128 bytes.
    pub(super) cause: Option<Box<Cause>>,
    /// The peer has sent its close frame.
    pub(super) peer_closed: bool,
    /// The payload of the ping behind a welcome, until something shows that the client has the welcome.
    pub(super) unconfirmed_welcome: Option<Box<[u8; 8]>>,
    /// No envelope has come since the session was resumed: its client may have given that attempt up.
    pub(super) unheard: bool,
    /// Until the peer has shown that it is there, its session ends when the stream is lost.
    pub(super) provisional: bool,
    /// No more handlers start. The connection ends like this when none runs.
    pub(super) draining: Option<Box<Closed>>,
    /// Something began or became free in this round, so there is more to poll.
    pub(super) progressed: bool,
}

/// What a connection waits for on its way in.
pub(super) enum Entering<A> {
    /// For nothing but its peer.
    Done,
    /// The application's answer to a question, while the application works on it.
    Asked(Asked<A>),
    /// The welcome resumes this session, in another task.
    Found(Box<(Arc<Handle>, Resumption)>),
    /// After the welcome, messages and calls wait for this before they reach their handlers.
    Ready(oneshot::Receiver<()>),
    /// The session has come from another server: messages and calls wait until its client is back, and then for
    /// this.
    Resumes(Option<oneshot::Receiver<()>>),
    /// The session is on its way to another server. What it waited for before goes on if it stays.
    Leaves(Box<Entering<A>>),
    /// The session is at another server. Handlers that run may finish.
    Left,
}

impl<A> Entering<A> {
    #[inline]
    pub(super) fn take_found(&mut self) -> Option<Box<(Arc<Handle>, Resumption)>> {
        let Entering::Found(_) = self else { return None };
        match std::mem::replace(self, Entering::Done) {
            Entering::Found(found) => Some(found),
            _ => None,
        }
    }
}

/// Why a connection ends.
pub(super) struct Cause {
    pub(super) closed: Closed,
    /// When this side drops the stream, if the peer has not answered the close frame by then.
    pub(super) deadline: Instant,
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
        Self::without(Some(io), read_ahead, role, machine, owner, handle)
    }

    /// The same with or without a stream.
    pub(super) fn without(
        io: Option<Io>,
        read_ahead: Vec<u8>,
        role: Role,
        machine: O::Machine,
        owner: O,
        handle: Arc<Handle>,
    ) -> Self {
        let now = Instant::now();
        let first = machine.deadline().map_or(now, Instant::from_std);
        let limits = frame_limits(&owner.env().limits, role == Role::Client);
        let mut decoder = Decoder::new(role, limits);
        decoder.allow_reserved(if handle.outbox.agreed().is_some() { RSV1 } else { 0 });
        Self {
            io,
            read_ahead: read_ahead.into(),
            role,
            decoder,
            machine,
            owner,
            handle,
            welcomed: false,
            entering: Entering::Done,
            known: Known::default(),
            running: RunningHandlers::default(),
            checking: None,
            inbox: Inbox::default(),
            writing: Queue::default(),
            flushed: true,
            full: false,
            late_until: None,
            timer: Timer::new(first),
            now,
            cause: None,
            peer_closed: false,
            unconfirmed_welcome: None,
            unheard: false,
            provisional: false,
            draining: None,
            progressed: false,
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) {
        loop {
            let owner = if self.cause.is_none() { self.owner.poll_due(self.now, cx) } else { None };
            let due = match (self.machine.deadline(), &self.cause) {
                (Some(deadline), _) => Instant::from_std(deadline),
                (None, Some(cause)) if self.io.is_some() => cause.deadline,
                (None, _) => return,
            };
            let due = self.late_until.as_deref().map_or(due, |late| due.min(*late));
            let due = owner.map_or(due, |owner| due.min(owner));
            if due > self.now {
                if self.timer.poll_until(due, self.now, cx).is_pending() {
                    return;
                }
                self.now = Instant::now();
            }
            if self.late_until.as_deref().is_some_and(|late| self.now >= *late) {
                self.late_until = None;
                self.end_if_late();
                continue;
            }
            if owner.is_some_and(|owner| self.now >= owner) {
                continue;
            }
            if let Some(cause) = &self.cause {
                if self.now >= cause.deadline {
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
        self.now = Instant::now();
        turn::begin();
        let polled = self.poll_turn(cx);
        self.known.forget();
        polled
    }
}

impl<O: Owner> Connection<O> {
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        let mut left = TURN;
        loop {
            self.progressed = false;
            self.handle.outbox.work();
            self.check_closed();
            self.poll_read(&mut left, cx);
            let unread = !self.has_room();
            if !self.is_idle() {
                self.poll_asked(cx);
                self.hand_over();
                self.poll_running(cx);
                self.poll_checking(cx);
                self.start_waiting(cx);
                self.check_inbox();
            }
            self.poll_timer(cx);
            let sleeps = self.poll_write(cx);
            if self.io.is_none()
                && let Some(closed) = self.without_stream()
            {
                return Poll::Ready(closed);
            }
            if left == 0 || turn::is_over() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // A handler that calls the peer makes room for the answer.
            let reads_again = unread && self.has_room();
            if !self.progressed && !reads_again && (sleeps || self.handle.outbox.sleep(cx.waker())) {
                return Poll::Pending;
            }
        }
    }
}

impl<O: Owner> Connection<O> {
    /// Returns how the connection has ended, once nothing of it is left.
    fn without_stream(&mut self) -> Option<Closed> {
        let drained = self.inbox.is_empty() && self.checking.is_none();
        if let Some(cause) = &self.cause {
            self.handle.outbox.give_up_receipts();
            self.owner.on(Life::StreamGone { closed: &cause.closed, drained });
        } else if !matches!(self.entering, Entering::Left) {
            return None;
        }
        let closed =
            || self.cause.as_ref().map_or_else(|| Closed::broken(Reason::default()), |cause| cause.closed.clone());
        (drained && self.running.is_empty()).then(closed)
    }

    /// Nothing of the application runs or waits here, as most often when a turn has read: what it started has
    /// ended at once.
    fn is_idle(&self) -> bool {
        matches!(self.entering, Entering::Done)
            && self.running.is_empty()
            && self.checking.is_none()
            && self.inbox.is_empty()
    }
}

impl<O: Owner> Drop for Connection<O> {
    fn drop(&mut self) {
        if let (None, Entering::Left) = (&self.cause, &self.entering) {
            return self.handle.outbox.forget_task(); // whoever has the handle reaches the session elsewhere
        }
        if self.cause.is_none() {
            let closed = self.handle.close_as(Closed::broken(Reason::default()));
            self.handle.calls().disconnect();
            self.owner.on(Life::Ended(&closed));
        }
        self.handle.outbox.give_up_receipts(); // nothing more is read
        self.handle.forget_queue();
        self.handle.outbox.forget_task();
        self.handle.parked.drop_handover(); // no task is left that could take it over
    }
}

/// The limits of frames. They are lower for a client that was not admitted yet.
pub(super) fn frame_limits(limits: &Limits, admitted: bool) -> wse_frame::Limits {
    let bytes = if admitted { limits.message_bytes } else { limits.auth_message_bytes };
    wse_frame::Limits { frame: bytes, message: bytes, fragments: limits.fragments }
}
