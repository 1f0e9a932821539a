//! Finds dead peers: it asks for a ping after some silence, and for the end after some more. Time is an
//! argument.

use crate::limits::later;
use std::time::{Duration, Instant};

/// What a tick asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    Nothing,
    Ping,
    Dead,
}

#[derive(Debug)]
pub(crate) struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    due: Instant,
    pinged: bool,
}

impl Heartbeat {
    pub(crate) fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        // An interval of zero means no pings.
        let interval = if interval.is_zero() { Duration::MAX } else { interval };
        Self { interval, timeout, due: later(now, interval), pinged: false }
    }

    /// Notes that the peer has shown that it is there.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.pinged = false;
        self.due = later(now, self.interval);
    }

    pub(crate) fn tick(&mut self, now: Instant) -> Beat {
        if now < self.due {
            return Beat::Nothing;
        }
        if self.pinged {
            return Beat::Dead;
        }
        self.pinged = true;
        self.due = later(now, self.timeout);
        Beat::Ping
    }

    /// When the next tick has an effect.
    pub(crate) fn deadline(&self) -> Instant {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const S: Duration = Duration::from_secs(1);

    #[test]
    fn silence_is_pinged_once_and_then_fatal() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(25 * S, 10 * S, start);
        assert_eq!(heartbeat.tick(start + 24 * S), Beat::Nothing);
        assert_eq!(heartbeat.tick(start + 25 * S), Beat::Ping);
        assert_eq!(heartbeat.tick(start + 34 * S), Beat::Nothing);
        assert_eq!(heartbeat.tick(start + 35 * S), Beat::Dead);
    }

    #[test]
    fn an_interval_of_zero_means_no_pings() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(Duration::ZERO, 10 * S, start);
        assert_eq!(heartbeat.tick(start + 1_000_000 * S), Beat::Nothing);
    }

    #[test]
    fn any_sign_of_life_starts_over() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(25 * S, 10 * S, start);
        heartbeat.tick(start + 25 * S);
        heartbeat.heard(start + 30 * S);
        assert_eq!(heartbeat.deadline(), start + 55 * S);
        assert_eq!(heartbeat.tick(start + 54 * S), Beat::Nothing);
        assert_eq!(heartbeat.tick(start + 55 * S), Beat::Ping);
    }
}
