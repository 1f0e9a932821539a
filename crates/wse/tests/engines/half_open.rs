//! A server whose connection to the engine dies without a word.

use crate::storm::{becomes, count};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use wse_test::Proxy;
use wse_test_peers::{
    bus::{built, nats},
    programs::Testbed,
};

/// The server notices by its own beat and connects again, before the other one takes it for dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_link_over_nats_is_replaced_before_anybody_is_buried() {
    let servers = nats(&built("nats-server").display().to_string(), 1, &[]);
    let engine = ("127.0.0.1", servers.ports[0]);
    let proxy = Proxy::new(engine).await.expect("a port");
    let near = Testbed::start(&["--cluster", &format!("nats://{}:{}", engine.0, engine.1)]).await;
    let far = Testbed::start(&["--cluster", &format!("nats://{}", proxy.addr())]).await;
    let (ann, _at_ann) = near.enter("user-ann", json!({})).await;
    let (bob, _at_bob) = far.enter("user-bob", json!({})).await;
    let moment = Duration::from_secs(10);
    becomes(&ann, "two nodes", moment, |told| count(told) == 2).await;
    becomes(&bob, "two nodes", moment, |told| count(told) == 2).await;
    proxy.device(1).faults().blackhole();
    let dead = Instant::now();
    timeout(moment, proxy.until(|counts| counts.connections == 2)).await.expect("it connects again");
    assert!(dead.elapsed() > Duration::from_secs(2), "the connection was closed, not dead");
    becomes(&bob, "connected", moment, |told| told["connected"] == true).await;
    let told = |lines: &[Value]| -> Vec<String> {
        lines.iter().filter_map(|line| Some(line["what"].as_str()?.to_owned())).collect()
    };
    assert_eq!(told(&near.terminate().await), ["back", "up"], "the other one has noticed nothing");
    let far = told(&far.terminate().await);
    assert_eq!(far.iter().filter(|what| *what == "deaf").count(), 1, "{far:?}");
}
