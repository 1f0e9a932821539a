//! Copies of the frames that a session has sent and the other side has not acknowledged, in order. They
//! take no more bytes than the bound.

use crate::wire::error::ProtocolError;
use std::collections::VecDeque;

/// The bound is reached: nothing up to the frame of that number is kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Full(pub u64);

/// Frames that were sent, in order, from the first that is not acknowledged.
///
/// Once something did not fit nothing can be resumed until it is acknowledged; the count goes on.
#[derive(Debug)]
pub struct Replay<F> {
    kept: VecDeque<F>,
    /// Bytes that they take.
    bytes: usize,
    limit: usize,
    /// How many there were from the beginning.
    sent: u64,
    /// Of them the other side has taken in.
    acknowledged: u64,
    /// The last that did not fit.
    broken: u64,
}

impl<F: AsRef<[u8]>> Replay<F> {
    /// At most `limit` bytes, an entry's own counted.
    pub fn new(limit: usize) -> Self {
        Self { kept: VecDeque::new(), bytes: 0, limit, sent: 0, acknowledged: 0, broken: 0 }
    }

    /// What keeping a frame takes: it, its place here, and what an allocator adds.
    fn weight(frame: &F) -> usize {
        frame.as_ref().len() + size_of::<F>() + 32
    }

    /// Keeps a frame that is being sent. Gives its number, from 1 on.
    ///
    /// # Errors
    /// [`Full`]: what was kept is given up, and the frame counted.
    pub fn push(&mut self, frame: F) -> Result<u64, Full> {
        self.sent += 1;
        let weight = Self::weight(&frame);
        if self.bytes + weight > self.limit {
            (self.kept, self.bytes, self.broken) = (VecDeque::new(), 0, self.broken.max(self.sent));
            return Err(Full(self.sent));
        }
        self.bytes += weight;
        self.kept.push_back(frame);
        Ok(self.sent)
    }

    /// The other side has taken in the first `count`.
    ///
    /// # Errors
    /// When there were not so many.
    pub fn acknowledge(&mut self, count: u64) -> Result<(), ProtocolError> {
        if count > self.sent {
            return Err(ProtocolError::new("more was acknowledged than was sent"));
        }
        // What did not fit was counted, but is not here.
        let first = self.sent - self.kept.len() as u64;
        for _ in first..count {
            let Some(frame) = self.kept.pop_front() else { break };
            self.bytes -= Self::weight(&frame);
        }
        self.acknowledged = self.acknowledged.max(count);
        if self.kept.is_empty() {
            self.kept = VecDeque::new(); // an idle session owns no buffer
        }
        Ok(())
    }

    /// Whether all is there that a side needs which has taken in the first `seen`.
    pub fn covers(&self, seen: u64) -> bool {
        self.is_whole() && (self.acknowledged..=self.sent).contains(&seen)
    }

    /// What is to be sent again.
    pub fn frames(&self) -> impl Iterator<Item = &F> {
        self.kept.iter()
    }

    /// Keeps nothing any more: the session is over.
    pub fn give_up(&mut self) {
        (self.kept, self.bytes, self.broken) = (VecDeque::new(), 0, u64::MAX);
    }

    /// Whether the session can be resumed.
    pub fn is_whole(&self) -> bool {
        self.acknowledged >= self.broken
    }

    /// How many were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many were not.
    pub fn unconfirmed(&self) -> u64 {
        self.sent - self.acknowledged
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(replay: &Replay<&'static str>) -> Vec<&'static str> {
        replay.frames().copied().collect()
    }

    #[test]
    fn what_is_acknowledged_is_forgotten_and_the_rest_kept_in_order() {
        let mut replay = Replay::new(1000);
        assert_eq!(["a", "b", "c"].map(|frame| replay.push(frame)), [Ok(1), Ok(2), Ok(3)]);
        assert!(replay.covers(0) && replay.covers(3) && !replay.covers(4));
        replay.acknowledge(2).unwrap();
        assert_eq!((kept(&replay), replay.unconfirmed(), replay.covers(1)), (vec!["c"], 1, false));
        replay.acknowledge(1).unwrap();
        assert_eq!(kept(&replay), ["c"]);
        assert!(replay.acknowledge(4).is_err());
        replay.acknowledge(3).unwrap();
        assert_eq!((replay.bytes(), replay.kept.capacity(), replay.covers(3)), (0, 0, true));
    }

    #[test]
    fn what_does_not_fit_breaks_it_until_it_is_acknowledged() {
        let mut replay = Replay::new(2 * Replay::weight(&"aaaa"));
        let pushed = ["aaaa", "bbbb", "cccc", "d", "e"].map(|frame| replay.push(frame));
        assert_eq!(pushed, [Ok(1), Ok(2), Err(Full(3)), Ok(4), Ok(5)]);
        assert_eq!((kept(&replay), replay.is_whole(), replay.covers(3)), (vec!["d", "e"], false, false));
        replay.acknowledge(2).unwrap();
        assert_eq!((kept(&replay), replay.is_whole(), replay.unconfirmed()), (vec!["d", "e"], false, 3));
        replay.acknowledge(4).unwrap();
        assert_eq!((kept(&replay), replay.is_whole(), replay.covers(4)), (vec!["e"], true, true));
        replay.give_up();
        assert_eq!((replay.bytes(), replay.covers(5), replay.unconfirmed()), (0, false, 1));
    }

    #[test]
    fn a_frame_without_bytes_takes_room_too() {
        let mut replay = Replay::new(10_000);
        assert!((0..10_000).any(|_| replay.push("").is_err()));
    }
}
