//! A real client whose connections are cut behind each of their bytes, and lead to another server each time: what both
//! sides said comes once and in order, wherever it is handled.

use crate::{
    cluster::meet,
    conversation::{LENGTH, Seen, check_talk, client, server_with, talk},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use wse::{Limits, Protocol, Server};
use wse_test::{Bus, Cut, Faults, Net};

/// One conversation with a cluster, whose servers take turns. Returns how many connections there were.
async fn run(what: &str, servers: &[&str], bus: Bus, length: u32, faults: impl FnOnce(Faults)) -> u64 {
    let seen = Arc::new(Seen::default());
    let servers: Vec<Server> = servers
        .iter()
        .map(|name| server_with(&seen, Limits::default(), Protocol::Wse, |builder| builder.cluster(bus.node(name))))
        .collect();
    meet(servers.iter()).await;
    let (next, serving) = (Arc::new(AtomicUsize::new(0)), servers.clone());
    let net = Net::serving(async move |stream| {
        let server = &serving[next.fetch_add(1, Ordering::Relaxed) % serving.len()];
        server.serve_stream(stream, None).await;
    });
    faults(net.faults());
    let client = talk(&seen, client(&seen, net.client(), Limits::default()), length).await;
    tokio::time::timeout(Duration::from_secs(60), client.close("")).await.expect("it closes");
    net.faults().heal(); // some cuts are behind the end of the conversation
    check_talk(&seen, length, what);
    // Whoever has a device still was told of its end.
    while servers.iter().any(|server| server.user("ann").conn_count() > 0) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let connections = net.counts().connections;
    for server in &servers {
        server.shutdown(Duration::ZERO).await;
    }
    connections
}

/// The same way of the `nth` connection.
fn way(faults: &Faults, nth: u64, to_server: bool) -> Faults {
    let one = faults.nth(nth);
    if to_server { one.to_server() } else { one.to_client() }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_or_doubled_behind_whatever_byte_a_session_is_cut_and_resumed_at_another_server() {
    let mut resumed = 0;
    for to_server in [true, false] {
        for bytes in 0..=512 {
            let what = format!("cut of the first, to_server {to_server}, after {bytes}");
            let connections =
                run(&what, &["a", "b"], Bus::new(), LENGTH, |faults| _ = way(&faults, 1, to_server).cut_after(bytes));
            resumed += u32::from(connections.await > 1);
        }
    }
    assert!(resumed > 600, "{resumed} cuts were in time");
}

#[tokio::test(start_paused = true)]
async fn nor_behind_whatever_byte_of_the_one_that_resumes_there() {
    for to_server in [true, false] {
        for bytes in (0..=512).step_by(3) {
            let what = format!("cut of the second, to_server {to_server}, after {bytes}");
            run(&what, &["a", "b", "c"], Bus::new(), LENGTH, |faults| {
                way(&faults, 1, false).cut_after(420);
                way(&faults, 2, to_server).cut_after(bytes);
            })
            .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nor_when_only_one_side_sees_the_cut() {
    for cut in [Cut::Fin, Cut::ClientOnly, Cut::ServerOnly] {
        for to_server in [true, false] {
            for bytes in (0..=512).step_by(11) {
                let what = format!("{cut:?}, to_server {to_server}, after {bytes}");
                run(&what, &["a", "b"], Bus::new(), LENGTH, |faults| {
                    way(&faults, 1, to_server).cut_as(cut).cut_after(bytes);
                })
                .await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nor_on_the_fiftieth_move_over_a_bus_that_loses_repeats_and_delays() {
    for seed in 0..4u64 {
        let bus = Bus::seeded(seed);
        bus.faults().latency(Duration::from_millis(seed)).lose(0.05).repeat(0.05).late(0.05, Duration::from_millis(30));
        let connections = run(&format!("seed {seed}"), &["a", "b", "c"], bus, 200, |faults| {
            faults.latency(Duration::from_millis(seed));
            for nth in 1..=70 {
                // A client gives its session up when eight resumes in a row have brought nothing, and what the bus
                // does to a take costs a connection too.
                let more = if nth % 3 == 0 { 150 } else { 0 };
                faults.nth(nth).cut_after(330 + (nth * 37 + seed * 11) % 60 + more);
            }
        })
        .await;
        assert!(connections > 50, "{connections}");
    }
}
