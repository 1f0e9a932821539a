//! Reads a wait from digits, and draws a wait below a ceiling. The random number is an argument.

use std::time::Duration;

/// The longest wait that a server can ask for: 5 minutes. Asked for more, a client waits that long.
pub(crate) const LONGEST: Duration = Duration::from_secs(5 * 60);

/// The wait that a server has written in digits, at most [`LONGEST`]; `None` for anything else.
pub(crate) fn read(digits: &str, unit: fn(u64) -> Duration) -> Option<Duration> {
    let written = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // Digits fail to parse only where there are too many of them.
    written.then(|| digits.parse().map_or(LONGEST, unit).min(LONGEST))
}

/// A wait drawn evenly from zero to the ceiling.
pub(crate) fn draw(ceiling: Duration, random: u32) -> Duration {
    let drawn = ceiling.as_secs_f64() * (f64::from(random) / f64::from(u32::MAX));
    Duration::try_from_secs_f64(drawn).unwrap_or(ceiling).min(ceiling)
}
