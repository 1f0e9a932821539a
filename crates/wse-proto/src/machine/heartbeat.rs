//! Finds dead peers: it asks for a ping after some silence, and for the end after some more. Time is an
//! argument.

use crate::limits::{Period, later};
use std::time::{Duration, Instant};

/// What a tick asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    Nothing,
    Ping,
    Dead,
}

/// A peer takes at least so many bytes in a millisecond while it shows by taking them that it is there.
const BYTES_PER_MS: u128 = 1;

/// Every connection has one, so its periods and bytes are kept in four bytes each.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    interval: Period,
    timeout: Period,
    /// When the present period ends.
    due: Instant,
    /// Bytes moved in this period that the peer has made room for: as many as suffice for the longest.
    taken: u32,
    /// Bytes moved in this period that may lie between here and a peer that is gone.
    sent: u32,
    /// The present period is the timeout of a ping.
    pinged: bool,
    /// Bytes of the second kind have put off the ping since the peer was heard.
    put_off: bool,
}

impl Heartbeat {
    pub(crate) fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        // An interval of zero means no pings.
        let interval = if interval.is_zero() { Period::ENDLESS } else { Period::of(interval) };
        let due = later(now, interval.duration());
        Self { interval, timeout: Period::of(timeout), due, taken: 0, sent: 0, pinged: false, put_off: false }
    }

    /// Notes that the peer has shown that it is there.
    pub(crate) fn heard(&mut self, now: Instant) {
        (self.pinged, self.put_off) = (false, false);
        self.begin(now);
    }

    /// Notes that so many bytes have moved. `proven` is for bytes that the peer has made room for, and
    /// for bytes of its own.
    ///
    /// At 1 kB/s over a whole period they stand for a sign of life: the ping waits behind them. Bytes that
    /// are not proven do so once, since a network may take some for a peer that is gone.
    pub(crate) fn moved(&mut self, bytes: u64, proven: bool) {
        let moved = if proven { &mut self.taken } else { &mut self.sent };
        *moved = u32::try_from(bytes).map_or(u32::MAX, |bytes| moved.saturating_add(bytes));
    }

    /// How long the present period lasts.
    fn period(&self) -> Duration {
        if self.pinged { self.timeout.duration() } else { self.interval.duration() }
    }

    fn begin(&mut self, now: Instant) {
        (self.due, self.taken, self.sent) = (later(now, self.period()), 0, 0);
    }

    /// Whether so many bytes in this period, which has ended, show that the peer is there.
    fn suffices(&self, bytes: u32, now: Instant) -> bool {
        let passed = self.period().saturating_add(now.saturating_duration_since(self.due));
        let needed = passed.as_millis() * BYTES_PER_MS;
        bytes > 0 && u128::from(bytes) >= needed
    }

    pub(crate) fn tick(&mut self, now: Instant) -> Beat {
        if now < self.due {
            return Beat::Nothing;
        }
        if self.suffices(self.taken, now) {
            self.heard(now);
            return Beat::Nothing;
        }
        if !self.put_off && self.suffices(self.taken.saturating_add(self.sent), now) {
            self.heard(now);
            self.put_off = true;
            return Beat::Nothing;
        }
        if self.pinged {
            return Beat::Dead;
        }
        self.pinged = true;
        self.begin(now);
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
    #[test]
    fn a_peer_that_takes_a_kilobyte_a_second_is_there_however_long_that_lasts() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(25 * S, 10 * S, start);
        for period in 1..100 {
            heartbeat.moved(25_000, true);
            assert_eq!(heartbeat.tick(start + 25 * period * S), Beat::Nothing);
        }
        heartbeat.moved(24_999, true);
        assert_eq!(heartbeat.tick(start + 2500 * S), Beat::Ping, "a byte too few");
        heartbeat.moved(10_000, true);
        assert_eq!(heartbeat.tick(start + 2510 * S), Beat::Nothing, "while the ping waits behind them too");
        assert_eq!(heartbeat.tick(start + 2535 * S), Beat::Ping);
        assert_eq!(heartbeat.tick(start + 2545 * S), Beat::Dead, "a reader that has stopped is found");
    }

    #[test]
    fn bytes_that_a_network_may_hold_put_the_ping_off_once() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(25 * S, 10 * S, start);
        for period in [1, 2] {
            heartbeat.moved(1_000_000, false);
            let beat = heartbeat.tick(start + 25 * period * S);
            assert_eq!(beat, if period == 1 { Beat::Nothing } else { Beat::Ping });
        }
        heartbeat.moved(1_000_000, false);
        assert_eq!(heartbeat.tick(start + 60 * S), Beat::Dead, "25 s later than in silence");
        heartbeat.heard(start + 60 * S);
        heartbeat.moved(25_000, false);
        assert_eq!(heartbeat.tick(start + 85 * S), Beat::Nothing, "and once more after a sign of life");
    }
}
