//! What waits behind a queue, from the first frame on that ages: each of these is still to be replaced, expired or
//! given up. It knows no session and no clock.

use crate::connection::queue::{Out, Queue, SMALL};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};
use wse_proto::{FrameAge, time_digits};

/// So many bytes are taken at once, so that what is behind them can still be replaced.
const TAKEN: usize = 4 << 10;

/// Small frames that do not age share a buffer up to this size.
const BUFFER: usize = 64 << 10;

/// What a place weighs that was given up.
const GIVEN_UP: usize = 64;

/// Frames that are too old are looked for when so many pieces wait.
const PIECES: usize = 64;

/// They are not looked for again within this time for want of room, since each look is at all pieces.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct AgingQueue {
    pieces: VecDeque<Piece>,
    /// What all pieces weigh.
    weight: usize,
    /// The last of each text, where no session knows it.
    latest: BTreeMap<Arc<str>, u64>,
    /// The number of the last frame that ages.
    last: u64,
    /// How many pieces may wait before those that are too old are looked for.
    checked_at: usize,
    /// No frame is too old before; `None` where none ever is.
    earliest: Option<Instant>,
    /// When they were looked for last.
    checked: Option<Instant>,
}

/// In the order of their numbers; frames that do not age have the number of the last one that does.
#[derive(Debug)]
enum Piece {
    Own(u64, Vec<u8>),
    Shared(u64, Bytes),
    Aging(u64, Bytes, FrameAge),
    /// So many places that were given up, the last of which has that number.
    GivenUp(u64, u64),
}

/// What becomes of a frame that is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooOld {
    /// It is removed.
    Remove,
    /// Its place is counted, so the peer is told that it was given up.
    GiveUp,
    /// It is sent, since the peer would not understand that.
    Send,
}

/// What was taken out of the queue.
#[derive(Default)]
pub(crate) struct Taken {
    /// The number of the last frame that ages and was taken.
    pub(crate) written: Option<u64>,
    /// The numbers of those that were too old.
    pub(crate) over: Vec<u64>,
}

impl Default for AgingQueue {
    fn default() -> Self {
        let (pieces, latest) = (VecDeque::new(), BTreeMap::new());
        Self { pieces, weight: 0, latest, last: 0, checked_at: PIECES, earliest: None, checked: None }
    }
}

impl AgingQueue {
    /// What all of it weighs: its bytes, and what the ages take.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Appends a frame that does not age. A small one is copied: a piece of its own takes more than its bytes.
    pub(crate) fn put(&mut self, frame: Out<'_>) {
        self.weight += frame.len();
        match (frame, self.pieces.back_mut()) {
            (Out::Shared(bytes), _) if bytes.len() > SMALL => {
                self.pieces.push_back(Piece::Shared(self.last, bytes.clone()));
            }
            (small, Some(Piece::Own(_, buffer))) if buffer.len() < BUFFER => {
                buffer.extend_from_slice(small.as_slice());
            }
            (small, _) => self.pieces.push_back(Piece::Own(self.last, small.as_slice().to_vec())),
        }
    }

    /// Appends a frame that ages. Its number is greater than all before it.
    pub(crate) fn push(&mut self, number: u64, frame: Bytes, age: FrameAge, too_old: TooOld) {
        self.weight += weight(&frame, &age);
        self.last = number;
        self.ends(&age);
        if let (Some(text), TooOld::Remove) = (&age.latest, too_old) {
            self.latest.insert(text.clone(), number);
        }
        self.pieces.push_back(Piece::Aging(number, frame, age));
    }

    /// The number of the last frame of a text that waits, where no session knows it.
    pub(crate) fn latest(&self, text: &str) -> Option<u64> {
        self.latest.get(text).copied()
    }

    /// Puts a frame in the place of that number, if the one there still waits.
    pub(crate) fn replace(&mut self, number: u64, frame: &Bytes, age: &FrameAge) -> bool {
        let Some(index) = self.index(number) else { return false };
        let Some(Piece::Aging(_, old, old_age)) = self.pieces.get_mut(index) else { return false };
        let before = weight(old, old_age);
        (*old, *old_age) = (frame.clone(), age.clone());
        self.weight = self.weight - before + weight(frame, age);
        self.ends(age);
        true
    }

    fn ends(&mut self, age: &FrameAge) {
        self.earliest = self.earliest.into_iter().chain(age.until).min();
    }

    /// How much the frame of that number weighs, if it still waits.
    pub(crate) fn weight_of(&self, number: u64) -> usize {
        let piece = self.index(number).and_then(|index| self.pieces.get(index));
        if let Some(Piece::Aging(_, frame, age)) = piece { weight(frame, age) } else { 0 }
    }

    fn index(&self, number: u64) -> Option<usize> {
        let index = self.pieces.partition_point(|piece| piece.number() < number);
        matches!(self.pieces.get(index), Some(Piece::Aging(found, ..)) if *found == number).then_some(index)
    }

    /// Sends the frame of that number no more. False when it does not wait here.
    pub(crate) fn give_up(&mut self, number: u64, too_old: TooOld) -> bool {
        let Some(index) = self.index(number) else { return false };
        if let Some(Piece::Aging(_, frame, age)) = self.pieces.get(index) {
            self.weight -= weight(frame, age);
            let text = age.latest.clone();
            self.forget(number, text.as_deref());
        }
        if too_old == TooOld::GiveUp {
            self.pieces[index] = Piece::GivenUp(number, 1);
            self.weight += GIVEN_UP;
        } else {
            self.pieces.remove(index);
        }
        true
    }

