//! The term of an identity: when it ends, and when its device is asked for the next one. Plain values.

use std::time::Duration;
use tokio::time::Instant;

/// A device is asked a tenth of the identity's life ahead of its end, but at least and at most so long.
const AHEAD: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// The shortest time from one question to the next, however short the lives are.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    /// When the device is asked for another identity.
    pub(crate) renewal: Instant,
    /// When the identity ends.
    pub(crate) end: Instant,
}

impl Term {
    /// The term of an identity that lives so long from now on. `None` where no clock can tell the end.
    pub(crate) fn new(now: Instant, life: Duration) -> Option<Self> {
        let end = now.checked_add(life)?;
        let ahead = (life / 10).clamp(AHEAD.0, AHEAD.1).min(life / 2);
        Some(Self { renewal: (end - ahead).max(now + PAUSE), end })
    }

    /// When to ask again that was asked in vain now: in a quarter of the time that is left.
    pub(crate) fn again(&self, now: Instant) -> Instant {
        now + (self.end.saturating_duration_since(now) / 4).max(PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_device_is_asked_a_tenth_ahead_within_bounds_and_never_within_a_second() {
        let now = Instant::now();
        for (life, asked) in [
            (86_400 * S, 86_340 * S),
            (600 * S, 540 * S),
            (100 * S, 90 * S),
            (50 * S, 45 * S),
            (20 * S, 15 * S),
            (10 * S, 5 * S),
            (4 * S, 2 * S),
            (2 * S, S),
            (1500 * MS, S),
        ] {
            assert_eq!(Term::new(now, life), Some(Term { renewal: now + asked, end: now + life }), "{life:?}");
        }
        for life in [Duration::ZERO, MS, S] {
            let term = Term::new(now, life).unwrap();
            assert!(term.renewal >= term.end, "{life:?}: it ends, and is not asked");
        }
        assert_eq!(Term::new(now, Duration::MAX), None);
    }

    #[test]
    fn who_was_asked_in_vain_is_asked_a_few_times_more() {
        let now = Instant::now();
        for life in [S, 20 * S, 600 * S, 86_400 * S] {
            let term = Term::new(now, life).unwrap();
            let mut asked = vec![term.renewal];
            while let Some(last) = asked.last().filter(|last| **last < term.end) {
                asked.push(term.again(*last));
            }
            assert!(asked.len() <= 16, "{life:?}: {}", asked.len());
            assert!(asked.windows(2).all(|two| two[1] - two[0] >= S), "{life:?}");
        }
    }
}
