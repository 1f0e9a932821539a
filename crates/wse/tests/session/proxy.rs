//! Sessions over real sockets, through the fault proxy: cut behind each byte of either way, by both
//! ends and by one, blackholes, latency and a narrow line.

use crate::conversation::{LENGTH, Seen, check, client, server, talk};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinSet};
use wse::{Client, Limits, Protocol};
use wse_test::{Cut, Faults, Proxy};
use wse_test_peers::WAIT;

/// Conversations at the same time.
const AT_ONCE: usize = 16;

/// Finds a dead peer within a second.
fn watchful() -> Limits {
    let (ping_interval, ping_timeout) = (Duration::from_millis(400), Duration::from_millis(400));
    Limits { ping_interval, ping_timeout, connect_timeout: Duration::from_secs(1), ..Limits::default() }
}

/// One conversation with a server of its own, through a proxy of its own.
async fn run(what: String, faults: impl FnOnce(Faults)) {
    let seen = Arc::new(Seen::default());
    let server = server(&seen, watchful(), Protocol::Wse);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let proxy = Proxy::new(listener.local_addr().expect("an address")).await.expect("a port");
    let serving = tokio::spawn({
        let server = server.clone();
        async move { server.serve(listener).await }
    });
    faults(proxy.faults());
    let builder = client(&seen, Client::builder(&proxy.url()), watchful());
    let talked = async {
        let client = talk(&seen, builder, LENGTH).await;
        client.close("").await;
    };
    tokio::time::timeout(WAIT, talked).await.unwrap_or_else(|_| panic!("{what} does not end"));
    server.shutdown(Duration::from_secs(2)).await;
    serving.await.expect("no panic").expect("it served");
    check(&seen, LENGTH, &what);
}

/// Runs for every count of bytes and both ways, some at once.
async fn sweep(name: &str, step: usize, fault: impl Fn(Faults, u64) + Copy + Send + 'static) {
    let mut running = JoinSet::new();
    for to_server in [true, false] {
        for bytes in (0..=512).step_by(step) {
            if running.len() >= AT_ONCE
                && let Some(ended) = running.join_next().await
            {
                ended.expect("nothing was lost");
            }
            let what = format!("{name}, to_server {to_server}, after {bytes}");
            running.spawn(run(what, move |faults| {
                let first = faults.nth(1);
                fault(if to_server { first.to_server() } else { first.to_client() }, bytes);
            }));
        }
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("nothing was lost");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_behind_whatever_byte_a_socket_is_reset() {
    sweep("reset", 1, |way, bytes| _ = way.cut_after(bytes)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_when_one_side_only_sees_the_end() {
    sweep("fin", 17, |way, bytes| _ = way.cut_as(Cut::Fin).cut_after(bytes)).await;
    sweep("half-open to the server", 17, |way, bytes| _ = way.cut_as(Cut::ClientOnly).cut_after(bytes)).await;
    sweep("half-open to the client", 17, |way, bytes| _ = way.cut_as(Cut::ServerOnly).cut_after(bytes)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_when_a_socket_swallows_what_is_sent() {
    sweep("blackhole", 29, |way, bytes| _ = way.blackhole_after(bytes)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_over_a_slow_and_narrow_line_that_is_cut() {
    sweep("slow", 64, |way, bytes| {
        _ = way.latency(Duration::from_millis(15)).bandwidth(20_000).split(7).cut_after(bytes);
    })
    .await;
}
