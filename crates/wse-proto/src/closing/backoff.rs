//! How long a client waits before it tries again. The random number is an argument.

use crate::closing::wait::draw;
use std::time::Duration;

/// Full jitter: a wait drawn evenly from zero to a ceiling that starts at `min` and grows by
/// `factor` with each failed attempt, up to `max`.
///
/// The defaults are 500 ms, 20 s, 2, and no limit of attempts. Ceiling and count start over after a
/// welcome.
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
}

impl Default for Backoff {
    fn default() -> Self {
        Self { min: Duration::from_millis(500), max: Duration::from_secs(20), factor: 2.0, retries: u32::MAX }
    }
}

impl Backoff {
    /// The longest wait after `failed` attempts in a row.
    pub fn ceiling(&self, failed: u32) -> Duration {
        // After 1000 doublings every `min` above zero is past every `max`, and f64 holds the result.
        let growth = self.factor.max(1.0).powi(failed.min(1000) as i32);
        let ceiling = self.min.as_secs_f64() * growth;
        if ceiling < self.max.as_secs_f64() { Duration::from_secs_f64(ceiling) } else { self.max }
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
        assert_eq!(none.ceiling(9), Duration::ZERO);
    }
}
