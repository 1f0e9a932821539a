//! What one side of a session has sent: copies of its frames, the tokens that resume it, and the
//! receipts that wait. It is a plain value; the outbox guards it with its lock.

use crate::session::moving::Moving;
use bytes::Bytes;
use std::{collections::BTreeMap, fmt, time::Instant};
use tokio::sync::oneshot;
use wse_proto::{Again, FrameAge, Full, Placed, ProtocolError, Sent, Token, TokenCheck, Tokens};

/// Closed receipts are looked for when at least this many receipts wait.
const RECEIPTS: u32 = 32;

/// The frames of a session, from the first that the peer has not acknowledged.
pub(crate) struct SentFrames {
    copies: Sent<Bytes>,
    /// The server's tokens; a client has none.
    tokens: Option<Tokens>,
    /// The session has no connection.
    parked: bool,
    /// A new connection has used the token, and the session's task has not taken it over yet.
    claimed: bool,
    /// The senders that wait for a receipt, by the number of their frame.
    receipts: Receipts,
    /// How many receipts may wait before closed ones are removed.
    receipts_checked_at: u32,
    /// The peer will acknowledge nothing more.
    over: bool,
    /// It is on its way to another server, or there. Most sessions never are.
    moving: Option<Box<Moving>>,
}

/// Receipts by the number of their frame; of a frame that has replaced others there are several. Tell or drop them
/// without a lock: they wake tasks.
pub(crate) type Receipts = BTreeMap<(u64, u64), oneshot::Sender<Notice>>;

/// What the sender of a frame is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The peer has it, or a newer one that has replaced it.
    Arrived,
    /// It was too old before it could be sent.
    TooOld,
}

/// What is known of a frame's arrival.
pub(crate) enum Arrival {
    /// The peer has acknowledged it.
    Confirmed,
    /// The peer will not acknowledge it any more.
    Unknown,
    /// Resolves when the peer acknowledges it.
    Wait(oneshot::Receiver<Notice>),
}

impl SentFrames {
    /// Begins a session that keeps at most `limit` bytes. `token` is the first that a server grants. Frames are
    /// given up only if the peer can be told.
    pub(crate) fn new(token: Option<Token>, limit: usize, can_skip: bool) -> Self {
        Self {
            copies: Sent::new(limit, can_skip),
            tokens: token.as_ref().map(Tokens::new),
            parked: false,
            claimed: false,
            receipts: Receipts::new(),
            receipts_checked_at: 0,
            over: false,
            moving: None,
        }
    }

    /// Whether a frame of that length can be kept, or nothing else is kept that an acknowledgement frees.
    pub(crate) fn has_room(&self, length: usize) -> bool {
        self.copies.unconfirmed() == 0 || self.copies.has_room(length)
    }

    /// Keeps a copy of a frame that is being sent. Returns its number.
    ///
    /// # Errors
    /// [`Full`] when the bound is reached. The frame is counted, and the session cannot be resumed
    /// until the peer has acknowledged it.
    pub(crate) fn push(&mut self, frame: Bytes) -> Result<u64, Full> {
        self.copies.push(frame)
    }

    /// The same of a frame that ages. Whoever waits for one that it replaces waits for this one.
    ///
    /// # Errors
    /// [`Full`], as for any frame.
    pub(crate) fn push_aging(&mut self, frame: Bytes, age: FrameAge) -> Result<Placed, Full> {
        let placed = self.copies.push_aging(frame, age)?;
        if let Some(given_up) = placed.given_up.filter(|_| !self.receipts.is_empty()) {
            let receipts = self.receipts_of(given_up);
            self.receipts.extend(receipts.into_iter().map(|((_, nth), receipt)| ((placed.number, nth), receipt)));
        }
        Ok(placed)
    }

    /// Notes whether the peer can be told of what is given up from now on.
    pub(crate) fn set_can_skip(&mut self, can_skip: bool) {
        self.copies.set_can_skip(can_skip);
    }

    /// Whether the peer can be told of what was given up.
    pub(crate) fn can_skip(&self) -> bool {
        self.copies.can_skip()
    }

    /// Gives up the place of that number. False where it is not kept, or the peer cannot be told.
    pub(crate) fn give_up(&mut self, number: u64) -> bool {
        self.copies.give_up(number)
    }

    /// Whether the connection of now had the frame of that number, which ages.
    pub(crate) fn is_written(&self, number: u64) -> bool {
        self.copies.is_written(number)
    }

    /// Gives up these places. Returns the receipts, to be told of it.
    pub(crate) fn give_up_all(&mut self, numbers: &[u64]) -> Receipts {
        let mut receipts = Receipts::new();
        for number in numbers {
            self.copies.give_up(*number);
            receipts.append(&mut self.receipts_of(*number));
        }
        receipts
    }

    /// Gives up what was not written and is too old. Returns the receipts, to be told of it.
    pub(crate) fn expire(&mut self, now: Instant) -> Receipts {
        let over = self.copies.expire(now);
        over.into_iter().flat_map(|number| self.receipts_of(number)).collect()
    }

    /// The number of the last frame of a text, while it was not written.
    pub(crate) fn waiting(&self, text: &str) -> Option<u64> {
        self.copies.waiting(text)
    }

    /// Notes that the connection of now had the frames up to that number.
    pub(crate) fn wrote(&mut self, number: u64) {
        self.copies.wrote(number);
    }

    fn receipts_of(&mut self, number: u64) -> Receipts {
        if self.receipts.is_empty() {
            return Receipts::new();
        }
        let mut from = self.receipts.split_off(&(number, 0));
        self.receipts.append(&mut from.split_off(&(number + 1, 0)));
        from
    }

