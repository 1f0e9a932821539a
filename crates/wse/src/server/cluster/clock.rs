//! The time as a node knows it: that of tokio, which a test may pause, and the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;
use wse_cluster::Time;

/// Counts milliseconds from when it was made.
pub(crate) struct Clock {
    began: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now() }
    }

    pub(crate) fn now(&self) -> Time {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time { ms: millis(self.began.elapsed()), wall: millis(wall) }
    }

    /// When it is that time.
    pub(crate) fn at(&self, ms: u64) -> Option<Instant> {
        self.began.checked_add(Duration::from_millis(ms))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
