//! What waits for a peer's acknowledgement, and when it is sent again.

use super::WINDOW;
use super::snapshot::Snapshot;
use crate::Config;
use crate::datagram::{self, Ack, AckKind, Head};
use crate::frame::{LAST_PART, PART, put_varint};
use bytes::Bytes;
use std::collections::VecDeque;

/// A datagram with more bytes of frames than this has only one.
const BATCH: usize = 16 << 10;
/// A larger frame travels in parts of this size.
const PART_BYTES: usize = 48 << 10;
/// Frames that may be on their way: a peer's inbox holds 1,024 datagrams, and a datagram one frame or many.
const MOST_FLYING: usize = 4096;
/// As many after a loss, until acknowledgements show that they arrive.
const FLYING_AFTER_LOSS: usize = 64;
/// The most bytes before a frame or part: its length and its kind.
const HEAD: usize = 4;
/// A peer that asks again is not heard for so long: it asks for every datagram that comes after a gap.
const ASKED: u64 = 20;
/// An empty queue keeps no more memory than this.
const KEPT: usize = 64 << 10;

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Too much waits already.
    Full,
    /// What waited was given up, and the peer has not been heard since.
    Broken,
}

struct Waiting<T> {
    /// With the length before it.
    bytes: u32,
    /// What is to be told when it is given up. Of a frame in parts the last one has it.
    tag: Option<T>,
}

pub(super) struct Outgoing<T> {
    limits: Limits,
    generation: u32,
    /// The number of the first frame that waits.
    base: u64,
    waiting: VecDeque<Waiting<T>>,
    /// The bytes of all that wait, each with its length before it: any run of them is what a datagram carries.
    queue: VecDeque<u8>,
    /// So many of the first ones are on their way.
    flying: usize,
    flying_bytes: usize,
    /// So many of the first ones were sent at any time: no more can be acknowledged.
    sent: usize,
    /// So many may be on their way.
    most_flying: usize,
    /// When the peer last acknowledged something, or had acknowledged everything.
    progress: u64,
    /// When the wait began after which all is sent again, and how long it is.
    wait: u64,
    patience: u64,
    /// When frames are sent again at the peer's wish, at the earliest.
    ask: u64,
    broken: bool,
    snapshot: Snapshot,
}

struct Limits {
    bytes: usize,
    resend: u64,
    resend_most: u64,
    give_up: u64,
}

impl<T> Outgoing<T> {
    /// The bytes that a frame counts beside its own.
    const COST: usize = size_of::<Waiting<T>>();

    pub(super) fn new(now: u64, generation: u32, config: &Config) -> Self {
        let limits = Limits {
            bytes: config.peer_bytes,
            resend: config.resend,
            resend_most: config.resend_most,
            give_up: config.give_up,
        };
        Self {
            generation,
            base: 0,
            waiting: VecDeque::new(),
            queue: VecDeque::new(),
            flying: 0,
            flying_bytes: 0,
            sent: 0,
            most_flying: MOST_FLYING,
            progress: now,
            wait: now,
            patience: limits.resend,
            ask: 0,
            broken: false,
            snapshot: Snapshot::default(),
            limits,
        }
    }

    pub(super) fn begin(&mut self, now: u64, generation: u32) -> Vec<T> {
        let given_up = self.give_up();
        (self.generation, self.base, self.broken) = (generation, 0, false);
        (self.progress, self.patience, self.ask) = (now, self.limits.resend, 0);
        self.most_flying = MOST_FLYING;
        self.snapshot = Snapshot::default();
        given_up
    }

    pub(super) fn give_up(&mut self) -> Vec<T> {
        self.broken = true;
        (self.flying, self.flying_bytes, self.sent) = (0, 0, 0);
        self.queue = VecDeque::new();
        std::mem::take(&mut self.waiting).into_iter().filter_map(|waiting| waiting.tag).collect()
    }

    pub(super) fn push(&mut self, now: u64, frame: &[u8], tag: Option<T>) -> Result<(), Refusal> {
        self.push_within(self.limits.bytes, now, frame, tag)
    }

