//! The faults by bytes, in memory: what a network does to two streams, to the millisecond.

use crate::faults;
use crate::rig::{Memory, Rig, exactly, is_silent, memory, pattern, read, rest, write};
use std::time::Duration;
use tokio::{
    io::{AsyncWriteExt, DuplexStream},
    time::Instant,
};
use wse_test::{Counts, Cut, Faults};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn without_a_fault_every_byte_and_the_end_pass() {
    faults::without_a_fault_every_byte_and_the_end_pass(memory()).await;
}

#[tokio::test(start_paused = true)]
async fn a_cut_lets_exactly_so_many_bytes_pass_and_both_see_it() {
    for cut in [Cut::Reset, Cut::Fin] {
        faults::a_cut_lets_exactly_so_many_bytes_pass_and_both_see_it(memory(), cut, 100).await;
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_connection_that_was_meant_is_cut() {
    faults::only_the_connection_that_was_meant_is_cut(memory()).await;
}

#[tokio::test(start_paused = true)]
async fn a_cut_now_ends_what_is_there_and_nothing_that_comes() {
    faults::a_cut_now_ends_what_is_there_and_nothing_that_comes(memory()).await;
}

#[tokio::test(start_paused = true)]
async fn in_a_blackhole_bytes_vanish_and_nobody_is_told() {
    faults::in_a_blackhole_bytes_vanish_and_nobody_is_told(memory()).await;
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_over_for_one_end_only() {
    faults::a_half_open_connection_is_over_for_one_end_only(memory()).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_does_not_get_in() {
    faults::who_is_refused_does_not_get_in(memory()).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_held_goes_on_where_it_was() {
    faults::what_is_held_goes_on_where_it_was(memory()).await;
}

#[tokio::test(start_paused = true)]
async fn split_loses_and_mixes_nothing() {
    faults::split_loses_and_mixes_nothing(memory()).await;
}

/// Sender and receiver of each way, and the faults of that way alone.
async fn both_ways(rig: &mut Memory) -> [(DuplexStream, DuplexStream, Faults); 2] {
    let (client, server) = rig.dial().await.expect("a connection");
    let up = (client, server, rig.faults().nth(rig.counts().connections).to_server());
    let (client, server) = rig.dial().await.expect("a connection");
    [up, (server, client, rig.faults().nth(rig.counts().connections).to_client())]
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_awake_gets_every_piece_by_itself() {
    let mut rig = memory();
    for (mut from, mut to, way) in both_ways(&mut rig).await {
        way.split(3);
        write(&mut from, b"1234567890").await;
        for piece in ["123", "456", "789", "0"] {
            assert_eq!(read(&mut to).await.unwrap(), piece.as_bytes());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn latency_delays_each_byte_and_the_end_by_the_same() {
    let mut rig = memory();
    for (mut from, mut to, way) in both_ways(&mut rig).await {
        way.latency(3 * SECOND);
        let start = Instant::now();
        write(&mut from, b"one").await;
        tokio::time::sleep(SECOND).await;
        write(&mut from, b"two").await;
        tokio::time::sleep(SECOND).await;
        drop(from);
        let mut seen = Vec::new();
        for _ in 0..3 {
            let bytes = read(&mut to).await.unwrap();
            seen.push((start.elapsed().as_millis(), String::from_utf8(bytes).unwrap()));
        }
        assert_eq!(seen, [(3000, "one".to_owned()), (4000, "two".to_owned()), (5000, String::new())]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_latency_that_changes_keeps_the_order() {
    let mut rig = memory();
    for (mut from, mut to, way) in both_ways(&mut rig).await {
        way.latency(60 * SECOND);
        let start = Instant::now();
        write(&mut from, b"slow ").await;
        assert!(is_silent(&mut to).await);
        way.latency(SECOND);
        write(&mut from, b"fast ").await;
        assert_eq!(exactly(&mut to, 10).await, b"slow fast ");
        assert_eq!(start.elapsed().as_secs(), 1);
        way.latency(60 * SECOND);
        write(&mut from, b"freed").await;
        assert!(is_silent(&mut to).await);
        way.heal();
        assert_eq!(exactly(&mut to, 5).await, b"freed");
        assert_eq!(start.elapsed().as_secs(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn bandwidth_takes_exactly_its_time_and_spreads_the_bytes() {
    let mut rig = memory();
    for (mut from, mut to, way) in both_ways(&mut rig).await {
        way.bandwidth(1000);
        let start = Instant::now();
        write(&mut from, &pattern(5000)).await;
        assert_eq!(exactly(&mut to, 1000).await, pattern(1000));
        assert_eq!(start.elapsed().as_millis(), 1000);
        assert_eq!(read(&mut to).await.unwrap().len(), 10, "a hundredth of a second");
        exactly(&mut to, 3990).await;
        assert_eq!(start.elapsed().as_millis(), 5000);
        way.bandwidth(1);
        write(&mut from, b"abc").await;
        assert_eq!(exactly(&mut to, 3).await, b"abc");
        assert_eq!(start.elapsed().as_millis(), 8000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_loses_what_is_under_way_and_says_how_much() {
    let mut rig = memory();
    for (mut from, mut to, way) in both_ways(&mut rig).await {
        way.latency(SECOND);
        let before = rig.counts();
        write(&mut from, b"never seen").await;
        tokio::time::sleep(SECOND / 2).await;
        way.cut();
        assert_eq!((rest(&mut to).await.0, rest(&mut from).await.0), (vec![], vec![]));
        assert_eq!(rig.until(|counts| counts.live < before.live).await.vanished - before.vanished, 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_ends_also_what_is_full_to_the_brim() {
    for cut in [Cut::Reset, Cut::ClientOnly, Cut::ServerOnly] {
        let mut rig = memory();
        rig.faults().bandwidth(0).cut_as(cut);
        let (mut client, mut server) = rig.dial().await.unwrap();
        assert_eq!((flood(&mut client).await, flood(&mut server).await), (80 << 10, 80 << 10));
        rig.faults().cut();
        tokio::time::sleep(SECOND).await;
        // What waited in the pipe of an end that was not told has vanished as well.
        let untold = if cut == Cut::Reset { 0 } else { 16 };
        assert_eq!(rig.counts().vanished, (64 + 64 + untold) << 10);
        drop((client, server));
        rig.until(|counts| counts.live == 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_faults_of_all_reach_those_that_are_there_and_those_to_come() {
    let mut rig = memory();
    let (mut early, mut early_server) = rig.dial().await.unwrap();
    rig.faults().nth(3).latency(5 * SECOND);
    rig.faults().to_server().latency(SECOND);
    let (mut late, mut late_server) = rig.dial().await.unwrap();
    let (mut other, mut other_server) = rig.dial().await.unwrap();
    assert_eq!(seconds(&mut early, &mut early_server).await, 1);
    assert_eq!(seconds(&mut late, &mut late_server).await, 1);
    assert_eq!(seconds(&mut late_server, &mut late).await, 0);
    assert_eq!(seconds(&mut other, &mut other_server).await, 1, "the last word wins");
    assert_eq!(seconds(&mut other_server, &mut other).await, 5);
}

/// How long a byte takes.
async fn seconds(from: &mut DuplexStream, to: &mut DuplexStream) -> u64 {
    let start = Instant::now();
    write(from, b"x").await;
    exactly(to, 1).await;
    start.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_nobody_reads_from_has_to_wait() {
    let mut rig = memory();
    for (mut from, mut to, way) in both_ways(&mut rig).await {
        // Nothing is delivered: what is in flight, and the sender's pipe. Then what is delivered is not read.
        way.bandwidth(0);
        assert_eq!(flood(&mut from).await, (64 + 16) << 10);
        way.heal();
        assert_eq!(flood(&mut from).await, 16 << 10);
        exactly(&mut to, 1000).await;
        assert_eq!(flood(&mut from).await, 1000);
    }
}

/// How many bytes are taken until the sender has to wait.
async fn flood(io: &mut DuplexStream) -> usize {
    let mut taken = 0;
    while let Ok(written) = tokio::time::timeout(SECOND, io.write(&[0; 512])).await {
        taken += written.expect("it is open");
        assert!(taken < 1 << 20, "nothing bounds it");
    }
    taken
}

#[tokio::test(start_paused = true)]
async fn everything_ends_with_the_network() {
    let mut rig = memory();
    let (mut client, mut server) = rig.dial().await.unwrap();
    let (mut blind, mut deaf) = rig.dial().await.unwrap();
    rig.faults().nth(2).blackhole();
    let faults = rig.faults();
    let another = rig.net.client();
    drop(rig);
    for end in [&mut client, &mut server, &mut blind, &mut deaf] {
        assert_eq!(rest(end).await.0, b"");
    }
    faults.heal().cut(); // a handle to nothing does nothing
    let error = another.connect().await.unwrap_err();
    assert!(matches!(error, wse::ConnectError::Unreachable(_)), "{error}");
}

/// A conversation under every fault that lets bytes pass, as a list of what was read when.
async fn trace() -> (Vec<(Duration, usize)>, Counts) {
    let mut rig = memory();
    rig.faults().latency(Duration::from_millis(7)).bandwidth(12_345).to_client().split(11);
    rig.faults().to_client().cut_after(999);
    let start = Instant::now();
    let (mut client, mut server) = rig.dial().await.expect("a connection");
    let echo = async {
        loop {
            match read(&mut server).await {
                Ok(bytes) if !bytes.is_empty() && server.write_all(&bytes).await.is_ok() => {}
                _ => return,
            }
        }
    };
    let listen = async {
        let mut seen = Vec::new();
        client.write_all(&pattern(2000)).await.expect("it is open");
        loop {
            let bytes = read(&mut client).await.expect("it is open");
            seen.push((start.elapsed(), bytes.len()));
            if bytes.is_empty() {
                return seen;
            }
        }
    };
    let ((), seen) = tokio::join!(echo, listen);
    (seen, rig.until(|counts| counts.live == 0).await)
}

#[tokio::test(start_paused = true)]
async fn every_run_is_the_same() {
    let first = trace().await;
    assert_eq!(first.0.iter().map(|(_, length)| length).sum::<usize>(), 999);
    assert!(first.0.len() > 80, "{first:?}");
    for _ in 0..20 {
        assert_eq!(trace().await, first);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_many_threads_no_change_of_faults_loses_or_mixes_a_byte() {
    let mut rig = memory();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..16 {
        let (client, server) = rig.dial().await.unwrap();
        let (mut from, mut to) = if number % 2 == 0 { (client, server) } else { (server, client) };
        tasks.spawn(async move { write(&mut from, &pattern(1 << 20)).await });
        tasks.spawn(async move { assert!(rest(&mut to).await == (pattern(1 << 20), false)) });
    }
    let faults = rig.faults();
    for (number, fault) in (1..=16).cycle().zip((0..5).cycle()).take(500) {
        let one = faults.nth(number);
        _ = match fault {
            0 => one.latency(Duration::from_millis(1)),
            1 => one.bandwidth(0),
            2 => one.to_client().split(1000),
            3 => faults.bandwidth(50 << 20),
            _ => faults.heal(),
        };
        tokio::task::yield_now().await;
    }
    faults.heal();
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(rig.until(|counts| counts.live == 0).await.vanished, 0);
}
