//! The hybrid clock of a node.

use crate::{Hlc, Time};

/// The bits of a counter below the milliseconds.
const COUNTER: u32 = 16;

/// How far a stamp of another node may be ahead of this node's wall clock to be believed: a day.
const AHEAD: u64 = 86_400_000;

/// Makes stamps that are newer than any this node has made or seen.
#[derive(Default)]
pub(crate) struct Clock(Hlc);

impl Clock {
    /// A new stamp.
    pub(crate) fn stamp(&mut self, time: Time) -> Hlc {
        self.0 = Hlc((time.wall << COUNTER).max(self.0.0 + 1));
        self.0
    }

    /// Another node has made that stamp. One that is a day ahead is not followed: its node's clock is wrong, and
    /// everybody's would be for ever.
    pub(crate) fn see(&mut self, time: Time, stamp: Hlc) {
        if stamp.0 >> COUNTER < time.wall.saturating_add(AHEAD) {
            self.0 = self.0.max(stamp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall: u64) -> Time {
        Time { ms: 0, wall }
    }

    #[test]
    fn a_stamp_is_newer_than_all_that_were_seen_even_if_the_wall_clock_is_behind() {
        let (mut fast, mut slow) = (Clock::default(), Clock::default());
        let first = fast.stamp(at(5000));
        slow.see(at(1000), first);
        let second = slow.stamp(at(1000));
        assert!(second > first);
        assert!(slow.stamp(at(900)) > second);
    }

    #[test]
    fn a_clock_that_is_a_day_ahead_is_not_followed() {
        let mut clock = Clock::default();
        clock.see(at(1000), Hlc(u64::MAX));
        assert_eq!(clock.stamp(at(1000)), Hlc(1000 << COUNTER));
    }
}
