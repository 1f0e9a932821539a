//! A good client beside a flood: how long its round trips take, and what the process holds meanwhile.

use super::memory::Growth;
use crate::{raw::RawClient, servers::enter};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::{
    runtime,
    task::{JoinHandle, spawn_blocking},
};
use wse::Server;

/// Times that never count as too slow, since the machine itself may cause them: for the median of the
/// round trips, and for 99 % of them.
const FLOOR: Trips = Trips { half: Duration::from_millis(5), most: Duration::from_millis(50) };

/// How often to measure: other programs on this machine may spoil a round or two, and a flood that starves
/// others spoils all.
const ROUNDS: usize = 6;

/// How long round trips take that begin at any moment. A slow one counts for all that would have begun
/// meanwhile: one of a second counts for a thousand calls of a millisecond.
#[derive(Clone, Copy, Debug)]
struct Trips {
    half: Duration,
    /// 99 % of them.
    most: Duration,
}

/// Round trips by their length. It does not grow with their number, since the memory of the process is
/// measured at the same time.
struct Histogram(Vec<Bucket>);

/// Round trips that differ by at most 3 %.
#[derive(Clone, Copy, Default)]
struct Bucket {
    /// All of them together.
    sum: Duration,
    longest: Duration,
}

/// Buckets for each power of two of nanoseconds.
const STEPS: u32 = 32;

impl Histogram {
    fn new() -> Self {
        Self(vec![Bucket::default(); (u64::BITS * STEPS) as usize])
    }

    fn add(&mut self, trip: Duration) {
        let nanos = u64::try_from(trip.as_nanos()).unwrap_or(u64::MAX).max(1);
        let power = nanos.ilog2();
        let step = ((u128::from(nanos) * u128::from(STEPS)) >> power) as u32 - STEPS;
        let bucket = &mut self.0[(power * STEPS + step) as usize];
        bucket.sum += trip;
        bucket.longest = bucket.longest.max(trip);
    }

    fn trips(&self) -> Trips {
        let whole: Duration = self.0.iter().map(|bucket| bucket.sum).sum();
        let within = |part: f64| {
            let mut left = whole.mul_f64(part);
            let last = self.0.iter().find(|bucket| left.checked_sub(bucket.sum).map(|rest| left = rest).is_none());
            last.map_or(whole, |bucket| bucket.longest)
        };
        Trips { half: within(0.5), most: within(0.99) }
    }
}

/// Round trips are judged when they take at least this long together.
const AT_LEAST: Duration = Duration::from_millis(50);

/// Without a flood they are measured for as long as with it, but no longer than this.
const AS_LONG_AT_MOST: Duration = Duration::from_secs(3);

/// Runs a flood beside a good client: the process never holds more than `most` bytes beyond what it
/// held before, and the client's round trips take at most twice as long as without the flood.
pub async fn harmless(server: &Server, most: usize, attack: impl AsyncFn()) {
    let mut peer = enter(server, "the good one").await;
    // The first backtrace reads the symbols of the whole program. It must not happen while memory is
    // measured.
    drop(std::backtrace::Backtrace::capture().to_string());
    let growth = Growth::begin();
    let enough = Arc::new(AtomicBool::new(true));
    let mut calm;
    (peer, calm) = good_client(peer, enough.clone()).await;
    let mut during = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        enough.store(false, SeqCst);
        let good_client_calls = tokio::spawn(good_client(peer, enough.clone()));
        attack().await;
        enough.store(true, SeqCst);
        let trips;
        (peer, trips) = good_client_calls.await.expect("the good client is served");
        println!("{} KiB; {trips:?}, {calm:?} before", growth.most() >> 10);
        during.push(trips);
        assert!(growth.most() <= most, "{} KiB more than before, {} expected", growth.most() >> 10, most >> 10);
        if trips.half <= FLOOR.half.max(calm.half * 2) && trips.most <= FLOOR.most.max(calm.most * 2) {
            return;
        }
        // If the machine is busy, the round trips beside honest work are as slow as those beside the
        // flood. As many are measured as before, since a few may have no slow one among them.
        let work: Vec<_> = (0..4).map(|_| tokio::spawn(honest_work())).collect();
        enough.store(false, SeqCst);
        let good_client_calls = tokio::spawn(good_client(peer, enough.clone()));
        tokio::time::sleep(start.elapsed().min(AS_LONG_AT_MOST)).await;
        enough.store(true, SeqCst);
        (peer, calm) = good_client_calls.await.expect("the good client is served");
        work.iter().for_each(JoinHandle::abort);
    }
    panic!("{during:?} with the flood, {calm:?} without");
}

/// Takes all the time that it is given, in small pieces.
async fn honest_work() {
    loop {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(200) {
            std::hint::spin_loop();
        }
        tokio::task::yield_now().await;
    }
}

/// A client on a thread of its own, calling until it is enough.
async fn good_client(mut peer: RawClient, enough: Arc<AtomicBool>) -> (RawClient, Trips) {
    let calling = spawn_blocking(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let mut trips = Histogram::new();
            let begin = Instant::now();
            while begin.elapsed() < AT_LEAST || !enough.load(SeqCst) {
                let start = Instant::now();
                assert_eq!(peer.call("echo", json!("hello")).await, json!(["~wse:response", "hello"]));
                trips.add(start.elapsed());
            }
            (peer, trips.trips())
        })
    });
    calling.await.expect("the good client is served")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_round_trip_counts_for_all_that_would_have_begun_meanwhile() {
        let mut trips = Histogram::new();
        for _ in 0..100 {
            trips.add(Duration::from_millis(1));
        }
        let Trips { half, most } = trips.trips();
        assert_eq!((half, most), (Duration::from_millis(1), Duration::from_millis(1)));
        trips.add(Duration::from_millis(98));
        let Trips { half, most } = trips.trips();
        assert_eq!((half, most), (Duration::from_millis(1), Duration::from_millis(98)));
        trips.add(Duration::from_secs(1));
        assert_eq!(trips.trips().half, Duration::from_secs(1));
    }
}
