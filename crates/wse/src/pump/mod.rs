//! One task a connection: from the socket through decoder, codec and session to the handlers, and
//! from the outbox back to the socket. It may never decide what an envelope means, nor wait for
//! anybody but its own peer.

mod act;
mod intake;
mod outlet;

use crate::{
    flight::{Check, Flight, Inbox},
    peer::Peer,
    queue::Queue,
    side::{Asked, Side},
};
use futures_util::stream::FuturesUnordered;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    time::{Instant, Sleep},
};
use wse_frame::{Decoder, Role};
use wse_proto::{Closed, Limits, Reason, Session};

/// Bytes read in one turn; then other connections have theirs.
const TURN: usize = 64 << 10;

type Answer<S> = <<S as Side>::Session as Session>::Answer;

pub(crate) struct Pump<IO, S: Side> {
    /// Gone when the connection has ended; running handlers are still finished then.
    io: Option<IO>,
    /// What was read but not decoded: before the connection was handed to the pump, or while the
    /// inbox was full.
    read_ahead: Vec<u8>,
    /// Bytes of it that were decoded.
    decoded: usize,
    role: Role,
    decoder: Decoder,
    session: S::Session,
    side: S,
    peer: Arc<Peer>,
    /// The peer has been admitted.
    welcomed: bool,
    /// The application at work on a question.
    asked: Option<Asked<Answer<S>>>,
    /// What messages and calls wait for after the welcome.
    ready: Option<oneshot::Receiver<()>>,
    flights: FuturesUnordered<Flight>,
    /// The message or call that the application's hook looks at.
    checking: Option<Box<Check>>,
    inbox: Inbox,
    writing: Queue,
    flushed: bool,
    timer: Pin<Box<Sleep>>,
    now: Instant,
    /// Why the connection ends or ended.
    cause: Option<Closed>,
    /// The peer has sent its close frame.
    peer_closed: bool,
    /// When a peer that does not answer the close frame is cut.
    close_deadline: Instant,
    draining: bool,
    /// Something was begun or freed in this round, so there is more to poll.
    again: bool,
}

impl<IO, S> Pump<IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Side,
{
    pub(crate) fn new(io: IO, read_ahead: Vec<u8>, role: Role, session: S::Session, side: S, peer: Arc<Peer>) -> Self {
        let now = Instant::now();
        let first = session.deadline().map_or(now, Instant::from_std);
        Self {
            io: Some(io),
            read_ahead,
            decoded: 0,
            role,
            decoder: Decoder::new(role, frame_limits(side.limits(), role == Role::Client)),
            session,
            side,
            peer,
            welcomed: false,
            asked: None,
            ready: None,
            flights: FuturesUnordered::new(),
            checking: None,
            inbox: Inbox::default(),
            writing: Queue::default(),
            flushed: true,
            timer: Box::pin(tokio::time::sleep_until(first)),
            now,
            cause: None,
            peer_closed: false,
            close_deadline: now,
            draining: false,
            again: false,
        }
    }

    fn is_done(&self) -> bool {
        self.io.is_none() && self.flights.is_empty() && self.checking.is_none() && self.inbox.is_empty()
    }
}

impl<IO, S> Future for Pump<IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Side,
{
    /// How the connection ended.
    type Output = Closed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Closed> {
        let this = &mut *self;
        this.now = Instant::now();
        let mut left = TURN;
        loop {
            this.again = false;
            this.heed();
            this.poll_read(&mut left, cx);
            this.poll_asked(cx);
            this.poll_flights(cx);
            this.poll_checking(cx);
            this.start_waiting(cx);
            this.poll_timer(cx);
            this.poll_write(cx);
            if let (None, Some(closed)) = (&this.io, &this.cause) {
                this.side.hung_up(closed, this.inbox.is_empty() && this.checking.is_none());
            }
            if this.is_done() {
                return Poll::Ready(this.cause.clone().unwrap_or_else(|| Closed::broken(Reason::default())));
            }
            if left == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !this.again && this.peer.outbox.sleep(cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

impl<IO, S: Side> Drop for Pump<IO, S> {
    fn drop(&mut self) {
        if self.cause.is_none() {
            let closed = self.peer.outbox.close(Closed::broken(Reason::default()));
            self.peer.disconnect();
            self.side.ended(&closed);
        }
    }
}

/// Only a client that nobody has let in yet is held to less.
fn frame_limits(limits: &Limits, trusted: bool) -> wse_frame::Limits {
    let bytes = if trusted { limits.message_bytes } else { limits.auth_message_bytes };
    wse_frame::Limits { frame: bytes, message: bytes, fragments: limits.fragments }
}
