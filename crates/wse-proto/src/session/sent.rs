//! Copies of the frames that a session has sent and the other side has not acknowledged, in order. They
//! take no more bytes than the bound.

use crate::wire::error::ProtocolError;
use std::collections::VecDeque;

/// The bound is reached: no frame up to that number is kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Full(pub u64);

/// Frames that were sent, in order, from the first that is not acknowledged.
///
/// After a frame that did not fit, the session cannot be resumed until that frame is acknowledged.
/// Frames are counted all the same.
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
}

impl<F: AsRef<[u8]>> Sent<F> {
    /// Keeps at most `limit` bytes, what a copy takes beside its frame included.
    pub fn new(limit: usize) -> Self {
        Self { frames: VecDeque::new(), bytes: 0, limit, sent: 0, acknowledged: 0, broken: 0 }
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
        self.bytes + Self::weight_of(length) <= self.limit
    }

    /// Keeps a frame that is being sent, and returns its number. Numbers begin at 1.
    ///
    /// # Errors
    /// [`Full`] when it does not fit: the frame is counted, and all copies are dropped.
    pub fn push(&mut self, frame: F) -> Result<u64, Full> {
        self.sent += 1;
        let weight = Self::weight(&frame);
        if self.bytes + weight > self.limit {
            (self.frames, self.bytes, self.broken) = (VecDeque::new(), 0, self.broken.max(self.sent));
            return Err(Full(self.sent));
        }
        self.bytes += weight;
        self.frames.push_back(frame);
        Ok(self.sent)
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
        let first = self.sent - self.frames.len() as u64;
        for _ in first..count {
            let Some(frame) = self.frames.pop_front() else { break };
            self.bytes -= Self::weight(&frame);
        }
        self.acknowledged = self.acknowledged.max(count);
        if self.frames.is_empty() {
            self.frames = VecDeque::new(); // an idle session keeps no buffer
        }
        Ok(())
    }

    /// Whether all frames after the first `seen`, which the other side has received, are here.
    pub fn covers(&self, seen: u64) -> bool {
        self.is_whole() && (self.acknowledged..=self.sent).contains(&seen)
    }

    /// The frames to send again.
    pub fn frames(&self) -> impl Iterator<Item = &F> {
        self.frames.iter()
    }

    /// Drops all copies for good: the session is over.
    pub fn discard(&mut self) {
        (self.frames, self.bytes, self.broken) = (VecDeque::new(), 0, u64::MAX);
    }

    /// Whether the session can be resumed.
    pub fn is_whole(&self) -> bool {
        self.acknowledged >= self.broken
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
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(sent: &Sent<&'static str>) -> Vec<&'static str> {
        sent.frames().copied().collect()
    }

    #[test]
    fn acknowledged_frames_are_dropped_and_the_rest_kept_in_order() {
        let mut sent = Sent::new(1000);
        assert_eq!(["a", "b", "c"].map(|frame| sent.push(frame)), [Ok(1), Ok(2), Ok(3)]);
        assert!(sent.covers(0) && sent.covers(3) && !sent.covers(4));
        sent.acknowledge(2).unwrap();
        assert_eq!((kept(&sent), sent.unconfirmed(), sent.covers(1)), (vec!["c"], 1, false));
        sent.acknowledge(1).unwrap();
        assert_eq!(kept(&sent), ["c"]);
        assert!(sent.acknowledge(4).is_err());
        sent.acknowledge(3).unwrap();
        assert_eq!((sent.bytes(), sent.frames.capacity(), sent.covers(3)), (0, 0, true));
    }

    #[test]
    fn after_a_frame_that_does_not_fit_nothing_is_resumed_until_it_is_acknowledged() {
        let mut sent = Sent::new(2 * Sent::weight(&"aaaa"));
        assert!(sent.has_room(4));
        let pushed = ["aaaa", "bbbb", "cccc", "d", "e"].map(|frame| sent.push(frame));
        assert_eq!(pushed, [Ok(1), Ok(2), Err(Full(3)), Ok(4), Ok(5)]);
        assert_eq!((kept(&sent), sent.is_whole(), sent.covers(3)), (vec!["d", "e"], false, false));
        sent.acknowledge(2).unwrap();
        assert_eq!((kept(&sent), sent.is_whole(), sent.unconfirmed()), (vec!["d", "e"], false, 3));
        sent.acknowledge(4).unwrap();
        assert_eq!((kept(&sent), sent.is_whole(), sent.covers(4)), (vec!["e"], true, true));
        assert!(sent.has_room(4) && !sent.has_room(8));
        sent.discard();
        assert_eq!((sent.bytes(), sent.covers(5), sent.unconfirmed()), (0, false, 1));
    }

    #[test]
    fn a_frame_without_bytes_takes_room_too() {
        let mut sent = Sent::new(10_000);
        assert!((0..10_000).any(|_| sent.push("").is_err()));
    }
}