    /// Notes that the peer has taken in the first `count` frames. Returns the receipts to resolve.
    ///
    /// # Errors
    /// When fewer frames were sent.
    pub(crate) fn acknowledge(&mut self, count: u64) -> Result<Receipts, ProtocolError> {
        self.copies.acknowledge(count)?;
        if self.receipts.is_empty() {
            return Ok(Receipts::new());
        }
        let waiting = self.receipts.split_off(&(count + 1, 0));
        Ok(std::mem::replace(&mut self.receipts, waiting))
    }

    /// Checks whether `token` belongs to this session, and whether this side still has every frame that the
    /// client has not seen.
    pub(crate) fn check(&self, token: &Token, seen: u64, now: Instant) -> TokenCheck {
        let Some(tokens) = &self.tokens else { return TokenCheck::Unknown };
        // Both are always evaluated, so that the time does not tell which of them failed.
        let lost = self.parked && !self.claimed;
        let (check, covered) = (tokens.check(token, lost, now), self.copies.covers(seen));
        match check {
            _ if !covered => TokenCheck::Unknown,
            // The client comes again, here or there.
            TokenCheck::Good if self.is_moving() => TokenCheck::TooSoon,
            check => check,
        }
    }

    /// The same, and uses the token up if it is good.
    pub(crate) fn claim(&mut self, token: &Token, next: &Token, seen: u64, now: Instant) -> TokenCheck {
        let check = self.check(token, seen, now);
        if let (TokenCheck::Good, Some(tokens)) = (check, &mut self.tokens) {
            tokens.use_up(token, next, now);
            self.claimed = true;
        }
        check
    }

    /// Notes that a connection that resumes this session is on its way to its task.
    pub(crate) fn expect_connection(&mut self) {
        self.claimed = true;
    }

    /// Notes that the client has its newest token: older ones are no longer valid.
    pub(crate) fn confirm_token(&mut self) {
        if let Some(tokens) = &mut self.tokens {
            tokens.confirm();
        }
    }

    /// Whether this side still has every frame after the first `seen`, which the peer has taken in.
    pub(crate) fn covers(&self, seen: u64) -> bool {
        self.copies.covers(seen)
    }

    /// Notes that the connection is lost. False when the session cannot be resumed.
    pub(crate) fn park(&mut self) -> bool {
        self.parked = self.copies.is_whole();
        self.parked
    }

    /// Notes that the session has a connection again, and that its peer has taken in the first `seen`
    /// frames. Returns the receipts to resolve.
    pub(crate) fn resume(&mut self, seen: u64) -> Receipts {
        (self.parked, self.claimed) = (false, false);
        // `claim` has checked that `seen` is covered, and the peer has said nothing since.
        let receipts = self.acknowledge(seen).unwrap_or_default();
        self.copies.wrote(seen); // nothing behind it went over the connection of now
        receipts
    }

    /// What to send again.
    pub(crate) fn again(&self) -> impl Iterator<Item = Again<'_, Bytes>> {
        self.copies.again()
    }

    /// Ends the session: no frame is sent again. Acknowledgements still count.
    pub(crate) fn end(&mut self) {
        self.copies.discard();
    }

    /// Notes that the peer will acknowledge nothing more. Returns the receipts to drop.
    pub(crate) fn give_up_receipts(&mut self) -> Receipts {
        self.over = true;
        std::mem::take(&mut self.receipts)
    }

    /// Whether a frame has arrived, or what to wait for.
    pub(crate) fn arrival(&mut self, number: u64) -> Arrival {
        if self.copies.acknowledged() >= number {
            return Arrival::Confirmed;
        }
        if self.over {
            return Arrival::Unknown;
        }
        Arrival::Wait(self.notice(number))
    }

    /// What tells whether the frame of that number arrives.
    pub(crate) fn notice(&mut self, number: u64) -> oneshot::Receiver<Notice> {
        if self.receipts.len() >= self.receipts_checked_at as usize {
            self.receipts.retain(|_, receipt| !receipt.is_closed());
            let waiting = u32::try_from(self.receipts.len()).unwrap_or(u32::MAX);
            self.receipts_checked_at = waiting.max(RECEIPTS).saturating_mul(2);
        }
        let last = self.receipts.range((number, 0)..=(number, u64::MAX)).next_back();
        let nth = last.map_or(0, |((_, nth), _)| nth + 1);
        let (receipt, notice) = oneshot::channel();
        self.receipts.insert((number, nth), receipt);
        notice
    }

    /// Whether a sender waits for a receipt.
    pub(crate) fn has_receipts(&self) -> bool {
        self.receipts.values().any(|receipt| !receipt.is_closed())
    }

    /// Whether the session has no connection.
    pub(crate) fn is_parked(&self) -> bool {
        self.parked
    }

    /// Whether the session has no connection, and none is on its way.
    pub(crate) fn is_unclaimed(&self) -> bool {
        self.parked && !self.claimed
    }

    /// Whether the peer may still acknowledge something.
    pub(crate) fn is_owed(&self) -> bool {
        !self.over && self.copies.unconfirmed() > 0
    }

    /// Bytes of the copies.
    pub(crate) fn bytes(&self) -> usize {
        self.copies.bytes()
    }

    /// How many frames the peer has taken in.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.copies.acknowledged()
    }

    /// How many frames the peer has not acknowledged.
    pub(crate) fn unconfirmed(&self) -> u64 {
        self.copies.unconfirmed()
    }
}

pub(crate) mod moving;

impl Notice {
    /// Tells the senders. No lock may be held.
    pub(crate) fn tell(self, receipts: Receipts) {
        for receipt in receipts.into_values() {
            let _ = receipt.send(self); // the sender may have stopped waiting
        }
    }
}

impl fmt::Debug for SentFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentFrames").field("bytes", &self.bytes()).field("parked", &self.parked).finish_non_exhaustive()
    }
}
