//! One task a connection, or a session and all its connections, one after the other: from the socket
//! through decoder, codec and session to the handlers, and from the outbox back to the socket. It may
//! never decide what an envelope means, nor wait for anybody but its own peer.

use crate::connection::{
    handle::Handle,
    owner::{Asked, Owner},
    queue::Queue,
    resume::{Claim, Io, Line},
    running::{Check, Inbox, Running},
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
use wse_proto::{Closed, Limits, Machine, Reason};

/// Bytes read in one turn; then other connections have theirs.
pub(super) const TURN: usize = 64 << 10;

type Answer<S> = <<S as Owner>::Session as Machine>::Answer;

pub(crate) struct Connection<S: Owner> {
    /// Gone when the connection has ended or is lost; running handlers are still finished then.
    pub(super) io: Option<Io>,
    /// What was read but not decoded: before the connection was handed to the pump, or while the
    /// inbox was full.
    pub(super) read_ahead: Vec<u8>,
    /// Bytes of it that were decoded.
    pub(super) decoded: usize,
    pub(super) role: Role,
    pub(super) decoder: Decoder,
    pub(super) session: S::Session,
    pub(super) owner: S,
    pub(super) handle: Arc<Handle>,
    /// The peer has been admitted.
    pub(super) welcomed: bool,
    /// The application at work on a question.
    pub(super) asked: Option<Asked<Answer<S>>>,
    /// What messages and calls wait for after the welcome.
    pub(super) ready: Option<oneshot::Receiver<()>>,
    pub(super) running: FuturesUnordered<Running>,
    /// The message or call that the application's hook looks at.
    pub(super) checking: Option<Box<Check>>,
    pub(super) inbox: Inbox,
    pub(super) writing: Queue,
    pub(super) flushed: bool,
    pub(super) timer: Pin<Box<Sleep>>,
    pub(super) now: Instant,
    /// Why the connection ends or ended.
    pub(super) cause: Option<Closed>,
    /// The peer has sent its close frame.
    pub(super) peer_closed: bool,
    /// When a peer that does not answer the close frame is cut.
    pub(super) close_deadline: Instant,
    /// The welcomed connection is for the task of this session.
    pub(super) claim: Option<Box<Claim>>,
    /// The ping behind a welcome, until something shows that the client has it.
    pub(super) unconfirmed_welcome: Option<[u8; 8]>,
    /// Without that it is not kept beyond its connection.
    pub(super) on_trial: bool,
    /// No handler starts any more; how the connection ends when none runs.
    pub(super) draining: Option<Closed>,
    /// Something was begun or freed in this round, so there is more to poll.
    pub(super) progressed: bool,
}

impl<S: Owner> Connection<S> {
    pub(crate) fn new(
        io: Io,
        read_ahead: Vec<u8>,
        role: Role,
        session: S::Session,
        owner: S,
        handle: Arc<Handle>,
    ) -> Self {
        let now = Instant::now();
        let first = session.deadline().map_or(now, Instant::from_std);
        Self {
            io: Some(io),
            read_ahead,
            decoded: 0,
            role,
            decoder: Decoder::new(role, frame_limits(owner.limits(), role == Role::Client)),
            session,
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
            timer: Box::pin(tokio::time::sleep_until(first)),
            now,
            cause: None,
            peer_closed: false,
            close_deadline: now,
            claim: None,
            unconfirmed_welcome: None,
            on_trial: false,
            draining: None,
            progressed: false,
        }
    }

    /// Gives the welcomed connection to the task of its session; this one has done its part.
    fn hand_over(&mut self) {
        let Some(claim) = self.claim.take() else { return };
        let Some(io) = self.io.take() else { return };
        let read_ahead = self.read_ahead.split_off(self.decoded);
        let decoder = self.forget_message();
        self.drop_waiting(); // a client that resumes has nothing to say before the welcome
        let Claim { handle, resumption } = *claim;
        handle.outbox.adopt(Line { io, read_ahead, decoder, resumption });
        self.cause = Some(self.handle.outbox.close(Closed::broken(Reason::default())));
        let _ = self.session.close(self.now.into_std());
    }

    /// Begins decoding anew. Gives the decoder with what it holds of a message that came in part.
    pub(super) fn forget_message(&mut self) -> Decoder {
        let anew = Decoder::new(self.role, frame_limits(self.owner.limits(), true));
        std::mem::replace(&mut self.decoder, anew)
    }

    fn is_done(&self) -> bool {
        let gone = self.io.is_none() && self.cause.is_some();
        gone && self.running.is_empty() && self.checking.is_none() && self.inbox.is_empty()
    }
}

impl<S: Owner> Future for Connection<S> {
    /// How the connection ended.
    type Output = Closed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Closed> {
        let this = &mut *self;
        this.now = Instant::now();
        let mut left = TURN;
        loop {
            this.progressed = false;
            this.check_closed();
            this.poll_read(&mut left, cx);
            this.poll_asked(cx);
            this.hand_over();
            this.poll_running(cx);
            this.poll_checking(cx);
            this.start_waiting(cx);
            this.poll_timer(cx);
            this.poll_write(cx);
            if let (None, Some(closed)) = (&this.io, &this.cause) {
                this.handle.outbox.give_up();
                this.owner.stream_gone(closed, this.inbox.is_empty() && this.checking.is_none());
            }
            if this.is_done() {
                return Poll::Ready(this.cause.clone().unwrap_or_else(|| Closed::broken(Reason::default())));
            }
            if left == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !this.progressed && this.handle.outbox.sleep(cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

impl<S: Owner> Drop for Connection<S> {
    fn drop(&mut self) {
        if self.cause.is_none() {
            let closed = self.handle.outbox.close(Closed::broken(Reason::default()));
            self.handle.outbox.give_up();
            self.handle.disconnect();
            self.owner.ended(&closed);
        }
        self.handle.outbox.drop_line(); // no task is left that could go on over it
    }
}

/// Only a client that nobody has let in yet is held to less.
pub(super) fn frame_limits(limits: &Limits, trusted: bool) -> wse_frame::Limits {
    let bytes = if trusted { limits.message_bytes } else { limits.auth_message_bytes };
    wse_frame::Limits { frame: bytes, message: bytes, fragments: limits.fragments }
}
