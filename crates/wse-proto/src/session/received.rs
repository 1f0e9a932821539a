//! How many envelopes one side of a session has received, and when it acknowledges them. Time is an
//! argument.

use crate::{
    limits::{Period, later},
    wire::error::ProtocolError,
};
use std::time::{Duration, Instant};

/// After this many envelopes the acknowledgement is sent at once.
const ENVELOPES: u64 = 32;
/// After this many bytes it is sent at once.
const BYTES: u32 = 64 << 10;
/// The longest time from an envelope to its acknowledgement.
const DELAY: Duration = Duration::from_secs(1);
/// The greatest count: every number up to it is exact in a double too.
const COUNT: u64 = (1 << 53) - 1;

/// Counts what one side of a session has received, and says when to acknowledge it.
#[derive(Clone, Debug)]
pub struct Received {
    taken: u64,
    /// How many of them are acknowledged.
    acknowledged: u64,
    /// The bytes of those that are not.
    owed: u32,
    beat: Period,
    window: Period,
    due: Instant,
    /// Nothing is counted any more.
    sealed: bool,
}

impl Received {
    /// The count of a session that begins now. An acknowledgement is sent at least every `beat`, whether
    /// or not something was received (zero: only when something was). Without a connection the session
    /// lasts for `window`.
    pub fn new(beat: Duration, window: Duration, now: Instant) -> Self {
        let beat = if beat.is_zero() { Period::ENDLESS } else { Period::of(beat) };
        let (window, due) = (Period::of(window), later(now, beat.duration()));
        Self { taken: 0, acknowledged: 0, owed: 0, beat, window, due, sealed: false }
    }

    /// The count of a session that began at another server: so many envelopes were received there, of which
    /// so many are acknowledged.
    pub fn continued(taken: u64, acknowledged: u64, beat: Duration, window: Duration, now: Instant) -> Self {
        let taken = taken.min(COUNT);
        Self { taken, acknowledged: acknowledged.min(taken), ..Self::new(beat, window, now) }
    }

    /// How many envelopes were received.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// How many of them are acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How long the session lasts without a connection.
    pub fn window(&self) -> Duration {
        self.window.duration()
    }

    /// Counts one more envelope, of about so many bytes.
    pub fn take(&mut self, bytes: usize, now: Instant) {
        if self.sealed {
            return;
        }
        self.taken += 1;
        self.owed = self.owed.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.owe(1, now);
    }

    /// Counts so many envelopes that the other side has given up.
    ///
    /// # Errors
    /// When they are none, or more than can be counted.
    pub fn skip(&mut self, count: u64, now: Instant) -> Result<(), ProtocolError> {
        let taken = self.taken.checked_add(count).filter(|taken| count > 0 && *taken <= COUNT);
        let taken = taken.ok_or_else(|| ProtocolError::new("a number of envelopes that cannot be given up"))?;
        if !self.sealed {
            self.taken = taken;
            self.owe(count, now);
        }
        Ok(())
    }

    /// Notes when the last `fresh` envelopes have to be acknowledged.
    fn owe(&mut self, fresh: u64, now: Instant) {
        let count = self.taken - self.acknowledged;
        if count >= ENVELOPES || self.owed >= BYTES {
            self.due = self.due.min(now);
        } else if count == fresh {
            self.due = self.due.min(later(now, DELAY));
        }
    }

    /// When the next acknowledgement is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// The count to acknowledge now; `None` before it is due.
    pub fn acknowledge(&mut self, now: Instant) -> Option<u64> {
        (now >= self.due).then(|| self.mark_acknowledged(now))
    }

    /// Notes that the count is acknowledged, as by a welcome, and returns it.
    pub fn mark_acknowledged(&mut self, now: Instant) -> u64 {
        (self.acknowledged, self.owed, self.due) = (self.taken, 0, later(now, self.beat.duration()));
        self.taken
    }

