//! Sessions that have moved, while the servers do not reach one another for a while.

use crate::cluster::{S, handlers, meet};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::sleep;
use wse::{Event, Limits, Server, cluster::ClusterEvent};
use wse_test::Bus;
use wse_test_peers::{begin, enter, resent, resume, server};

type Gaps = Arc<Mutex<Vec<ClusterEvent>>>;

/// A server, and what it tells of messages that were given up.
fn node(bus: &Bus, name: &str) -> (Server, Gaps) {
    let gaps = Gaps::default();
    let told = gaps.clone();
    let when = async move |event| {
        if let Event::Cluster(gap @ ClusterEvent::Gap { .. }) = event {
            told.lock().unwrap().push(gap);
        }
    };
    let limits = Limits { ping_interval: Duration::ZERO, ..Limits::default() };
    (server(|builder| handlers(builder.cluster(bus.node(name)).when(when).limits(limits))), gaps)
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_is_told_after_an_outage_and_what_its_old_server_could_not_send_as_a_gap() {
    let bus = Bus::new();
    let [(a, gaps), (b, _)] = ["a", "b"].map(|name| node(&bus, name));
    meet([&a, &b].into_iter()).await;
    let _bob = enter(&a, "bob").await;
    let (peer, granted) = begin(&a, "ann", json!({})).await;
    let conn = a.user("ann").conns().remove(0);
    drop(peer);
    let (mut peer, _) = resume(&b, "ann", &granted["session"], 0).await;
    resent(&mut peer).await;
    conn.send("before", 1).unwrap();
    assert_eq!(peer.json().await, json!(["before", 1, null]));
    sleep(15 * S).await;

    bus.down();
    sleep(S).await;
    // Both links give up what waits too long, and take nothing more.
    conn.send("meanwhile", 2).unwrap();
    peer.say("echo", json!(1)).await;
    assert_eq!(b.user("bob").send("news", 1).unwrap().elsewhere, 1);
    sleep(20 * S).await;
    gaps.lock().unwrap().clear();
    conn.send("refused", 3).unwrap();
    conn.send("refused", 4).unwrap();
    sleep(2 * S).await;
    let to = b.cluster().expect("it is a node").node();
    assert_eq!(*gaps.lock().unwrap(), [ClusterEvent::Gap { to, sends: 2 }]);

    assert_eq!(b.user("bob").send("news", 2).unwrap().elsewhere, 0, "its link takes nothing");
    peer.close(1000, "").await;
    sleep(S).await;
    assert_eq!((b.user("ann").conn_count(), conn.is_open()), (0, true), "nobody has told it");
    bus.up();
    sleep(15 * S).await;
    assert!(!conn.is_open());
}
