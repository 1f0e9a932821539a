//! What an outbox keeps for a session: copies of what was sent, the tokens to come back with, and
//! who waits to hear that something has arrived. It may never be touched without the outbox's lock.

use crate::{
    connection::{
        outbox::{Out, Outbox},
        queue::Queue,
        resume::Line,
    },
    session::parking::{Evicted, Slot},
};
use bytes::Bytes;
use std::{collections::BTreeMap, time::Instant};
use tokio::sync::oneshot;
use wse_frame::put_again;
use wse_proto::{Full, ProtocolError, Sent, Token, TokenCheck, Tokens};

pub(super) struct Kept {
    replay: Sent<Bytes>,
    /// The server's.
    tokens: Option<Tokens>,
    /// There is no connection.
    pub(super) parked: bool,
    /// A connection is on its way that has used the token up.
    claimed: bool,
    /// The place among the parked sessions of a server.
    slot: Option<Slot>,
    /// The connection to go on over.
    pub(super) line: Option<Box<Line>>,
    /// By the number of the frame.
    receipts: Receipts,
    /// With so many those are looked for that nobody waits for any more.
    receipts_most: usize,
    /// Nothing will be acknowledged any more.
    over: bool,
}

type Receipts = BTreeMap<u64, oneshot::Sender<()>>;

/// Whether the peer has taken a frame in.
pub(crate) enum Receipt {
    Arrived,
    /// Nobody will ever say.
    Unknown,
    Wait(oneshot::Receiver<()>),
}

impl Kept {
    /// Keeps a frame. Gives its number, and whoever has no place any more.
    pub(super) fn push(&mut self, frame: Out<'_>) -> Result<(u64, Evicted), Full> {
        let before = self.replay.bytes();
        let number = self.replay.push(frame.to_bytes())?;
        let more = self.replay.bytes() - before;
        Ok((number, self.slot.as_ref().map(|slot| slot.grow(more)).unwrap_or_default()))
    }

    /// The session ends: nothing is sent again. A connection that comes too late stays, for the pump
    /// to drop. Gives what is to be dropped without the lock.
    pub(super) fn end(&mut self) -> Option<Slot> {
        self.replay.discard();
        self.slot.take()
    }

    fn acknowledge(&mut self, count: u64) -> Result<Receipts, ProtocolError> {
        self.replay.acknowledge(count)?;
        if self.receipts.is_empty() {
            return Ok(Receipts::new());
        }
        let waiting = self.receipts.split_off(&(count + 1));
        Ok(std::mem::replace(&mut self.receipts, waiting))
    }
}

fn arrived(receipts: Receipts) {
    for receipt in receipts.into_values() {
        let _ = receipt.send(()); // who waited may have gone
    }
}

impl Outbox {
    /// Begins a session that keeps at most `limit` bytes; `token` is the server's first.
    pub(crate) fn keep(&self, token: Option<Token>, limit: usize) {
        self.lock().session = Some(Box::new(Kept {
            replay: Sent::new(limit),
            tokens: token.map(Tokens::new),
            parked: false,
            claimed: false,
            slot: None,
            line: None,
            receipts: Receipts::new(),
            receipts_most: 0,
            over: false,
        }));
    }

    /// Uses a token up, if it is this session's and all is there that its client has not seen.
    pub(crate) fn claim(&self, token: &Token, next: &Token, seen: u64, now: Instant) -> TokenCheck {
        let mut state = self.lock();
        if state.closed.is_some() {
            return TokenCheck::Unknown;
        }
        let Some(Kept { replay, tokens: Some(tokens), parked, claimed, .. }) = state.session.as_deref_mut() else {
            return TokenCheck::Unknown;
        };
        // Both are always looked at, so that the time does not tell which of them failed.
        let (check, covered) = (tokens.check(token, *parked && !*claimed, now), replay.covers(seen));
        if !covered {
            return TokenCheck::Unknown;
        }
        if check == TokenCheck::Good {
            tokens.use_up(token, next, now);
            *claimed = true;
        }
        check
    }

    /// Whether all is there that a peer needs which has seen so much.
    pub(crate) fn covers(&self, seen: u64) -> bool {
        let state = self.lock();
        state.closed.is_none() && state.session.as_ref().is_some_and(|kept| kept.replay.covers(seen))
    }

    /// The client has got its last token.
    pub(crate) fn confirm(&self) {
        if let Some(tokens) = self.lock().session.as_mut().and_then(|kept| kept.tokens.as_mut()) {
            tokens.confirm();
        }
    }

    /// Gives a session another connection, unless it has ended meanwhile: then that is dropped.
    pub(crate) fn adopt(&self, line: Line) {
        let mut state = self.lock();
        let open = state.closed.is_none();
        state.signalled = true;
        let before = match &mut state.session {
            Some(kept) if open => {
                kept.claimed = true;
                kept.line.replace(Box::new(line))
            }
            _ => Some(Box::new(line)),
        };
        Self::wake(state);
        drop(before);
    }

