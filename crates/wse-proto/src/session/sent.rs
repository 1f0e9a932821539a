//! Copies of the frames that a session has sent and the other side has not acknowledged, in order. They
//! take no more bytes than the bound.

use crate::{
    session::aging::{Aging, FrameAge},
    wire::error::ProtocolError,
};
use std::{collections::VecDeque, time::Instant};

/// The bound is reached: no frame up to that number is kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Full(pub u64);

/// Where a frame that ages was put.
#[derive(Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its number: a new one, or that of the frame whose place it took.
    pub number: u64,
    /// The frame that was given up for it.
    pub given_up: Option<u64>,
}

/// What is sent again.
#[derive(Debug, PartialEq, Eq)]
pub enum Again<'a, F> {
    /// The frame of that number, and how it ages.
    Frame(u64, &'a F, Option<&'a FrameAge>),
    /// So many places were given up. The other side is told to count them.
    Skip(u64),
}

/// Frames that were sent, in order, from the first that is not acknowledged.
///
/// After a frame that did not fit, the session cannot be resumed until that frame is acknowledged.
/// Frames are counted all the same.
///
/// A frame that [ages](FrameAge) may be replaced, or be given up: its place is counted, and its copy is dropped.
#[derive(Debug)]
pub struct Sent<F> {
    frames: VecDeque<F>,
    /// The bytes that they take.
    bytes: usize,
    limit: usize,
    /// How many frames were sent since the session began.
    sent: u64,
    /// How many of them are acknowledged.
    acknowledged: u64,
    /// The number of the last frame that did not fit.
    broken: u64,
    /// What ages, and what was given up. Most sessions have neither.
    aging: Option<Box<Aging>>,
    /// The other side can be told of places that were given up.
    can_skip: bool,
}

impl<F: AsRef<[u8]>> Sent<F> {
    /// Keeps at most `limit` bytes, what a copy takes beside its frame included. Nothing is given up unless
    /// the other side can be told of it.
    pub fn new(limit: usize, can_skip: bool) -> Self {
        Self { frames: VecDeque::new(), bytes: 0, limit, sent: 0, acknowledged: 0, broken: 0, aging: None, can_skip }
    }

    /// The bytes that keeping a frame takes: the frame, its place here, and what an allocator adds.
    fn weight(frame: &F) -> usize {
        Self::weight_of(frame.as_ref().len())
    }

    fn weight_of(length: usize) -> usize {
        length + size_of::<F>() + 32
    }

    /// Whether a frame of that length would fit.
    pub fn has_room(&self, length: usize) -> bool {
        self.bytes() + Self::weight_of(length) <= self.limit
    }

    /// Keeps a frame that is being sent, and returns its number. Numbers begin at 1.
    ///
    /// # Errors
    /// [`Full`] when it does not fit: the frame is counted, and all copies are dropped.
    pub fn push(&mut self, frame: F) -> Result<u64, Full> {
        self.sent += 1;
        let weight = Self::weight(&frame);
        if self.bytes() + weight > self.limit {
            return Err(self.overflow(self.sent));
        }
        self.bytes += weight;
        self.frames.push_back(frame);
        Ok(self.sent)
    }

    /// Drops all copies, since the frame of that number does not fit.
    #[cold]
    fn overflow(&mut self, number: u64) -> Full {
        (self.frames, self.bytes, self.broken) = (VecDeque::new(), 0, self.broken.max(self.sent));
        self.aging = None;
        Full(number)
    }

    /// Keeps a frame that ages. It takes the place of the last of its text where that was not written to
    /// the connection of now. Where it was, the copy of the last is given up, and the frame goes behind all
    /// others.
    ///
    /// # Errors
    /// [`Full`] when it does not fit, with its number. All copies are dropped.
    pub fn push_aging(&mut self, frame: F, age: FrameAge) -> Result<Placed, Full> {
        let text = age.latest.as_deref();
        let (last, weight) = (text.and_then(|text| self.aging.as_deref()?.latest(text)), age.weight());
        if let Some(last) = text.and_then(|text| self.waiting(text))
            && let Some(index) = self.index_of(last)
        {
            let before = std::mem::replace(&mut self.frames[index], frame);
            self.bytes = self.bytes - Self::weight(&before) + Self::weight(&self.frames[index]);
            self.aging().note(last, age);
            let placed = Placed { number: last, given_up: None };
            return if self.bytes() > self.limit { Err(self.overflow(last)) } else { Ok(placed) };
        }
        let given_up = last.filter(|last| self.give_up(*last));
        self.aging(); // it knows that all before were written
        let number = self.push(frame)?;
        if self.bytes() + weight > self.limit {
            return Err(self.overflow(number));
        }
        self.aging().note(number, age);
        Ok(Placed { number, given_up })
    }

    /// The number of the last frame of a text, while the connection of now has not had it.
    pub fn waiting(&self, text: &str) -> Option<u64> {
        let aging = self.aging.as_deref()?;
        aging.latest(text).filter(|number| !aging.is_written(*number))
    }

    fn aging(&mut self) -> &mut Aging {
        let sent = self.sent;
        self.aging.get_or_insert_with(|| Box::new(Aging::new(sent)))
    }

    /// How many places that are not acknowledged were given up.
    fn given_up(&self) -> u64 {
        self.aging.as_deref().map_or(0, Aging::given_up)
    }

    /// How many frames were sent before the first place that is known here.
    fn before(&self) -> u64 {
        self.sent - self.frames.len() as u64 - self.given_up()
    }

