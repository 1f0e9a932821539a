//! The plan of a restart or a recall: when the server closes each connection, and when its client is to
//! come back. A plan closes nothing itself.

use crate::closing::{reason::Closed, wait::LONGEST};
use std::time::Duration;

/// The time from the last close to the first return: the new process has to come up in it. Also the time
/// to the first return of those that are told to come back later.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// The part of the rate that the plan uses. The rest is for jitter and for clients outside of the plan.
pub(crate) const SHARE: f64 = 0.9;

/// How many times faster connections are closed than they come back: a close costs much less than a
/// handshake.
const CLOSE_FASTER: u32 = 20;

/// Connections are closed at multiples of this time. All whose turn lies within one are closed together.
const GRAIN: Duration = Duration::from_millis(10);

/// A recall takes at most this time.
const A_YEAR: Duration = Duration::from_secs(365 * 86_400);

/// How a server that stops spreads the ends of its connections, and the returns of their clients, so
/// that the next server gets no more handshakes in a second than it can take.
///
/// Ends are spread over a twentieth of the time that the returns take, and at most half of the grace.
/// Returns begin a second after the last end and come evenly, at 90 % of the rate. No client waits for
/// more than 5 minutes: if the returns do not fit into that time, they come faster than the rate.
///
/// ```
/// use std::time::Duration;
/// use wse_proto::Restart;
///
/// let turns: Vec<_> = Restart::new(9000, 1000, Duration::from_secs(10)).turns().collect();
/// assert_eq!((turns[0].at, turns[0].end.to_string()), (Duration::ZERO, "1012 wse.restart after=1500".into()));
/// assert_eq!(turns[4500].at, Duration::from_millis(250)); // and back 6.5 s after the beginning
/// assert_eq!(turns[4500].end.after(), Some(Duration::from_millis(6250)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    conns: usize,
    /// The time of all ends.
    closing: Duration,
    /// When the first returns.
    first: Duration,
    /// The time of all returns.
    returning: Duration,
}

/// When and how one connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When to close it, counted from the beginning of the shutdown.
    pub at: Duration,
    /// How to close it: 1012, with the time to come back.
    pub end: Closed,
}

impl Restart {
    /// A plan for so many connections, so many handshakes in a second, and a shutdown that may take
    /// `grace`. A rate of 0 counts as 1.
    pub fn new(conns: usize, returns_per_second: u32, grace: Duration) -> Self {
        let returning = returns(conns, returns_per_second).min(LONGEST - PAUSE);
        let closing = grained((returning / CLOSE_FASTER).min(grace / 2));
        Self { conns, closing, first: closing + PAUSE, returning }
    }

    /// A plan for so many connections that are closed evenly within that time, by a server that goes on.
    /// Each client comes back at once, unless that were more than 90 % of the rate: then it waits for its
    /// turn, at most 5 minutes. More than a year counts as a year.
    ///
    /// ```
    /// use std::time::Duration;
    /// use wse_proto::Restart;
    ///
    /// let slowly: Vec<_> = Restart::recall(900, 1000, Duration::from_secs(90)).turns().collect();
    /// assert_eq!((slowly[450].at, slowly[450].end.after()), (Duration::from_secs(45), Some(Duration::ZERO)));
    /// let at_once: Vec<_> = Restart::recall(900, 1000, Duration::ZERO).turns().collect();
    /// assert_eq!((at_once[450].at, at_once[450].end.after()), (Duration::ZERO, Some(Duration::from_millis(500))));
    /// ```
    pub fn recall(conns: usize, returns_per_second: u32, within: Duration) -> Self {
        let closing = within.min(A_YEAR);
        let returning = returns(conns, returns_per_second).clamp(closing, closing + LONGEST);
        Self { conns, closing, first: Duration::ZERO, returning }
    }

    /// The turn of each connection, the first to be closed first.
    pub fn turns(self) -> impl Iterator<Item = Turn> {
        (0..self.conns).map(move |place| {
            let part = place as f64 / self.conns as f64;
            let at = grained(self.closing.mul_f64(part));
            let back = self.first + self.returning.mul_f64(part);
            Turn { at, end: Closed::restart(back - at) }
        })
    }
}

/// The time that so many returns take, at most a year.
fn returns(conns: usize, per_second: u32) -> Duration {
    let seconds = conns as f64 / (f64::from(per_second.max(1)) * SHARE);
    Duration::from_secs_f64(seconds.min(A_YEAR.as_secs_f64()))
}