    /// For the pump, once its task ends: a connection that came too late goes with it.
    pub(crate) fn drop_line(&self) {
        let line = self.lock().session.as_mut().and_then(|kept| kept.line.take());
        drop(line); // it wakes the other side
    }

    /// The connection is gone: only copies are kept from now on. False when that is not possible.
    pub(crate) fn park(&self) -> bool {
        let mut state = self.lock();
        let open = state.closed.is_none();
        let Some(kept) = &mut state.session else { return false };
        if !open || !kept.replay.is_whole() {
            return false;
        }
        kept.parked = true;
        (state.queue, state.bytes, state.slack, state.cut) = (Queue::default(), 0, 0, false);
        true
    }

    /// Whether there is no connection, and none on its way.
    pub(crate) fn is_parked(&self) -> bool {
        self.lock().session.as_ref().is_some_and(|kept| kept.parked && !kept.claimed)
    }

    /// Bytes kept of a session.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.lock().session.as_ref().map_or(0, |kept| kept.replay.bytes())
    }

    /// The place of a parked session among the others.
    pub(crate) fn take_slot(&self, slot: Slot) {
        let mut state = self.lock();
        let open = state.closed.is_none();
        if let Some(kept) = state.session.as_mut().filter(|kept| kept.parked && open) {
            kept.slot = Some(slot);
        }
    }

    /// There is a connection again, over which the peer has `seen` so much: queues `first`, then
    /// what it has not seen, then `last`.
    pub(crate) fn resume(&self, first: &[u8], seen: u64, last: &[u8]) {
        let mut state = self.lock();
        if state.closed.is_some() {
            return;
        }
        let mut queue = Queue::default();
        queue.push(first);
        let Some(kept) = &mut state.session else { return };
        (kept.parked, kept.claimed) = (false, false);
        let slot = kept.slot.take();
        // It was covered when the session was claimed, and the peer has been silent since.
        let told = kept.acknowledge(seen).unwrap_or_default();
        let mut progressed = Vec::new();
        for frame in kept.replay.frames() {
            if self.masked {
                progressed.clear();
                put_again(&mut progressed, frame, rand::random());
                queue.push(&progressed);
            } else {
                queue.push_shared(frame);
            }
        }
        queue.push(last);
        (state.bytes, state.slack) = (queue.len(), queue.len());
        state.queue = queue;
        Self::wake(state);
        drop(slot);
        arrived(told);
    }

    /// The peer has taken in the first `count` frames.
    ///
    /// # Errors
    /// When there were not so many.
    pub(crate) fn acknowledge(&self, count: u64) -> Result<(), ProtocolError> {
        let mut state = self.lock();
        let Some(kept) = &mut state.session else { return Ok(()) };
        let told = kept.acknowledge(count)?;
        drop(state);
        arrived(told);
        Ok(())
    }

    /// Whether the peer may still acknowledge something.
    pub(crate) fn is_owed(&self) -> bool {
        self.lock().session.as_ref().is_some_and(|kept| !kept.over && kept.replay.unconfirmed() > 0)
    }

    /// Nothing comes from the peer any more: who waits to hear that something has arrived waits no
    /// longer.
    pub(crate) fn give_up(&self) {
        let mut state = self.lock();
        let Some(kept) = &mut state.session else { return };
        kept.over = true;
        let receipts = std::mem::take(&mut kept.receipts);
        drop(state);
        drop(receipts); // it wakes tasks
    }

    /// Whether a frame has arrived.
    pub(crate) fn receipt(&self, number: u64) -> Receipt {
        let mut state = self.lock();
        let Some(kept) = &mut state.session else { return Receipt::Unknown };
        if kept.replay.acknowledged() >= number {
            return Receipt::Arrived;
        }
        if kept.over {
            return Receipt::Unknown;
        }
        if kept.receipts.len() >= kept.receipts_most {
            kept.receipts.retain(|_, told| !told.is_closed());
            kept.receipts_most = 2 * kept.receipts.len().max(32);
        }
        let (told, waiter) = oneshot::channel();
        kept.receipts.insert(number, told);
        Receipt::Wait(waiter)
    }

    /// How many frames of this side the peer has taken in.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.lock().session.as_ref().map_or(0, |kept| kept.replay.acknowledged())
    }

    /// How many frames were sent in a session of which nobody said that they arrived.
    pub(crate) fn unconfirmed(&self) -> u64 {
        self.lock().session.as_ref().map_or(0, |kept| kept.replay.unconfirmed())
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept")
            .field("bytes", &self.replay.bytes())
            .field("parked", &self.parked)
            .finish_non_exhaustive()
    }
}
