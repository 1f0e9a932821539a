//! Reads the stream, decodes frames, and passes the machine one input at a time.

use crate::connection::{
    owner::{Owner, Report},
    spare,
    task::{Connection, Entering},
    turn::{self, TURN},
};
use bytes::BufMut;
use std::{
    cell::Cell,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use wse_frame::{FrameError, Item, Message, Opcode, Payload, Role};
use wse_proto::{Closed, Input, Machine, Reason, Step};

/// The close code of a client that leaves, and perhaps not for good (RFC 6455 section 7.4.1).
const GOING_AWAY: u16 = 1001;

/// Bytes read at once. They are a little more than a turn, so that a message of 128 KiB, in its frame, has its whole
/// room once half of it has arrived.
const READ: usize = TURN + (4 << 10);

/// Bytes read at once from a peer that was not admitted yet.
const UNADMITTED_READ: usize = 4 << 10;

/// Bytes of a large frame that are worth a read of their own, which brings nothing of the next frame with it.
const ROOM: usize = 16 << 10;

thread_local! {
    /// The buffer into which all connections of a worker thread read. The decoder takes in every byte
    /// before the turn ends, so a connection owns no buffer while idle.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl<O: Owner> Connection<O> {
    /// Reads until nothing more has come, the inbox is full, or the turn is over: no bytes are `left` of it,
    /// or the handlers have sent enough.
    pub(super) fn poll_read(&mut self, left: &mut usize, cx: &mut Context<'_>) {
        if !self.read_ahead.is_empty() && self.has_room() {
            let mut ahead = std::mem::take(&mut self.read_ahead);
            let rest = self.take_in(ahead.rest(), cx);
            ahead.keep_last(rest);
            self.read_ahead = ahead;
        }
        while *left > 0 && !turn::is_over() && self.read_ahead.is_empty() && self.has_room() {
            let mut scratch = SCRATCH.take();
            scratch.resize(READ, 0);
            let read = self.poll_read_once(&mut scratch, cx);
            SCRATCH.set(scratch);
            let Poll::Ready(bytes) = read else { return };
            *left = left.saturating_sub(bytes);
        }
    }

    /// Reads once and takes in what has come. Returns how many bytes that were.
    fn poll_read_once(&mut self, scratch: &mut [u8], cx: &mut Context<'_>) -> Poll<usize> {
        let begun = self.decoder.buffered() > 0;
        match ready!(self.poll_stream(begun, scratch, cx)) {
            Ok((bytes, input)) if bytes > 0 => {
                self.machine.heard(if begun { bytes } else { 0 }, self.now.into_std());
                let rest = self.take_in(&mut scratch[..input], cx);
                if rest > 0 {
                    self.read_ahead = scratch[input - rest..input].to_vec().into();
                }
                Poll::Ready(bytes)
            }
            _ => {
                self.lost(Closed::broken(Reason::default()));
                Poll::Ready(0)
            }
        }
    }

    /// Reads what a large frame that has `begun` has announced into its place, and all else into `scratch`. Returns
    /// how many bytes were read, and how many of them lie in `scratch`.
    fn poll_stream(
        &mut self,
        begun: bool,
        scratch: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(usize, usize)>> {
        let Some(io) = &mut self.io else { return Poll::Pending };
        if begun
            && self.welcomed
            && let Some(room) = self.decoder.room(ROOM)
        {
            return pin!(io.read_buf(&mut room.limit(READ))).poll(cx).map_ok(|bytes| (bytes, 0));
        }
        let mut buffer = ReadBuf::new(&mut scratch[..if self.welcomed { READ } else { UNADMITTED_READ }]);
        let read = Pin::new(io).poll_read(cx, &mut buffer);
        read.map_ok(|()| (buffer.filled().len(), buffer.filled().len()))
    }

    /// Whether more is read. A full inbox keeps the stream unread, unless the application waits for what
    /// the peer sends there.
    pub(super) fn has_room(&self) -> bool {
        let limits = &self.owner.env().limits;
        let bound = if self.welcomed { limits.inbox_bytes } else { limits.auth_message_bytes };
        let awaits_peer = || self.welcomed && self.handle.awaits_peer();
        !matches!(self.entering, Entering::Found(_)) && self.inbox.has_room(bound, awaits_peer)
    }

    /// Decodes what was read. Returns how many bytes are left because the inbox is full, as small messages
    /// take more room than their bytes, or because the turn is over.
    ///
    /// Whoever calls it has looked for room before it read, and a first item is taken in whatever has changed
    /// since: it may lie whole in the decoder, where no byte of input would be left to come back for it.
    fn take_in(&mut self, mut input: &mut [u8], cx: &mut Context<'_>) -> usize {
        loop {
            match self.decoder.next_in(&mut input, spare::between) {
                Ok(None) => return 0,
                Ok(Some(Item::Message(message))) if message.reserved != 0 => self.inflate(message, cx),
                Ok(Some(Item::Message(message))) => {
                    self.message(&message, cx);
                    if let Payload::Owned(bytes) = message.payload {
                        spare::keep(bytes);
                    }
                }
                Ok(Some(Item::Ping(ping))) if self.cause.is_none() => {
                    // Fails only when the connection ends, which is noticed soon enough.
                    let _ = self.handle.pong(ping.as_slice());
                }
                Ok(Some(Item::Pong(pong)))
                    if self.unconfirmed_welcome.as_deref().is_some_and(|mark| pong.as_slice() == mark) =>
                {
                    self.welcome_arrived();
                }
                Ok(Some(Item::Ping(_) | Item::Pong(_))) => {}
                Ok(Some(Item::Close(frame))) => {
                    let (code, reason) =
                        frame.map_or((1005, Reason::default()), |frame| (frame.code, frame.reason.into()));
                    let closed = Closed { code, reason };
                    if self.may_come_back(&closed) {
                        self.leave(closed, cx);
                        return 0;
                    }
                    self.peer_closed = true;
                    self.end(closed);
                }
                // The decoder returns the same error for ever, so what follows is not decoded.
                Err(error) => {
                    self.break_off(&error);
                    return 0;
                }
            }
            if !self.has_room() || turn::is_over() {
                return input.len();
            }
        }
    }

    /// Ends the connection of a peer whose frames are broken. One that was not admitted is not worth an event.
    pub(super) fn break_off(&mut self, error: &FrameError) {
        let closed = Closed { code: error.close_code(), reason: error.to_string().into() };
        if self.welcomed { self.reject(closed, error) } else { self.close_now(closed) }
    }

    /// Whether the session may outlive this close frame: that of a browser that puts its page aside, of a
    /// proxy that stops or fails, or of a client that gave the attempt up before it saw the welcome, since
    /// one that sees it acknowledges at once.
    fn may_come_back(&self, closed: &Closed) -> bool {
        let passes = match self.role {
            Role::Server => closed.code == GOING_AWAY || self.unheard,
            Role::Client => closed.spares_session(),
        };
        passes && self.handle.is_open() && self.handle.outbox.session(|_| ()).is_some()
    }

    /// Whether messages still count: after the end only acknowledgements do.
    pub(super) fn listens(&mut self) -> bool {
        self.check_closed();
        self.cause.is_none() || self.handle.outbox.session(|session| session.is_owed()).unwrap_or(false)
    }

    pub(super) fn message(&mut self, message: &Message<'_>, cx: &mut Context<'_>) {
        if !self.listens() {
            return;
        }
        self.unheard = false;
        self.welcome_arrived();
        let said = self.machine.read(message.payload.as_slice(), message.opcode == Opcode::Binary);
        let step = match said {
            Ok(envelope) => self.machine.step(Input::Envelope(envelope), self.now.into_std()),
            Err(error) => {
                let why = error.to_string();
                let step = self.machine.step(Input::Garbage(error), self.now.into_std());
                if !matches!(step, Step::Reject(..)) {
                    self.report(Report::Garbage(&why));
                }
                step
            }
        };
        self.act(step, cx);
    }
}
