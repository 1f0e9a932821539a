//! What a server says about when to come back, and how long a client waits for it. A server cannot
//! make a client wait for ever. The random number is an argument.

use crate::closing::{
    backoff::Backoff,
    reason::Closed,
    wait::{draw, read},
};
use std::time::Duration;

/// The most that is added to a turn. Every client is told another time, so little is enough.
const JITTER: Duration = Duration::from_millis(100);

/// What the end of a connection, or the refusal of one, says about when to come back.
///
/// ```
/// use std::time::Duration;
/// use wse_proto::{Backoff, Closed, Hint};
///
/// let hint = Hint::from(&Closed::restart(Duration::from_secs(7)));
/// assert_eq!(hint, Hint::Turn(Duration::from_secs(7)));
/// assert!(hint.wait(&Backoff::default(), 0, u32::MAX) < Duration::from_secs(8));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hint {
    /// Nothing: the backoff decides.
    #[default]
    Nothing,
    /// This client's turn comes after that time (`after=MS` of a 1012 or 1013). Every client is told another
    /// time, so the client adds a jitter of a tenth only, at most 100 ms.
    Turn(Duration),
    /// No client may come before that time (`Retry-After`). All clients are told the same time, so the
    /// client adds a jitter drawn evenly below that time or the backoff's ceiling, whichever is longer.
    Floor(Duration),
}

impl Hint {
    /// The wait before the next attempt, after `failed` attempts in a row, for 32 random bits.
    pub fn wait(self, backoff: &Backoff, failed: u32, random: u32) -> Duration {
        match self {
            Hint::Nothing => backoff.wait(failed, random),
            Hint::Turn(after) => after.saturating_add(draw((after / 10).min(JITTER), random)),
            Hint::Floor(floor) => floor.saturating_add(draw(backoff.ceiling(failed).max(floor), random)),
        }
    }

    /// The value of the HTTP header `Retry-After` in seconds, at most 5 minutes. `None` for its
    /// other form, a date: it would need a clock that agrees with the server's.
    pub fn retry_after(value: &str) -> Option<Duration> {
        read(value.trim(), Duration::from_secs)
    }
}

impl From<&Closed> for Hint {
    fn from(closed: &Closed) -> Self {
        closed.after().map_or(Hint::Nothing, Hint::Turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::closing::wait::LONGEST;

    const S: Duration = Duration::from_secs(1);

    fn between(hint: Hint, backoff: &Backoff, failed: u32) -> (Duration, Duration) {
        (hint.wait(backoff, failed, 0), hint.wait(backoff, failed, u32::MAX))
    }

    #[test]
    fn without_a_hint_the_backoff_decides() {
        let backoff = Backoff::default();
        for failed in 0..9 {
            assert_eq!(between(Hint::Nothing, &backoff, failed), (Duration::ZERO, backoff.ceiling(failed)));
        }
        assert_eq!(Hint::from(&Closed::slow()), Hint::Nothing);
    }

    #[test]
    fn a_turn_is_kept_but_for_a_tenth_and_at_most_100_ms() {
        let backoff = Backoff::default();
        for failed in [0, 9] {
            assert_eq!(between(Hint::Turn(Duration::ZERO), &backoff, failed), (Duration::ZERO, Duration::ZERO));
            assert_eq!(between(Hint::Turn(S / 5), &backoff, failed), (S / 5, S / 5 + S / 50));
            assert_eq!(between(Hint::Turn(60 * S), &backoff, failed), (60 * S, 60 * S + S / 10));
        }
    }

    #[test]
    fn no_client_comes_before_retry_after_and_the_jitter_is_as_long_again_at_least() {
        let backoff = Backoff::default();
        assert_eq!(between(Hint::Floor(S), &backoff, 0), (S, 2 * S));
        assert_eq!(between(Hint::Floor(S), &backoff, 3), (S, 5 * S));
        assert_eq!(between(Hint::Floor(60 * S), &backoff, 9), (60 * S, 120 * S));
        let at_once = Backoff { min: Duration::ZERO, max: Duration::ZERO, ..backoff };
        assert_eq!(between(Hint::Floor(S), &at_once, 0), (S, 2 * S));
        assert_eq!(between(Hint::Floor(Duration::MAX), &backoff, 0), (Duration::MAX, Duration::MAX));
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_bounded_and_a_date_is_none() {
        for (value, read) in
            [("1", Some(S)), (" 120 ", Some(120 * S)), ("0", Some(Duration::ZERO)), ("007", Some(7 * S))]
        {
            assert_eq!(Hint::retry_after(value), read, "{value:?}");
        }
        for huge in ["301", "18446744073709551615", "18446744073709551616", &"9".repeat(5000)] {
            assert_eq!(Hint::retry_after(huge), Some(LONGEST), "{huge:?}");
        }
        for other in ["", " ", "-1", "+1", "1.5", "1s", "soon", "١", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(Hint::retry_after(other), None, "{other:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_server_says_is_a_wait_of_ten_minutes_at_most(
            code: u16, reason: String, value: String, digits in "[0-9]{0,40}", failed: u32, random: u32,
        ) {
            let reason = format!("{reason} after={digits} {value}");
            let said = [
                Hint::from(&Closed { code, reason: reason.clone().into() }),
                Hint::from(&Closed { code: 1012, reason: reason.into() }),
                Hint::retry_after(&value).map_or(Hint::Nothing, Hint::Floor),
                Hint::retry_after(&digits).map_or(Hint::Nothing, Hint::Floor),
            ];
            for hint in said {
                assert!(hint.wait(&Backoff::default(), failed, random) <= 2 * LONGEST, "{hint:?}");
            }
        }
    }
}
