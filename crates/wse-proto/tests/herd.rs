//! Ten thousand clients of one server that goes away and comes back, or that cannot decide about them for a
//! while, in virtual time: how often they try, how many come at once, when they are back. Plans, turns and
//! waits are those of the library; only the network and the server's capacity are made up here. Nothing in
//! here decides when a client comes.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::{Duration, Instant},
};
use wse_proto::{Backoff, Closed, Hint, Later, Limits, Reason, Restart};

const CLIENTS: usize = 10_000;
const S: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(10);
const SEEDS: u64 = 10;

/// The time that the capacity needs for all clients.
const IDEAL: Duration = Duration::from_secs(10);

/// Bits by a seed (splitmix64).
struct Bits(u64);

impl Bits {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 32) as u32
    }

    /// One way through the network: 5 to 120 ms.
    fn way(&mut self) -> Duration {
        Duration::from_micros(u64::from(5000 + self.next() % 115_000))
    }
}

/// A server that bears so many handshakes in any one second and refuses what is more with 503, and
/// that lets nobody in before a certain time.
struct Host {
    up: Duration,
    before: Before,
    rate: usize,
    /// When it has taken handshakes within the last second.
    taken: VecDeque<Duration>,
}

/// What a client meets before the server lets anybody in.
enum Before {
    /// No process listens.
    Nobody,
    /// identify fails, and the server says when to come back.
    Later(Later, Instant),
    /// identify fails, and the server says no time, as a server of an older version does.
    LaterWithoutTime,
}

impl Host {
    /// Lets a client in, or says what the refusal tells it.
    fn knock(&mut self, now: Duration) -> Result<(), Hint> {
        if now < self.up && matches!(self.before, Before::Nobody) {
            return Err(Hint::Nothing);
        }
        while self.taken.front().is_some_and(|&then| then + S <= now) {
            self.taken.pop_front();
        }
        if self.taken.len() >= self.rate {
            return Err(Hint::retry_after("1").map_or(Hint::Nothing, Hint::Floor));
        }
        self.taken.push_back(now);
        match &mut self.before {
            _ if now >= self.up => Ok(()),
            Before::Later(later, start) => Err(Hint::from(&Closed::later_after(later.turn(*start + now)))),
            Before::Nobody | Before::LaterWithoutTime => Err(Hint::from(&Closed::later())),
        }
    }
}

/// What came of it.
#[derive(Debug)]
struct Outcome {
    /// Attempts of a client on average.
    attempts: f64,
    /// The most attempts that reached the server within a second, refused ones too.
    peak: usize,
    /// When 99 % of the clients were back, and all.
    most: Duration,
    all: Duration,
}

/// Runs one herd. Of each client, when its connection ends at the server and how that reads to it.
fn herd(ends: impl Iterator<Item = (Duration, Closed)>, up: Duration, before: Before, seed: u64) -> Outcome {
    let mut bits = Bits(seed);
    let backoff = Backoff::default();
    let rate = Limits::default().returns_per_second as usize;
    let mut host = Host { up, before, rate, taken: VecDeque::new() };
    // When an attempt reaches the server, and how many have failed before it.
    let mut knocks = BinaryHeap::new();
    for (at, closed) in ends {
        let wait = Hint::from(&closed).wait(&backoff, 0, bits.next());
        knocks.push(Reverse((at + bits.way() + wait + bits.way(), 0)));
    }
    let (clients, mut times, mut back) = (knocks.len(), Vec::new(), Vec::new());
    while let Some(Reverse((now, failed))) = knocks.pop() {
        times.push(now);
        match host.knock(now) {
            Ok(()) => back.push(now + bits.way()),
            Err(hint) => {
                let wait = hint.wait(&backoff, failed + 1, bits.next());
                knocks.push(Reverse((now + bits.way() + wait + bits.way(), failed + 1)));
            }
        }
    }
    back.sort();
    let attempts = times.len() as f64 / clients as f64;
    times.retain(|now| *now >= up);
    let first_after = |now: &Duration| times.partition_point(|time| *time < *now + S);
    let peak = times.iter().enumerate().map(|(place, now)| first_after(now) - place).max();
    Outcome { attempts, peak: peak.expect("a client came"), most: back[clients * 99 / 100], all: back[clients - 1] }
}

