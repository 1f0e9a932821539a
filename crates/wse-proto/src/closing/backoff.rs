//! How long a client waits before it tries again. The random number is an argument.

use crate::closing::wait::draw;
use std::time::Duration;

/// The least ceiling, so that a client whose waits are zero does not try without a pause.
const LEAST: Duration = Duration::from_millis(10);

/// Full jitter: a wait drawn evenly from zero to a ceiling that starts at `min` and grows by
/// `factor` with each failed attempt, up to `max`. A ceiling below 10 ms counts as 10 ms.
///
/// The defaults are 500 ms, 20 s, 2, no limit of attempts, and not persistent. Ceiling and count start
/// over after a welcome, unless the connection ends too soon: with 1013 within 10 s, or before an
/// envelope has crossed a resumed session.
///
/// ```
/// use std::time::Duration;
/// use wse_proto::Backoff;
///
/// let patient = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(60), ..Backoff::default() };
/// assert_eq!(patient.ceiling(3), Duration::from_secs(8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The ceiling of the first wait.
    pub min: Duration,
    /// The ceiling of every wait.
    pub max: Duration,
    /// Each failed attempt multiplies the ceiling by this; below 1 it counts as 1.
    pub factor: f64,
    /// How many times in a row the client tries again. The failure after that is final.
    pub retries: u32,
    /// Whether the first attempts are as patient as those after a welcome: only a verdict of the
    /// server or a broken protocol is final then, and no HTTP status, certificate or failed identity.
    pub persistent: bool,
}

impl Default for Backoff {
    fn default() -> Self {
        let (min, max) = (Duration::from_millis(500), Duration::from_secs(20));
        Self { min, max, factor: 2.0, retries: u32::MAX, persistent: false }
    }
}

impl Backoff {
    /// The default waits, and [`persistent`](Backoff#structfield.persistent) from the first
    /// attempt on: for a device that starts before its network or its server does.
    pub fn persistent() -> Self {
        Self { persistent: true, ..Self::default() }
    }

    /// The longest wait after `failed` attempts in a row.
    pub fn ceiling(&self, failed: u32) -> Duration {
        // After 1000 doublings every `min` above zero is past every `max`, and f64 holds the result.
        let growth = self.factor.max(1.0).powi(failed.min(1000) as i32);
        let ceiling = self.min.as_secs_f64() * growth;
        let ceiling = if ceiling < self.max.as_secs_f64() { Duration::from_secs_f64(ceiling) } else { self.max };
        ceiling.max(LEAST)
    }

    /// The wait after `failed` attempts in a row, for 32 random bits.
    pub fn wait(&self, failed: u32, random: u32) -> Duration {
        draw(self.ceiling(failed), random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_from_half_a_second_to_twenty() {
        let backoff = Backoff::default();
        let ceilings: Vec<u128> = (0..8).map(|failed| backoff.ceiling(failed).as_millis()).collect();
        assert_eq!(ceilings, [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
        assert_eq!(backoff.ceiling(u32::MAX), backoff.max);
    }

    #[test]
    fn the_wait_lies_anywhere_below_the_ceiling() {
        let backoff = Backoff::default();
        assert_eq!(backoff.wait(3, 0), Duration::ZERO);
        assert_eq!(backoff.wait(3, u32::MAX), Duration::from_secs(4));
        assert!(backoff.wait(3, u32::MAX / 2).abs_diff(Duration::from_secs(2)) < Duration::from_millis(1));
    }

    #[test]
    fn strange_settings_give_a_wait_and_never_a_panic() {
        let shrinking = Backoff { factor: 0.1, ..Backoff::default() };
        assert_eq!(shrinking.ceiling(9), shrinking.min);
        let huge = Backoff { factor: f64::INFINITY, max: Duration::MAX, ..Backoff::default() };
        assert_eq!(huge.ceiling(9), Duration::MAX);
        assert_eq!(huge.wait(9, u32::MAX), Duration::MAX);
        let none = Backoff { min: Duration::ZERO, max: Duration::ZERO, factor: f64::NAN, ..Backoff::default() };
        assert_eq!(none.ceiling(9), LEAST);
    }

    #[test]
    fn waits_of_zero_are_no_loop_without_a_pause() {
        let none = Backoff { min: Duration::ZERO, max: Duration::ZERO, ..Backoff::default() };
        let no_end = Backoff { min: Duration::ZERO, ..Backoff::default() };
        for backoff in [none, no_end] {
            for failed in [0, 1, 9, u32::MAX] {
                assert_eq!(backoff.ceiling(failed), LEAST, "{backoff:?}");
            }
            assert!(backoff.wait(0, u32::MAX / 2) > Duration::from_millis(4));
        }
    }
}
