//! When a bus tries again, and what it says about it.

use std::time::Duration;
use tokio::time::Instant;

/// The first wait. It doubles up to [`MOST`].
const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(2);
/// A link that lasted for so long was a good one: after it nothing is waited for.
const GOOD: Duration = Duration::from_secs(2);
/// A failure that lasts is said again after this time.
const SAID_AGAIN: Duration = Duration::from_secs(60);

/// When a bus tries again to reach its engine, and the lines of the log about that.
///
/// The first wait is 100 ms, and doubles up to 2 s. After a link that has lasted for 2 s nothing is waited for. A
/// failure that lasts is logged once a minute.
///
/// ```
/// use wse::cluster::Retry;
///
/// let mut retry = Retry::new();
/// assert_eq!(retry.down("nats://10.0.0.5:4222", "refused").as_millis(), 100);
/// assert_eq!(retry.down("nats://10.0.0.5:4222", "refused").as_millis(), 200);
/// ```
#[derive(Debug)]
pub struct Retry {
    wait: Duration,
    up: Option<Instant>,
    said: Option<Instant>,
}

impl Retry {
    /// Before the first attempt.
    pub fn new() -> Self {
        Self { wait: FIRST, up: None, said: None }
    }

    /// The link is up. `engine` names the engine in the log, and must not hold a secret.
    pub fn up(&mut self, engine: &str) {
        tracing::info!(engine, "cluster engine connected");
        self.up = Some(Instant::now());
        self.said = None;
    }

    /// The link was lost, or could not be made. Returns how long to wait.
    pub fn down(&mut self, engine: &str, error: &str) -> Duration {
        if let Some(up) = self.up.take() {
            tracing::warn!(engine, error, "cluster engine lost, reconnecting");
            if up.elapsed() >= GOOD {
                self.wait = FIRST;
                return Duration::ZERO;
            }
        } else if self.said.is_none_or(|said| said.elapsed() >= SAID_AGAIN) {
            tracing::warn!(engine, error, "cluster engine not reached, retrying");
            self.said = Some(Instant::now());
        }
        let wait = self.wait;
        self.wait = (wait * 2).min(MOST);
        wait
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(retry: &mut Retry, count: usize) -> Vec<u128> {
        (0..count).map(|_| retry.down("e", "refused").as_millis()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_until_a_link_has_lasted() {
        let mut retry = Retry::new();
        assert_eq!(waits(&mut retry, 7), [100, 200, 400, 800, 1600, 2000, 2000]);
        retry.up("e");
        assert_eq!(waits(&mut retry, 2), [2000, 2000], "a link that is lost at once is no good");
        retry.up("e");
        tokio::time::advance(GOOD).await;
        assert_eq!(waits(&mut retry, 3), [0, 100, 200]);
    }
}