    /// Where the frame of that number is.
    fn index_of(&self, number: u64) -> Option<usize> {
        if number <= self.before() || number > self.sent {
            return None;
        }
        let behind = self.sent - number;
        let Some(aging) = self.aging.as_deref() else { return Some(self.frames.len() - 1 - behind as usize) };
        if aging.is_given_up(number) {
            return None;
        }
        let frames_behind = behind - aging.given_up_behind(number);
        Some(self.frames.len() - 1 - frames_behind as usize)
    }

    /// Gives up the place of that number: the frame is not sent again. False where it is not here, or the
    /// other side cannot be told.
    pub fn give_up(&mut self, number: u64) -> bool {
        let Some(index) = self.index_of(number).filter(|_| self.can_skip) else { return false };
        if let Some(frame) = self.frames.remove(index) {
            self.bytes -= Self::weight(&frame);
        }
        self.aging().give_up(number);
        true
    }

    /// Gives up every frame that was not written to the connection of now and is too old for it. Returns their
    /// numbers.
    pub fn expire(&mut self, now: Instant) -> Vec<u64> {
        let Some(aging) = self.aging.as_deref_mut().filter(|_| self.can_skip) else { return Vec::new() };
        let over = aging.over(now);
        if over.is_empty() {
            return over;
        }
        let mut number = self.sent - self.frames.len() as u64 - aging.given_up();
        let (mut runs, mut gone) = (aging.runs().peekable(), over.iter().peekable());
        let bytes = &mut self.bytes;
        self.frames.retain(|frame| {
            number += 1;
            while let Some((_, count)) = runs.next_if(|(first, _)| *first == number) {
                number += count;
            }
            let stays = gone.next_if_eq(&&number).is_none();
            *bytes -= if stays { 0 } else { Self::weight(frame) };
            stays
        });
        drop(runs);
        over.iter().for_each(|number| aging.give_up(*number));
        over
    }

    /// Whether the connection of now had the frame of that number, which ages.
    pub fn is_written(&self, number: u64) -> bool {
        self.aging.as_deref().is_none_or(|aging| aging.is_written(number))
    }

    /// Notes that the connection of now had the frames up to that number.
    pub fn wrote(&mut self, number: u64) {
        if let Some(aging) = self.aging.as_deref_mut() {
            aging.set_written(number);
        }
    }

    /// Drops the copies of the first `count` frames, which the other side has received.
    ///
    /// # Errors
    /// When fewer frames were sent.
    pub fn acknowledge(&mut self, count: u64) -> Result<(), ProtocolError> {
        if count > self.sent {
            return Err(ProtocolError::new("more was acknowledged than was sent"));
        }
        // A frame that did not fit was counted, but is not here.
        let mut gone = count.saturating_sub(self.before());
        if let Some(aging) = self.aging.as_deref_mut() {
            gone -= aging.acknowledge(count);
            if aging.is_empty() {
                self.aging = None;
            }
        }
        for _ in 0..gone {
            let Some(frame) = self.frames.pop_front() else { break };
            self.bytes -= Self::weight(&frame);
        }
        self.acknowledged = self.acknowledged.max(count);
        if self.frames.is_empty() {
            self.frames = VecDeque::new(); // an idle session keeps no buffer
        }
        Ok(())
    }

    /// The session has another connection, which had nothing yet; the other side has received the first
    /// `seen` frames.
    ///
    /// # Errors
    /// When fewer frames were sent.
    pub fn resume(&mut self, seen: u64) -> Result<(), ProtocolError> {
        self.acknowledge(seen)?;
        self.wrote(seen);
        Ok(())
    }

    /// Whether all frames after the first `seen`, which the other side has received, are here.
    pub fn covers(&self, seen: u64) -> bool {
        self.is_whole() && (self.acknowledged..=self.sent).contains(&seen)
    }

    /// What to send again, in order.
    pub fn again(&self) -> impl Iterator<Item = Again<'_, F>> {
        let mut runs = self.aging.iter().flat_map(|aging| aging.runs()).peekable();
        let (mut frames, mut number) = (self.frames.iter(), self.before());
        std::iter::from_fn(move || {
            number += 1;
            if let Some((_, count)) = runs.next_if(|(first, _)| *first == number) {
                number += count - 1;
                return Some(Again::Skip(count));
            }
            let age = self.aging.as_deref().and_then(|aging| aging.age(number));
            frames.next().map(|frame| Again::Frame(number, frame, age))
        })
    }

    /// Drops all copies for good: the session is over.
    pub fn discard(&mut self) {
        (self.frames, self.bytes, self.broken) = (VecDeque::new(), 0, u64::MAX);
        self.aging = None;
    }

    /// Whether the session can be resumed.
    pub fn is_whole(&self) -> bool {
        self.acknowledged >= self.broken
    }

    /// Notes whether the other side can be told of places that were given up, which another connection may change.
    pub fn set_can_skip(&mut self, can_skip: bool) {
        self.can_skip = can_skip;
    }

    /// Whether the other side can be told of places that were given up.
    pub fn can_skip(&self) -> bool {
        self.can_skip
    }

    /// How many frames were sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many frames are acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many frames are not acknowledged.
    pub fn unconfirmed(&self) -> u64 {
        self.sent - self.acknowledged
    }

    /// The bytes that the copies take.
    pub fn bytes(&self) -> usize {
        self.bytes + self.aging.as_deref().map_or(0, Aging::bytes)
    }
}

pub(crate) mod continued;
#[cfg(test)]
mod tests;
