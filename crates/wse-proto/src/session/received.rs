//! How many envelopes one side of a session has received, and when it acknowledges them. Time is an
//! argument.

use crate::limits::later;
use std::time::{Duration, Instant};

/// Envelopes that are taken in before the other side is told at once.
const ENVELOPES: u64 = 32;
/// Bytes of them.
const BYTES: usize = 64 << 10;
/// How long the first of them waits: so long a receipt is late at most.
const DELAY: Duration = Duration::from_secs(1);

/// What one side of a session has taken in.
#[derive(Clone, Debug)]
pub struct Ledger {
    taken: u64,
    /// Of them the other side knows.
    told: u64,
    /// Bytes of those it does not know of.
    untold: usize,
    beat: Duration,
    window: Duration,
    due: Instant,
    /// Nothing is taken in any more.
    sealed: bool,
}

impl Ledger {
    /// A session that begins now. Something is told at least every `beat` (zero: never for its own
    /// sake); without a connection it lasts for `window`.
    pub fn new(beat: Duration, window: Duration, now: Instant) -> Self {
        let beat = if beat.is_zero() { Duration::MAX } else { beat };
        Self { taken: 0, told: 0, untold: 0, beat, window, due: later(now, beat), sealed: false }
    }

    /// How many envelopes have been taken in.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// How long the session lasts without a connection.
    pub fn window(&self) -> Duration {
        self.window
    }

    /// One more was taken in, of about so many bytes.
    pub fn take(&mut self, bytes: usize, now: Instant) {
        if self.sealed {
            return;
        }
        self.taken += 1;
        self.untold += bytes;
        let untold = self.taken - self.told;
        if untold >= ENVELOPES || self.untold >= BYTES {
            self.due = self.due.min(now);
        } else if untold == 1 {
            self.due = self.due.min(later(now, DELAY));
        }
    }

    /// When the other side is to be told.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// What the other side is told now; `None` before it is due.
    pub fn tell(&mut self, now: Instant) -> Option<u64> {
        (now >= self.due).then(|| self.told(now))
    }

    /// The other side has been told on another way, as a welcome does. Gives the count.
    pub fn told(&mut self, now: Instant) -> u64 {
        (self.told, self.untold, self.due) = (self.taken, 0, later(now, self.beat));
        self.taken
    }

    /// What the other side is told before a goodbye; `None` when it knows all.
    pub fn last(&mut self, now: Instant) -> Option<u64> {
        (self.taken > self.told).then(|| self.told(now))
    }

    /// Nothing is taken in from now on. Unless `whole`, some of what was is not handled either: all
    /// that the other side was not told of counts as not taken in.
    pub fn seal(&mut self, whole: bool) {
        if !self.sealed && !whole {
            (self.taken, self.untold) = (self.told, 0);
        }
        self.sealed = true;
    }

    /// The other side is to be told as soon as possible.
    pub fn hurry(&mut self, now: Instant) {
        self.due = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const S: Duration = Duration::from_secs(1);

    #[test]
    fn it_is_told_after_thirty_two_envelopes_or_64_kib_or_a_second_or_a_beat() {
        let start = Instant::now();
        let mut ledger = Ledger::new(25 * S, 60 * S, start);
        assert_eq!(ledger.due(), start + 25 * S);
        (0..31).for_each(|_| ledger.take(10, start + S));
        assert_eq!((ledger.tell(start + S), ledger.due()), (None, start + 2 * S));
        ledger.take(10, start + S);
        assert_eq!((ledger.tell(start + S), ledger.tell(start + S)), (Some(32), None));
        ledger.take(BYTES, start + 2 * S);
        assert_eq!(ledger.tell(start + 2 * S), Some(33));
        ledger.take(1, start + 3 * S);
        assert_eq!((ledger.tell(start + 3 * S), ledger.tell(start + 4 * S)), (None, Some(34)));
        assert_eq!((ledger.due(), ledger.tell(start + 29 * S)), (start + 29 * S, Some(34)));
    }

    #[test]
    fn before_a_goodbye_the_other_side_is_told_what_it_does_not_know() {
        let start = Instant::now();
        let mut ledger = Ledger::new(25 * S, 60 * S, start);
        assert_eq!(ledger.last(start), None);
        ledger.take(1, start);
        assert_eq!((ledger.last(start), ledger.last(start)), (Some(1), None));
    }

    #[test]
    fn once_sealed_it_counts_no_more_and_forgets_what_was_dropped_untold() {
        let start = Instant::now();
        let sealed = |whole| {
            let mut ledger = Ledger::new(25 * S, 60 * S, start);
            ledger.take(1, start);
            ledger.told(start);
            (0..3).for_each(|_| ledger.take(1, start));
            ledger.seal(whole);
            ledger.take(1, start);
            ledger.seal(false); // the first one holds
            (ledger.taken(), ledger.last(start))
        };
        assert_eq!(sealed(true), (4, Some(4)));
        assert_eq!(sealed(false), (1, None));
    }

    #[test]
    fn without_a_beat_silence_says_nothing() {
        let start = Instant::now();
        let mut ledger = Ledger::new(Duration::ZERO, S, start);
        assert_eq!(ledger.tell(start + 1_000_000 * S), None);
        ledger.take(1, start);
        assert_eq!(ledger.tell(start + S), Some(1));
    }
}
