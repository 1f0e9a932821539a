//! The turns of clients that are told to come back later: each gets a time, so that they do not come back
//! all at once. It tells no client itself.

use crate::closing::{
    restart::{PAUSE, SHARE},
    wait::LONGEST,
};
use std::time::{Duration, Instant};

/// Hands out turns to clients about whom the application could not decide, so that their returns stay a
/// tenth below the rate of handshakes that the server can take.
///
/// The first turn comes after a second, each further one a little later. No turn comes after more than
/// 5 minutes: when so many clients wait that these are full, the turns begin anew after a second,
/// between those that were handed out before, and the returns come faster than the rate.
///
/// ```
/// use std::time::{Duration, Instant};
/// use wse_proto::Later;
///
/// let (mut later, now) = (Later::new(1000), Instant::now());
/// assert_eq!(later.turn(now), Duration::from_secs(1));
/// let turns: Vec<_> = (0..900).map(|_| later.turn(now)).collect();
/// assert_eq!(turns[899].as_millis(), 1999); // 900 in a second
/// assert_eq!(later.turn(now + Duration::from_secs(60)), Duration::from_secs(1));
/// ```
#[derive(Clone, Debug)]
pub struct Later {
    /// From one turn to the next.
    gap: Duration,
    /// The earliest turn that is free; `None` before the first was handed out.
    free: Option<Instant>,
}

impl Later {
    /// Turns for a server that can take so many handshakes in a second. A rate of 0 counts as 1.
    pub fn new(returns_per_second: u32) -> Self {
        Self { gap: Duration::from_secs_f64(1.0 / (f64::from(returns_per_second.max(1)) * SHARE)), free: None }
    }

    /// The time from now to the next turn, which is taken with it.
    pub fn turn(&mut self, now: Instant) -> Duration {
        let waited = self.free.map_or(PAUSE, |free| free.saturating_duration_since(now).max(PAUSE));
        let turn = if waited > LONGEST { PAUSE } else { waited };
        self.free = now.checked_add(turn + self.gap);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn turns_begin_after_a_second_and_stay_a_tenth_below_the_rate() {
        for rate in [1, 7, 1000] {
            let (mut later, start) = (Later::new(rate), Instant::now());
            // Clients come at once, then one by one, while the turns of the first still last.
            let turns: Vec<Duration> = (0..2 * u64::from(rate) + 10)
                .map(|place| {
                    let past = Duration::from_millis(if place < 10 { 0 } else { place });
                    past + later.turn(start + past)
                })
                .collect();
            assert_eq!(turns[0], S, "{rate}");
            assert!(turns.is_sorted_by(|one, next| one < next), "{rate}");
            let share = (f64::from(rate) * 0.9).ceil() as usize;
            assert!(turns.windows(share + 1).all(|some| some[0] + S <= some[share] + S / 1000), "{rate}");
        }
    }

    #[test]
    fn turns_that_nobody_took_are_not_made_up_for() {
        let (mut later, start) = (Later::new(1000), Instant::now());
        for _ in 0..5000 {
            let _ = later.turn(start);
        }
        assert_eq!(later.turn(start + 100 * S), S);
        assert!(later.turn(start + 100 * S) > S);
    }

    #[test]
    fn no_turn_comes_after_more_than_five_minutes_however_many_wait() {
        for rate in [0, 1, 1000] {
            let (mut later, now) = (Later::new(rate), Instant::now());
            let turns: Vec<Duration> = (0..600_000).map(|_| later.turn(now)).collect();
            assert!(turns.iter().all(|turn| (S..=LONGEST).contains(turn)), "{rate}");
            let longest = turns.iter().max().expect("many");
            assert!(*longest > LONGEST - 2 * S, "{rate}: {longest:?}");
            // Full, they begin anew: no moment gets more than two layers more than another.
            let layers = turns.iter().filter(|turn| **turn == S).count();
            let in_one_second = |from: Duration| turns.iter().filter(|turn| (from..from + S).contains(*turn)).count();
            for from in [2, 100, 297] {
                let share = (f64::from(rate.max(1)) * 0.9).ceil() as usize + 1;
                assert!(in_one_second(from * S) <= layers * share, "{rate} {from}");
            }
        }
    }
}