    /// The count to acknowledge before a close frame; `None` when all of it is acknowledged, and none is due.
    pub fn acknowledge_rest(&mut self, now: Instant) -> Option<u64> {
        (self.taken > self.acknowledged || now >= self.due).then(|| self.mark_acknowledged(now))
    }

    /// Stops counting. Unless `whole`, some envelopes that were counted will not be handled: then all
    /// that are not acknowledged count as not received. Only the first call has an effect.
    pub fn seal(&mut self, whole: bool) {
        if !self.sealed && !whole {
            (self.taken, self.owed) = (self.acknowledged, 0);
        }
        self.sealed = true;
    }

    /// Makes the next acknowledgement due at once.
    pub fn acknowledge_at_once(&mut self, now: Instant) {
        self.due = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const S: Duration = Duration::from_secs(1);

    #[test]
    fn an_acknowledgement_is_due_after_32_envelopes_or_64_kib_or_a_second_or_a_beat() {
        let start = Instant::now();
        let mut received = Received::new(25 * S, 60 * S, start);
        assert_eq!(received.due(), start + 25 * S);
        (0..31).for_each(|_| received.take(10, start + S));
        assert_eq!((received.acknowledge(start + S), received.due()), (None, start + 2 * S));
        received.take(10, start + S);
        assert_eq!((received.acknowledge(start + S), received.acknowledge(start + S)), (Some(32), None));
        received.take(BYTES as usize, start + 2 * S);
        assert_eq!(received.acknowledge(start + 2 * S), Some(33));
        received.take(1, start + 3 * S);
        assert_eq!((received.acknowledge(start + 3 * S), received.acknowledge(start + 4 * S)), (None, Some(34)));
        assert_eq!((received.due(), received.acknowledge(start + 29 * S)), (start + 29 * S, Some(34)));
    }

    #[test]
    fn before_a_close_frame_the_rest_is_acknowledged() {
        let start = Instant::now();
        let mut received = Received::new(25 * S, 60 * S, start);
        assert_eq!(received.acknowledge_rest(start), None);
        received.take(1, start);
        assert_eq!((received.acknowledge_rest(start), received.acknowledge_rest(start)), (Some(1), None));
        received.acknowledge_at_once(start); // the other side takes a close frame without it for that of an attempt
        assert_eq!((received.acknowledge_rest(start), received.acknowledge_rest(start)), (Some(1), None));
    }

    #[test]
    fn once_sealed_it_counts_nothing_and_takes_back_what_was_dropped_unacknowledged() {
        let start = Instant::now();
        let sealed = |whole| {
            let mut received = Received::new(25 * S, 60 * S, start);
            received.take(1, start);
            received.mark_acknowledged(start);
            (0..3).for_each(|_| received.take(1, start));
            received.seal(whole);
            received.take(1, start);
            received.seal(false); // only the first call counts
            (received.taken(), received.acknowledge_rest(start))
        };
        assert_eq!(sealed(true), (4, Some(4)));
        assert_eq!(sealed(false), (1, None));
    }

    #[test]
    fn without_a_beat_nothing_is_acknowledged_in_silence() {
        let start = Instant::now();
        let mut received = Received::new(Duration::ZERO, S, start);
        assert_eq!(received.acknowledge(start + 1_000_000 * S), None);
        received.take(1, start);
        assert_eq!(received.acknowledge(start + S), Some(1));
    }

    #[test]
    fn what_the_other_side_has_given_up_counts_and_is_acknowledged_as_what_has_come() {
        let start = Instant::now();
        let mut received = Received::new(25 * S, 60 * S, start);
        received.skip(5, start).unwrap();
        assert_eq!((received.taken(), received.due()), (5, start + S));
        received.take(1, start);
        received.skip(26, start).unwrap();
        assert_eq!(received.acknowledge(start), Some(32));
        for wrong in [0, u64::MAX, COUNT] {
            assert!(received.skip(wrong, start).is_err(), "{wrong}");
        }
        received.seal(true);
        received.skip(1, start).unwrap();
        assert_eq!(received.taken(), 32);
    }
}
