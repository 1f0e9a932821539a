//! Reads the stream, decodes frames, and passes the machine one input at a time.

use crate::connection::{
    owner::Owner,
    task::Connection,
    turn::{self, TURN},
};
use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, ReadBuf};
use wse_frame::{Item, Message, Opcode, Role};
use wse_proto::{Closed, Input, Machine, Reason};

/// The close code of a client that leaves, and perhaps not for good (RFC 6455 section 7.4.1).
const GOING_AWAY: u16 = 1001;

/// Bytes read at once from a peer that was not admitted yet.
const UNADMITTED_READ: usize = 4 << 10;

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
            let rest = self.take_in(&mut ahead[self.decoded..], cx);
            if rest > 0 {
                (self.decoded, self.read_ahead) = (ahead.len() - rest, ahead);
            } else {
                self.decoded = 0;
            }
        }
        while *left > 0 && self.read_ahead.is_empty() && self.has_room() {
            let Some(io) = &mut self.io else { return };
            let mut scratch = SCRATCH.take();
            scratch.resize(TURN, 0);
            let size = if self.welcomed { TURN } else { UNADMITTED_READ };
            let mut buffer = ReadBuf::new(&mut scratch[..size]);
            let read = Pin::new(io).poll_read(cx, &mut buffer);
            let filled = buffer.filled().len();
            match read {
                Poll::Ready(Ok(())) if filled > 0 => {
                    let begun = self.decoder.buffered() > 0;
                    self.machine.heard(if begun { filled } else { 0 }, self.now.into_std());
                    let rest = self.take_in(&mut scratch[..filled], cx);
                    if rest > 0 {
                        self.read_ahead = scratch[filled - rest..filled].to_vec();
                    }
                }
                Poll::Ready(_) => self.lost(Closed::broken(Reason::default())),
                Poll::Pending => {}
            }
            SCRATCH.set(scratch);
            if read.is_pending() {
                return;
            }
            *left = left.saturating_sub(filled);
        }
    }

    /// Whether more is read. A full inbox keeps the stream unread, unless the application waits for what
    /// the peer sends there.
    pub(super) fn has_room(&self) -> bool {
        let limits = &self.owner.env().limits;
        let bound = if self.welcomed { limits.inbox_bytes } else { limits.auth_message_bytes };
        let awaits_peer = || self.welcomed && self.handle.awaits_peer();
        self.found_session.is_none() && self.inbox.has_room(bound, awaits_peer)
    }

    /// Decodes what was read. Returns how many bytes are left because the inbox is full, as small messages
    /// take more room than their bytes, or because the turn is over.
    fn take_in(&mut self, mut input: &mut [u8], cx: &mut Context<'_>) -> usize {
        loop {
            if !self.has_room() || turn::is_over() {
                return input.len();
            }
            match self.decoder.next(&mut input) {
                Ok(None) => return 0,
                Ok(Some(Item::Message(message))) => self.message(&message, cx),
                Ok(Some(Item::Ping(ping))) if self.cause.is_none() => {
                    // Fails only when the connection ends, which is noticed soon enough.
                    let _ = self.handle.pong(ping.as_slice());
                }
                Ok(Some(Item::Pong(pong))) if self.unconfirmed_welcome.is_some_and(|mark| pong.as_slice() == mark) => {
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
                    self.close_now(Closed { code: error.close_code(), reason: error.to_string().into() });
                    return 0;
                }
            }
        }
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

    fn message(&mut self, message: &Message<'_>, cx: &mut Context<'_>) {
        self.check_closed();
        if self.cause.is_some() && !self.handle.outbox.session(|session| session.is_owed()).unwrap_or(false) {
            return; // after the end only acknowledgements count
        }
        self.unheard = false;
        self.welcome_arrived();
        let said = self.machine.read(message.payload.as_slice(), message.opcode == Opcode::Binary);
        let input = match said {
            Ok(envelope) => Input::Envelope(envelope),
            Err(error) => {
                tracing::debug!(%error, "protocol error");
                Input::Garbage(error)
            }
        };
        let step = self.machine.step(input, self.now.into_std());
        self.act(step, cx);
    }
}