/// The ends that a shutdown plans.
fn planned() -> impl Iterator<Item = (Duration, Closed)> {
    let rate = Limits::default().returns_per_second;
    Restart::new(CLIENTS, rate, GRACE).turns().map(|turn| (turn.at, turn.end))
}

/// When the last of them is over: the answer to its close frame has come.
fn down() -> Duration {
    planned().last().expect("ten thousand").0 + Duration::from_millis(240)
}

/// The same end for all clients, at once.
fn at_once(closed: &Closed) -> impl Iterator<Item = (Duration, Closed)> {
    std::iter::repeat_n((Duration::ZERO, closed.clone()), CLIENTS)
}

/// The worst of all seeds.
fn worst(run: impl Fn(u64) -> Outcome) -> Outcome {
    let runs = (0..SEEDS).map(run);
    let worst = runs.reduce(|one, other| Outcome {
        attempts: one.attempts.max(other.attempts),
        peak: one.peak.max(other.peak),
        most: one.most.max(other.most),
        all: one.all.max(other.all),
    });
    worst.expect("a seed")
}

#[test]
fn after_a_restart_every_client_comes_back_once_and_no_more_at_a_time_than_the_server_can_take() {
    let outcome = worst(|seed| herd(planned(), down(), Before::Nobody, seed));
    assert_eq!(outcome.attempts, 1.0);
    assert!(outcome.peak <= 1000, "{outcome:?}");
    assert!(outcome.most <= IDEAL.mul_f64(1.3), "{outcome:?}");
}

#[test]
fn a_new_process_that_needs_a_second_to_come_up_costs_few_a_second_attempt() {
    let outcome = worst(|seed| herd(planned(), down() + S, Before::Nobody, seed));
    assert!(outcome.attempts <= 1.2, "{outcome:?}");
    assert!(outcome.peak <= 1000, "{outcome:?}");
    assert!(outcome.most <= IDEAL.mul_f64(1.3), "{outcome:?}");
}

#[test]
fn after_a_crash_backoff_and_retry_after_bring_every_client_back_but_later_and_by_force() {
    let lost = Closed::broken(Reason::default());
    for (outage, attempts, peak) in [(Duration::ZERO, 3.5, CLIENTS), (S, 4.2, 8000)] {
        let outcome = worst(|seed| herd(at_once(&lost), outage, Before::Nobody, seed));
        assert!(outcome.attempts <= attempts, "{outcome:?}");
        assert!(outcome.peak <= peak, "{outcome:?}");
        assert!(outcome.most <= 2 * IDEAL && outcome.all <= 3 * IDEAL, "{outcome:?}");
    }
}

/// For so long identify fails.
const FAILS: Duration = Duration::from_secs(20);

fn turns() -> Before {
    Before::Later(Later::new(Limits::default().returns_per_second), Instant::now())
}

#[test]
fn after_identify_has_failed_for_20_s_all_are_back_within_one_and_a_half_times_the_ideal() {
    // The ideal: from the first moment on clients come back at the rate that the server can take.
    let ideal = FAILS + IDEAL;
    let lost = Closed::broken(Reason::default());
    // The connections were lost all at once, by a crash, or as a shutdown plans it; or the server is one of
    // an older version, which says no time.
    for outcome in [
        worst(|seed| herd(at_once(&lost), FAILS, turns(), seed)),
        worst(|seed| herd(planned(), FAILS, turns(), seed)),
        worst(|seed| herd(at_once(&lost), FAILS, Before::LaterWithoutTime, seed)),
    ] {
        assert!(outcome.all <= ideal.mul_f64(1.5), "{outcome:?}");
        assert!(outcome.attempts <= 8.0 && outcome.peak <= 2000, "{outcome:?}");
    }
}

#[test]
fn few_clients_are_back_a_second_after_identify_works_again_and_by_their_backoff_only_after_20() {
    let lost = Closed::broken(Reason::default());
    let run = |before: fn() -> Before| worst(|seed| herd(at_once(&lost).take(500), FAILS, before(), seed));
    let told = run(turns);
    assert!(told.all <= FAILS + 2 * S, "{told:?}");
    assert!(told.peak <= 1000, "{told:?}");
    let untold = run(|| Before::LaterWithoutTime);
    assert!(untold.all > FAILS + 10 * S && untold.all <= FAILS + 21 * S, "{untold:?}");
}
