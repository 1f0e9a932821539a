//! Three servers in processes of their own over a real engine, under load, while engine and servers are killed and
//! stopped: every message is accounted for, and every call ends in time.

mod half_open;
mod load;
mod outside;
mod storm;

use storm::storm;
use wse_test_peers::bus::{built, nats, redis};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_in_silence_over_nats() {
    let mut servers = nats(&built("nats-server").display().to_string(), 1, &[]);
    let url = format!("nats://127.0.0.1:{}", servers.ports[0]);
    storm(&url, &mut servers.servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_in_silence_over_redis() {
    let mut servers = redis("/usr/bin/redis-server", 1, &[]);
    let url = format!("redis://127.0.0.1:{}", servers.ports[0]);
    storm(&url, &mut servers.servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_in_silence_over_a_redis_cluster() {
    let mut servers = redis("/usr/bin/redis-server", 3, &[]);
    let addresses: Vec<String> = servers.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let url = format!("redis-cluster://{}", addresses.join(","));
    storm(&url, &mut servers.servers).await;
}