/// Rounds down to a multiple of [`GRAIN`].
fn grained(time: Duration) -> Duration {
    let rest = time.as_nanos() % GRAIN.as_nanos();
    time - Duration::from_nanos(rest as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    /// When each connection is closed, and when it comes back, both from the beginning on.
    fn plan(conns: usize, rate: u32, grace: Duration) -> (Vec<Duration>, Vec<Duration>) {
        let turn = |turn: Turn| (turn.at, turn.at + turn.end.after().expect("told when"));
        Restart::new(conns, rate, grace).turns().map(turn).unzip()
    }

    #[test]
    fn a_few_are_closed_at_once_and_each_is_told_another_time() {
        let (ends, returns) = plan(200, 1000, 10 * S);
        assert_eq!(ends, [Duration::ZERO; 200]);
        assert!(returns.is_sorted_by(|one, next| one < next), "{returns:?}");
        assert!(S <= returns[0] && returns[199] < S + S / 4, "{returns:?}");
    }

    #[test]
    fn ends_are_twenty_times_as_fast_as_the_returns_and_take_at_most_half_of_the_grace() {
        for (grace, closing) in [(60 * S, 550), (S, 500), (S / 2, 250), (Duration::ZERO, 0)] {
            let (ends, _) = plan(10_000, 1000, grace);
            assert!(ends.is_sorted());
            let last = ends.last().unwrap().as_millis();
            assert!(last <= closing && closing <= last + 20, "{grace:?}: {last} ms");
        }
    }

    #[test]
    fn returns_begin_a_second_after_the_last_end_and_stay_below_the_rate() {
        for (conns, rate, grace) in
            [(1, 1, S), (3, 1000, S), (10_000, 1000, 10 * S), (10_000, 1000, S), (200, 1, 9 * S)]
        {
            let (ends, returns) = plan(conns, rate, grace);
            assert!(returns[0] >= *ends.last().unwrap() + S, "{conns} {rate}");
            assert!(returns.is_sorted());
            let rate = rate as usize;
            assert!(returns.windows(rate + 1).all(|some| some[0] + S <= some[rate]), "{conns} {rate}");
        }
    }

    #[test]
    fn no_client_waits_for_more_than_five_minutes() {
        for (conns, rate) in [(400_000, 1000), (10_000, 1), (10_000, 0)] {
            for grace in [Duration::ZERO, 10 * S, Duration::MAX] {
                let after = |turn: Turn| turn.end.after().unwrap();
                let longest = Restart::new(conns, rate, grace).turns().map(after).max().unwrap();
                assert!(longest <= LONGEST && longest > LONGEST - S, "{conns} {rate} {grace:?}: {longest:?}");
            }
        }
        assert!(Restart::new(usize::MAX, 0, Duration::MAX).turns().next().is_some());
        assert_eq!(Restart::new(0, 1000, S).turns().count(), 0);
    }

    fn recall(conns: usize, rate: u32, within: Duration) -> (Vec<Duration>, Vec<Duration>) {
        let turn = |turn: Turn| (turn.at, turn.at + turn.end.after().expect("told when"));
        Restart::recall(conns, rate, within).turns().map(turn).unzip()
    }

    #[test]
    fn recalled_clients_are_closed_evenly_and_come_back_at_once_where_the_rate_allows_it() {
        let (ends, returns) = recall(600, 1000, 60 * S);
        assert!(ends.windows(2).all(|pair| pair[1] - pair[0] == S / 10), "{ends:?}");
        assert_eq!(ends, returns);
        assert_eq!(recall(1, 1000, 60 * S), (vec![Duration::ZERO], vec![Duration::ZERO]));
        assert_eq!(recall(0, 1000, S).0, []);
    }

    #[test]
    fn recalled_clients_stay_below_the_rate_however_short_the_time() {
        for (conns, rate, within) in [(10_000, 1000, Duration::ZERO), (10_000, 1000, 5 * S), (200, 1, 9 * S)] {
            let (ends, returns) = recall(conns, rate, within);
            assert!(ends.is_sorted() && returns.is_sorted() && *ends.last().unwrap() <= within);
            let rate = rate as usize;
            assert!(returns.windows(rate + 1).all(|some| some[0] + S <= some[rate]), "{conns} {rate}");
        }
    }

    #[test]
    fn no_recalled_client_waits_for_more_than_five_minutes_after_its_end() {
        for (conns, rate) in [(400_000, 1000), (10_000, 0), (1, 1)] {
            for within in [Duration::ZERO, 10 * S, Duration::MAX] {
                let after = |turn: Turn| turn.end.after().unwrap();
                assert!(Restart::recall(conns, rate, within).turns().all(|turn| after(turn) <= LONGEST));
            }
        }
    }
}