    pub(super) fn push_state(&mut self, now: u64, frame: &[u8], tag: Option<T>) -> Result<(), Refusal> {
        self.push_within(self.limits.bytes + self.limits.bytes / 4, now, frame, tag)
    }

    pub(super) fn push_snapshot(&mut self, now: u64, part: &[u8], last: bool) {
        if !self.broken {
            self.queue(now, part, None);
            self.snapshot.queued(self.end(), last);
        }
    }

    fn push_within(&mut self, most: usize, now: u64, frame: &[u8], tag: Option<T>) -> Result<(), Refusal> {
        let parts = frame.len() / PART_BYTES + 1;
        let more = parts * (HEAD + Self::COST); // at most
        if self.broken {
            Err(Refusal::Broken)
        } else if self.bytes() + frame.len() + more > most {
            Err(Refusal::Full)
        } else {
            self.queue(now, frame, tag);
            Ok(())
        }
    }

    fn queue(&mut self, now: u64, mut frame: &[u8], tag: Option<T>) {
        if self.waiting.is_empty() {
            self.progress = now;
        }
        if frame.len() <= PART_BYTES {
            return self.queue_piece(None, frame, tag);
        }
        while let Some((part, rest)) = frame.split_at_checked(PART_BYTES).filter(|(_, rest)| !rest.is_empty()) {
            self.queue_piece(Some(PART), part, None);
            frame = rest;
        }
        self.queue_piece(Some(LAST_PART), frame, tag);
    }

    fn queue_piece(&mut self, kind: Option<u8>, piece: &[u8], tag: Option<T>) {
        let before = self.queue.len();
        self.make_room(HEAD + piece.len());
        put_varint(&mut self.queue, (piece.len() + usize::from(kind.is_some())) as u64);
        self.queue.extend(kind);
        self.queue.extend(piece);
        self.waiting.push_back(Waiting { bytes: (self.queue.len() - before) as u32, tag });
    }

