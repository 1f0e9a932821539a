//! One task a connection: from the socket through decoder, codec and session to the handlers, and
//! from the outbox back to the socket. It may never decide what an envelope means, nor wait for
//! anybody but its own peer.

use crate::{
    flight::{Flight, Inbox, Ticket},
    handlers::Outcome,
    peer::Peer,
    queue::Queue,
    side::{Asked, Report, Side},
};
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::{
    cell::Cell,
    future::Future,
    io::IoSlice,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
    time::{Instant, Sleep},
};
use wse_frame::{Decoder, Item, Message, Opcode, Role};
use wse_proto::{Closed, Code, Envelope, Input, Kind, Limits, Payload, Reason, RpError, Session, Step};

/// Bytes read in one turn; then other connections have theirs.
const TURN: usize = 64 << 10;

thread_local! {
    /// Where bytes are read to: one buffer a worker thread. The decoder takes all of it in before
    /// the turn ends, so a connection owns no buffer while idle.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

type Answer<S> = <<S as Side>::Session as Session>::Answer;
type StepOf<'a, S> =
    Step<'a, <<S as Side>::Session as Session>::Question, <<S as Side>::Session as Session>::Opening>;

pub(crate) struct Pump<IO, S: Side> {
    /// Gone when the connection has ended; running handlers are still finished then.
    io: Option<IO>,
    /// What was read before the connection was handed to the pump.
    read_ahead: Bytes,
    role: Role,
    decoder: Decoder,
    session: S::Session,
    side: S,
    peer: Arc<Peer>,
    who: Option<S::Who>,
    /// The application at work on a question.
    asked: Option<Asked<Answer<S>>>,
    /// What messages and calls wait for after the welcome.
    ready: Option<oneshot::Receiver<()>>,
    flights: FuturesUnordered<Flight>,
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
    pub(crate) fn new(io: IO, read_ahead: Bytes, role: Role, session: S::Session, side: S, peer: Arc<Peer>) -> Self {
        let now = Instant::now();
        let first = session.deadline().map_or(now, Instant::from_std);
        Self {
            io: Some(io),
            read_ahead,
            role,
            decoder: Decoder::new(role, frame_limits(side.limits(), false)),
            session,
            side,
            peer,
            who: None,
            asked: None,
            ready: None,
            flights: FuturesUnordered::new(),
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

    // ------------------------------------------------------------------ in

    /// Reads while there is something, room for it, and bytes `left` of the turn.
    fn poll_read(&mut self, left: &mut usize, cx: &mut Context<'_>) {
        if !self.read_ahead.is_empty() {
            let mut ahead = std::mem::take(&mut self.read_ahead).to_vec();
            self.take_in(&mut ahead, cx);
        }
        while *left > 0 && self.has_room() {
            let Some(io) = &mut self.io else { return };
            let mut scratch = SCRATCH.take();
            scratch.resize(TURN, 0);
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = Pin::new(io).poll_read(cx, &mut buffer);
            let filled = buffer.filled().len();
            match read {
                Poll::Ready(Ok(())) if filled > 0 => self.take_in(&mut scratch[..filled], cx),
                Poll::Ready(_) => self.lost(),
                Poll::Pending => {}
            }
            SCRATCH.set(scratch);
            if read.is_pending() {
                return;
            }
            *left = left.saturating_sub(filled);
        }
    }

    fn has_room(&self) -> bool {
        let limits = self.side.limits();
        let bound = if self.who.is_some() { limits.inbox_bytes } else { limits.auth_message_bytes };
        self.inbox.bytes() <= bound
    }

    fn take_in(&mut self, mut input: &mut [u8], cx: &mut Context<'_>) {
        let _ = self.session.step(Input::Heard, self.now.into_std());
        loop {
            match self.decoder.next(&mut input) {
                Ok(None) => return,
                Ok(Some(Item::Message(message))) => self.message(&message, cx),
                Ok(Some(Item::Ping(ping))) if self.cause.is_none() => {
                    // Fails only when the connection ends, which is noticed soon enough.
                    let _ = self.peer.control(Opcode::Pong, ping.as_slice());
                }
                Ok(Some(Item::Ping(_) | Item::Pong(_))) => {}
                Ok(Some(Item::Close(frame))) => {
                    self.peer_closed = true;
                    let (code, reason) =
                        frame.map_or((1005, Reason::default()), |frame| (frame.code, frame.reason.into()));
                    self.end(Closed { code, reason });
                }
                Err(error) => self.end_deaf(Closed { code: error.close_code(), reason: error.to_string().into() }),
            }
        }
    }

    fn message(&mut self, message: &Message<'_>, cx: &mut Context<'_>) {
        if self.cause.is_some() {
            return;
        }
        let peer = self.peer.clone();
        match peer.codec.read(message.payload.as_slice(), message.opcode == Opcode::Binary) {
            Ok(envelope) => {
                let step = self.session.step(Input::Envelope(envelope), self.now.into_std());
                self.act(step, cx);
            }
            Err(error) => {
                tracing::debug!(%error, "protocol error");
                self.end_deaf(Closed::protocol_error());
            }
        }
    }

    // ------------------------------------------------------------------ act

    fn act(&mut self, step: StepOf<'_, S>, cx: &mut Context<'_>) {
        match step {
            Step::Wait => {}
            Step::Hold(envelope) => self.inbox.push(envelope),
            Step::Ask(question) => {
                self.asked = Some(self.side.ask(question));
                self.again = true;
            }
            Step::Send(kind, payload) => {
                // Fails only when the connection ends, which is noticed soon enough.
                let _ = self.peer.send_own(kind, &payload);
            }
            Step::Open(opening) => match self.side.open(opening, &self.peer) {
                Ok(opened) => {
                    self.who = Some(opened.who);
                    self.ready = opened.ready;
                    self.decoder.set_limits(frame_limits(self.side.limits(), true));
                }
                Err(closed) => self.end_deaf(closed),
            },
            Step::Deliver { name, payload } => self.arrived(Envelope { name, payload, stamp: None }, cx),
            Step::Invoke { rp, payload, stamp } => {
                self.arrived(Envelope { name: rp, payload, stamp: Some(stamp) }, cx);
            }
            Step::Settle { stamp, outcome } => self.peer.settle(&stamp, outcome),
            Step::Ping => {
                let _ = self.peer.control(Opcode::Ping, &[]);
            }
            Step::Close(closed) => self.end_deaf(closed),
        }
    }

    /// A message or call starts its handler, or waits behind those that came before.
    fn arrived(&mut self, envelope: Envelope<'_>, cx: &mut Context<'_>) {
        if self.inbox.is_empty() && self.may_start() { self.start(envelope, cx) } else { self.inbox.push(envelope) }
    }

    fn may_start(&self) -> bool {
        let full = self.flights.len() >= self.side.limits().handlers_per_conn.max(1);
        self.who.is_some() && self.ready.is_none() && !self.draining && !full
    }

    fn start_waiting(&mut self, cx: &mut Context<'_>) {
        while self.may_start() {
            let Some(envelope) = self.inbox.pop() else { return };
            self.start(envelope, cx);
        }
    }

    fn start(&mut self, envelope: Envelope<'_>, cx: &mut Context<'_>) {
        let Some(who) = self.who.clone() else { return };
        let Envelope { name, payload, stamp } = envelope;
        let run = match &stamp {
            None => self.side.handlers().deliver(&name, who, &payload),
            Some(_) => self.side.handlers().invoke(&name, who, &payload),
        };
        let Some(mut run) = run else {
            match stamp {
                None => self.report(Report::Ignored { name: &name, payload: &payload }),
                Some(stamp) => self.answer(&stamp, Err(RpError::not_registered())),
            }
            return;
        };
        // Most handlers finish at once: no place among the flights, nothing kept of the call.
        match run.as_mut().poll(cx) {
            Poll::Ready(outcome) => self.landed(outcome, stamp.as_deref().map(|stamp| (&*name, stamp, &payload))),
            Poll::Pending => {
                let ticket = stamp.map(|stamp| {
                    Box::new(Ticket {
                        rp: name.into_owned(),
                        stamp: stamp.into_owned(),
                        payload: payload.into_owned(),
                    })
                });
                self.fly(Flight::Handler(run, ticket));
            }
        }
    }

    fn poll_flights(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(landed)) = self.flights.poll_next_unpin(cx) {
            self.again = true;
            if let Some((outcome, ticket)) = landed {
                let call = ticket.as_ref().map(|ticket| (&*ticket.rp, &*ticket.stamp, &ticket.payload));
                self.landed(outcome, call);
            }
        }
    }

    /// A handler has finished: its call is answered, its errors are reported.
    fn landed(&mut self, outcome: Outcome, call: Option<(&str, &str, &Payload<'_>)>) {
        let errors = match (outcome, call) {
            (Ok(result), Some((_, stamp, _))) => return self.answer(stamp, Ok(result)),
            (Ok(_), None) => return,
            (Err(errors), _) => errors,
        };
        let code = if call.is_some() { Code::RP_FAILED } else { Code::MSG_PROCESSING_ERROR };
        for error in errors {
            if let Some((rp, stamp, payload)) = call {
                self.answer(stamp, Err(error.answer(rp, payload, self.side.expose_errors())));
            }
            self.report(Report::Failed { code, error });
        }
    }

    fn answer(&mut self, stamp: &str, answer: Result<Payload<'static>, Payload<'static>>) {
        let sent = match &answer {
            Ok(result) => self.peer.send_encoded(Kind::Response.as_str(), result, Some(stamp)),
            Err(error) => self.peer.send_encoded(Kind::ResponseErr.as_str(), error, Some(stamp)),
        };
        match sent {
            Ok(()) | Err(crate::SendError::NotReady | crate::SendError::Slow) => {}
            // A result that cannot be sent is an error that can.
            Err(error) if answer.is_ok() => {
                let error = RpError::from(error).message("the result cannot be sent");
                let null = Payload::null(self.peer.codec.format());
                self.answer(stamp, Err(error.answer("", &null, self.side.expose_errors())));
                self.report(Report::Failed { code: Code::RP_FAILED, error });
            }
            Err(error) => tracing::warn!(%error, "an error could not be sent"),
        }
    }

    fn report(&mut self, report: Report<'_>) {
        if let Some(task) = self.side.report(self.who.as_ref(), report) {
            self.fly(Flight::Report(task));
        }
    }

    fn fly(&mut self, flight: Flight) {
        self.flights.push(flight);
        self.again = true;
    }

    fn poll_asked(&mut self, cx: &mut Context<'_>) {
        if let Some(asked) = &mut self.asked
            && let Poll::Ready((answer, failed)) = asked.as_mut().poll(cx)
        {
            self.again = true;
            self.asked = None;
            match answer {
                Ok(answer) => {
                    let step = self.session.step(Input::Answer(answer), self.now.into_std());
                    self.act(step, cx);
                }
                Err(closed) => self.end_deaf(closed),
            }
            if let Some(error) = failed {
                self.report(Report::Failed { code: Code::NOT_AUTHORIZED, error });
            }
        }
        if let Some(ready) = &mut self.ready
            && Pin::new(ready).poll(cx).is_ready()
        {
            self.again = true;
            self.ready = None;
        }
    }

    // ------------------------------------------------------------------ out

    fn poll_write(&mut self, cx: &mut Context<'_>) {
        loop {
            let signals = self.peer.outbox.collect(&mut self.writing);
            if signals.cut {
                self.lost();
                self.flights.clear();
            }
            self.draining |= signals.drain;
            match signals.closed {
                Some(closed) if self.cause.is_none() => self.end_deaf(closed),
                None if self.draining && (self.flights.is_empty() || self.who.is_none()) => {
                    self.end_deaf(Closed::restart());
                    continue;
                }
                _ => {}
            }
            let Some(io) = &mut self.io else { return };
            if self.writing.is_empty() {
                return self.poll_written(cx);
            }
            let mut slices = [IoSlice::new(&[]); 16];
            let filled = self.writing.slices(&mut slices);
            match Pin::new(io).poll_write_vectored(cx, &slices[..filled]) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.writing.advance(written);
                    self.peer.outbox.written(written);
                    self.flushed = false;
                }
                Poll::Ready(_) => return self.lost(),
                Poll::Pending => return,
            }
        }
    }

    /// Everything queued was written: flush it, and hang up after the last frame of both sides.
    fn poll_written(&mut self, cx: &mut Context<'_>) {
        let Some(io) = &mut self.io else { return };
        if !self.flushed {
            match Pin::new(&mut *io).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.flushed = true,
                Poll::Ready(Err(_)) => return self.lost(),
                Poll::Pending => return,
            }
        }
        // RFC 6455 section 7.1.1: the server hangs up first, the client waits for it.
        if self.peer_closed && self.cause.is_some() && self.role == Role::Server {
            if Pin::new(io).poll_shutdown(cx).is_ready() {
                self.io = None;
            }
        }
    }

    // ------------------------------------------------------------------ end

    /// The socket is gone, with or without a goodbye.
    fn lost(&mut self) {
        self.io = None;
        self.end(Closed::broken(Reason::default()));
    }

    /// This side ends the connection: what still waits is dropped, nothing more is heard.
    fn end_deaf(&mut self, closed: Closed) {
        self.inbox.clear();
        if closed.code == 1006 {
            self.io = None;
        }
        self.end(closed);
    }

    fn end(&mut self, closed: Closed) {
        if self.cause.is_some() {
            return;
        }
        // Whoever was first to close the outbox has chosen the cause.
        let closed = self.peer.outbox.close(closed);
        self.close_deadline = self.now + self.side.limits().close_timeout;
        let _ = self.session.step(Input::Close, self.now.into_std());
        self.asked = None;
        self.peer.disconnect();
        if self.who.is_none() {
            self.inbox.clear();
        }
        self.side.ended(self.who.as_ref(), &closed);
        self.cause = Some(closed);
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) {
        loop {
            let due = match self.session.deadline() {
                Some(deadline) => Instant::from_std(deadline),
                None if self.io.is_some() => self.close_deadline,
                None => return,
            };
            // A deadline that moved away is met early and set anew then, so that traffic costs nothing.
            if due < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(due);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.now = Instant::now();
            if self.cause.is_some() {
                if self.now >= self.close_deadline {
                    self.io = None;
                }
            } else {
                let step = self.session.step(Input::Tick, self.now.into_std());
                self.act(step, cx);
            }
        }
    }

    fn is_done(&self) -> bool {
        self.io.is_none() && self.flights.is_empty() && self.inbox.is_empty()
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
            this.poll_read(&mut left, cx);
            this.poll_asked(cx);
            this.poll_flights(cx);
            this.start_waiting(cx);
            this.poll_timer(cx);
            this.poll_write(cx);
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
            self.side.ended(self.who.as_ref(), &closed);
        }
    }
}

fn frame_limits(limits: &Limits, welcomed: bool) -> wse_frame::Limits {
    let bytes = if welcomed { limits.message_bytes } else { limits.auth_message_bytes };
    wse_frame::Limits { frame: bytes, message: bytes, fragments: limits.fragments }
}