    fn forget(&mut self, number: u64, text: Option<&str>) {
        if let Some(text) = text
            && self.latest.get(text) == Some(&number)
        {
            self.latest.remove(text);
        }
    }

    /// Whether so many pieces wait that some may be too old.
    pub(crate) fn is_long(&self) -> bool {
        self.pieces.len() >= self.checked_at
    }

    /// Whether some are too old, as far as is known, and were not looked for a moment ago.
    pub(crate) fn may_expire(&self, now: Instant) -> bool {
        let pauses = self.checked.is_some_and(|checked| now.saturating_duration_since(checked) < PAUSE);
        self.earliest.is_some_and(|earliest| earliest <= now) && !pauses
    }

    /// Removes or gives up all that is too old. Returns the numbers.
    pub(crate) fn expire(&mut self, now: Instant, too_old: TooOld) -> Vec<u64> {
        let mut over = Vec::new();
        if !self.is_long() && self.earliest.is_none_or(|earliest| earliest > now) {
            return over;
        }
        if too_old != TooOld::Send {
            for piece in std::mem::take(&mut self.pieces) {
                match (piece, self.pieces.back_mut()) {
                    (Piece::Aging(number, frame, age), _) if age.is_over(now) => {
                        self.weight -= weight(&frame, &age);
                        self.forget(number, age.latest.as_deref());
                        over.push(number);
                        if too_old == TooOld::GiveUp {
                            self.push_given_up(number, 1);
                        }
                    }
                    (Piece::GivenUp(number, count), _) => {
                        self.weight -= GIVEN_UP;
                        self.push_given_up(number, count);
                    }
                    (Piece::Own(_, bytes), Some(Piece::Own(_, buffer))) if buffer.len() < BUFFER => {
                        buffer.extend_from_slice(&bytes);
                    }
                    (piece, _) => self.pieces.push_back(piece),
                }
            }
        }
        self.earliest = self.pieces.iter().filter_map(Piece::until).min();
        self.checked = Some(now);
        self.checked_at = PIECES.max(2 * self.pieces.len());
        over
    }

    fn push_given_up(&mut self, number: u64, more: u64) {
        if let Some(Piece::GivenUp(last, count)) = self.pieces.back_mut() {
            (*last, *count) = (number, *count + more);
            return;
        }
        self.weight += GIVEN_UP;
        self.pieces.push_back(Piece::GivenUp(number, more));
    }

    /// Moves the first pieces behind what is being written, until that has enough. `skip` makes the frame that
    /// tells of places that were given up.
    pub(crate) fn take(
        &mut self,
        writing: &mut Queue,
        now: Instant,
        too_old: TooOld,
        skip: impl Fn(u64) -> Vec<u8>,
    ) -> Taken {
        let (mut taken, mut given_up) = (Taken::default(), 0);
        let tell = |given_up: &mut u64, writing: &mut Queue| {
            if *given_up > 0 {
                writing.put(Out::Own(&skip(std::mem::take(given_up))));
            }
        };
        while writing.len() < TAKEN
            && let Some(piece) = self.pieces.pop_front()
        {
            match piece {
                Piece::Own(_, bytes) => {
                    self.weight -= bytes.len();
                    tell(&mut given_up, writing);
                    writing.put(Out::Own(&bytes));
                }
                Piece::Shared(_, bytes) => {
                    self.weight -= bytes.len();
                    tell(&mut given_up, writing);
                    writing.put(Out::Shared(&bytes));
                }
                Piece::Aging(number, frame, age) => {
                    self.weight -= weight(&frame, &age);
                    self.forget(number, age.latest.as_deref());
                    taken.written = Some(number);
                    if too_old != TooOld::Send && age.is_over(now) {
                        taken.over.push(number);
                        given_up += u64::from(too_old == TooOld::GiveUp);
                        continue;
                    }
                    tell(&mut given_up, writing);
                    match told(&frame, &age, now) {
                        Some(told) => writing.put(Out::Own(&told)),
                        None => writing.put(Out::Shared(&frame)),
                    }
                }
                Piece::GivenUp(_, count) => {
                    self.weight -= GIVEN_UP;
                    given_up += count;
                }
            }
        }
        tell(&mut given_up, writing);
        taken
    }
}

impl Piece {
    fn number(&self) -> u64 {
        match self {
            Piece::Own(number, _) | Piece::Shared(number, _) => *number,
            Piece::Aging(number, ..) | Piece::GivenUp(number, _) => *number,
        }
    }

    fn until(&self) -> Option<Instant> {
        if let Piece::Aging(_, _, age) = self { age.until } else { None }
    }
}

fn weight(frame: &Bytes, age: &FrameAge) -> usize {
    frame.len() + age.weight()
}

/// The frame of a call whose stamp tells how many milliseconds are left, with those that are left now.
pub(crate) fn told(frame: &[u8], age: &FrameAge, now: Instant) -> Option<Vec<u8>> {
    let until = age.until.filter(|_| age.told)?;
    let left = time_digits(until.saturating_duration_since(now));
    let mut frame = frame.to_vec();
    // Behind the stamp, which ends the envelope, JSON has a quote and a bracket.
    let behind = if frame.first().is_some_and(|first| first & 0x0f == 1) { 2 } else { 0 };
    wse_frame::overwrite(&mut frame, behind, &left);
    Some(frame)
}

#[cfg(test)]
mod tests;