    /// Takes memory for more bytes: twice as much as before, but not more than may wait.
    fn make_room(&mut self, more: usize) {
        let needed = self.queue.len() + more;
        if needed > self.queue.capacity() {
            let most = self.limits.bytes + self.limits.bytes / 4;
            let room = (2 * self.queue.capacity()).clamp(1 << 10, most.max(1 << 10)).max(needed);
            self.queue.reserve_exact(room - self.queue.len());
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    pub(super) fn bytes(&self) -> usize {
        self.queue.len() + self.waiting.len() * Self::COST
    }

    /// The memory that is held, queued or not.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.queue.capacity() + self.waiting.capacity() * Self::COST
    }

    /// The number of the next frame that is queued.
    fn end(&self) -> u64 {
        self.base + self.waiting.len() as u64
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn said(&self) -> (u32, u64) {
        (self.generation, self.end())
    }

    pub(super) fn has_acknowledged(&self, (generation, end): (u32, u64)) -> bool {
        let has_state = !self.broken && self.snapshot.has_arrived(self.base);
        has_state && (self.generation > generation || self.generation == generation && self.base >= end)
    }

    /// Whether the peer has acknowledged anything of this generation.
    pub(super) fn was_acknowledged(&self) -> bool {
        self.base > 0
    }

    pub(super) fn wants_snapshot(&self) -> bool {
        !self.broken && self.snapshot.is_wanted(self.base + self.flying as u64)
    }

    /// How many frames the next datagram takes, and how many bytes of them.
    fn batch(&self) -> (usize, usize) {
        let (mut frames, mut bytes) = (0, 0);
        let room = self.most_flying.saturating_sub(self.flying);
        for next in self.waiting.range(self.flying..).take(room) {
            let with = bytes + next.bytes as usize;
            if frames > 0 && with > BATCH || self.flying_bytes + with > WINDOW {
                break;
            }
            (frames, bytes) = (frames + 1, with);
        }
        (frames, bytes)
    }

    /// Whether [`batch`](Self::batch) has something.
    fn can_transmit(&self) -> bool {
        let next = self.waiting.get(self.flying).filter(|_| self.flying < self.most_flying);
        next.is_some_and(|next| self.flying_bytes + next.bytes as usize <= WINDOW)
    }

    /// The next frames, with this acknowledgement.
    pub(super) fn transmit(&mut self, now: u64, head: Head, ack: &Ack) -> Option<Bytes> {
        let (frames, bytes) = self.batch();
        if frames == 0 {
            return None;
        }
        let seq = self.base + self.flying as u64;
        let (from, to) = (self.flying_bytes, self.flying_bytes + bytes);
        if self.flying == 0 {
            self.wait = now;
        }
        (self.flying, self.flying_bytes) = (self.flying + frames, to);
        self.sent = self.sent.max(self.flying);
        let waits = self.flying < self.waiting.len() && !self.can_transmit();
        let mut out = datagram::data(head, ack, seq, waits, bytes);
        let (first, second) = self.queue.as_slices();
        out.extend_from_slice(&first[from.min(first.len())..to.min(first.len())]);
        out.extend_from_slice(&second[from.saturating_sub(first.len())..to.saturating_sub(first.len())]);
        Some(out.into())
    }

    /// Takes an acknowledgement. Returns whether the peer has nothing of this generation any more.
    pub(super) fn acknowledged(&mut self, now: u64, ack: &Ack) -> bool {
        if self.broken || ack.generation != self.generation {
            return false; // late
        }
        if ack.kind == AckKind::Forgot {
            let lost_its_first = self.base == 0 && ack.next == 0;
            if lost_its_first {
                self.send_again(now);
            }
            return !lost_its_first;
        }
        let Some(count) = ack.next.checked_sub(self.base).filter(|count| *count <= self.sent as u64) else {
            return false; // late, or of frames that never were
        };
        if count > 0 {
            self.arrived(now, count as usize);
        }
        if ack.kind == AckKind::Gap {
            self.send_again(now);
        }
        false
    }

    /// The peer has so many more.
    fn arrived(&mut self, now: u64, count: usize) {
        let bytes: usize = self.waiting.drain(..count).map(|waiting| waiting.bytes as usize).sum();
        self.queue.drain(..bytes);
        self.base += count as u64;
        self.sent -= count;
        // More may arrive than are on their way: those that were to be sent again.
        self.flying = self.flying.saturating_sub(count);
        self.flying_bytes = self.flying_bytes.saturating_sub(bytes);
        self.most_flying = (self.most_flying + count).min(MOST_FLYING);
        (self.progress, self.wait, self.patience) = (now, now, self.limits.resend);
    }

    /// The peer asks: nothing later than what it asks for was kept there, so all of it is sent again.
    fn send_again(&mut self, now: u64) {
        if now >= self.ask {
            self.rewind(now);
        }
    }

    fn rewind(&mut self, now: u64) {
        (self.flying, self.flying_bytes) = (0, 0);
        self.most_flying = FLYING_AFTER_LOSS;
        (self.wait, self.ask) = (now, now + ASKED);
    }

    pub(super) fn tick(&mut self, now: u64) -> Option<Vec<T>> {
        if self.waiting.is_empty() {
            self.queue.shrink_to(KEPT);
            self.waiting.shrink_to(KEPT / Self::COST);
        } else if now >= self.progress + self.limits.give_up {
            return Some(self.give_up());
        } else if self.flying > 0 && now >= self.wait + self.patience {
            self.rewind(now);
            self.patience = (2 * self.patience).min(self.limits.resend_most);
        }
        None
    }

    pub(super) fn due(&self) -> u64 {
        if self.wants_snapshot() || self.can_transmit() {
            return 0;
        }
        let resend = if self.flying > 0 { self.wait + self.patience } else { u64::MAX };
        let give_up = if self.waiting.is_empty() { u64::MAX } else { self.progress + self.limits.give_up };
        resend.min(give_up)
    }
}
