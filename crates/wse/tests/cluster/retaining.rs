//! What rooms retain, over nodes: who joins later gets it wherever that is, and all nodes keep the same.

use crate::nodes::{Node, READY, S, limits, node_with};
use serde_json::{Value, json};
use tokio::time::sleep;
use wse::{Conn, ServerBuilder, room::RetainError};
use wse_test::Bus;
use wse_test_peers::{RawClient, enter, settle};

fn joining(builder: ServerBuilder) -> ServerBuilder {
    builder.limits(limits(9)).on("join", async |conn: Conn, room: String| Ok(conn.join(&room)?)).on(
        "leave",
        async |conn: Conn, room: String| {
            conn.leave(&room);
            Ok(())
        },
    )
}

async fn nodes<const N: usize>(bus: &Bus, names: [&str; N]) -> [Node; N] {
    let nodes = names.map(|name| node_with(bus.node(name), name, joining));
    sleep(READY).await;
    nodes
}

async fn join(node: &Node, name: &str) -> RawClient {
    let mut peer = enter(&node.server, name).await;
    peer.say("join", json!("tea")).await;
    settle().await;
    peer
}

fn retain(node: &Node, name: &str, value: impl Into<Value>) -> (usize, usize) {
    let delivered = node.server.room("tea").retain(name, value.into()).unwrap();
    (delivered.here, delivered.elsewhere)
}

async fn hears(peer: &mut RawClient, expected: &[(&str, Value)]) {
    for (name, value) in expected {
        assert_eq!(peer.json().await, json!([name, value, null]));
    }
    peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn members_of_all_nodes_get_it_and_whoever_joins_later_at_any_of_them() {
    let bus = Bus::new();
    let [a, b, c] = nodes(&bus, ["a", "b", "c"]).await;
    let mut ann = join(&a, "ann").await;
    let mut bob = join(&b, "bob").await;
    assert_eq!(retain(&a, "topic", "Assam"), (1, 1));
    assert_eq!(retain(&c, "host", "eve"), (0, 2), "a node without members keeps nothing itself");
    hears(&mut ann, &[("topic", json!("Assam")), ("host", json!("eve"))]).await;
    hears(&mut bob, &[("topic", json!("Assam")), ("host", json!("eve"))]).await;
    // One at a node that has it, and one at a node that has to ask.
    let mut cid = join(&b, "cid").await;
    hears(&mut cid, &[("topic", json!("Assam")), ("host", json!("eve"))]).await;
    let mut eve = join(&c, "eve").await;
    hears(&mut eve, &[("topic", json!("Assam")), ("host", json!("eve"))]).await;
    // And so it stays when the node that has retained it has no members any more.
    ann.say("leave", json!("tea")).await;
    bob.say("leave", json!("tea")).await;
    settle().await;
    assert_eq!(retain(&b, "topic", "Darjeeling"), (1, 1), "cid and eve");
    hears(&mut eve, &[("topic", json!("Darjeeling"))]).await;
    hears(&mut join(&a, "zoe").await, &[("topic", json!("Darjeeling")), ("host", json!("eve"))]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_at_one_node_is_forgotten_at_all_and_a_room_without_members_keeps_nothing() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"]).await;
    let ann = join(&a, "ann").await;
    let bob = join(&b, "bob").await;
    retain(&a, "topic", 1);
    retain(&a, "host", 2);
    settle().await;
    assert!(b.server.room("tea").forget("topic") && !b.server.room("tea").forget("topic"));
    settle().await;
    hears(&mut join(&a, "eve").await, &[("host", json!(2))]).await;
    settle().await;
    assert_eq!(retain(&a, "topic", 3), (1, 1), "eve has left with her connection");
    settle().await;
    hears(&mut join(&b, "eve").await, &[("host", json!(2)), ("topic", json!(3))]).await;
    ann.leave_room().await;
    bob.leave_room().await;
    sleep(S).await;
    assert_eq!((a.server.room("tea").count(), b.server.room("tea").count()), (0, 0));
    hears(&mut join(&a, "zoe").await, &[]).await;
}

trait LeaveRoom {
    async fn leave_room(self);
}

impl LeaveRoom for RawClient {
    async fn leave_room(mut self) {
        self.say("leave", json!("tea")).await;
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_values_of_two_nodes_all_keep_the_same_whatever_the_bus_does() {
    for seed in 0..20 {
        let bus = Bus::seeded(seed);
        let [a, b, c] = nodes(&bus, ["a", "b", "c"]).await;
        let mut peers = [join(&a, "ann").await, join(&b, "bob").await, join(&c, "eve").await];
        bus.faults().latency(S / 20).lose(0.1).repeat(0.1).late(0.2, S / 5);
        for number in 0..10 {
            retain(&a, "topic", json!(["a", number]));
            retain(&b, "topic", json!(["b", number]));
            sleep(S / 100).await;
            if number == 5 {
                c.server.room("tea").forget("topic");
            }
        }
        sleep(5 * S).await;
        let mut last = Vec::new();
        for peer in &mut peers {
            let mut value = Value::Null;
            while let Ok(frame) = tokio::time::timeout(S / 10, peer.json()).await {
                value = frame[1].clone();
            }
            last.push(value);
        }
        for (node, name) in [(&a, "x"), (&b, "y"), (&c, "z")] {
            let kept = join(node, name).await.json().await[1].clone();
            last.push(kept);
        }
        assert!(last.iter().all(|value| *value == last[0] && !value.is_null()), "{seed}: {last:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_halves_that_meet_again_keep_the_newer_values() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"]).await;
    let mut ann = join(&a, "ann").await;
    let mut bob = join(&b, "bob").await;
    bus.split(["a"], ["b"]);
    sleep(15 * S).await;
    assert_eq!(a.names().len(), 1);
    assert_eq!(retain(&a, "topic", "old"), (1, 0));
    std::thread::sleep(S / 100); // the clock on the wall goes on, which is not paused
    assert_eq!(retain(&b, "topic", "new"), (1, 0));
    retain(&a, "host", "ann");
    bus.heal();
    sleep(10 * S).await;
    hears(&mut ann, &[("topic", json!("old")), ("host", json!("ann")), ("topic", json!("new"))]).await;
    hears(&mut bob, &[("topic", json!("new")), ("host", json!("ann"))]).await;
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_of_the_engine_all_nodes_keep_the_newer_values() {
    for outage in [5, 15, 120] {
        let bus = Bus::new();
        let [a, b] = nodes(&bus, ["a", "b"]).await;
        let _peers = [join(&a, "ann").await, join(&b, "bob").await];
        retain(&a, "topic", "old");
        retain(&b, "host", "old");
        sleep(S).await;
        bus.down();
        sleep(S).await;
        retain(&a, "topic", "early");
        sleep(outage * S).await;
        std::thread::sleep(S / 100); // the clock on the wall goes on, which is not paused
        retain(&a, "topic", "new");
        retain(&b, "host", "new");
        bus.up();
        sleep(20 * S).await;
        assert_eq!((a.names().len(), b.names().len()), (2, 2));
        for (node, name) in [(&a, "x"), (&b, "y")] {
            let mut peer = join(node, name).await;
            let mut values = [peer.json().await, peer.json().await];
            values.sort_by_key(|value| value[0].to_string());
            assert_eq!(json!(values), json!([["host", "new", null], ["topic", "new", null]]), "{outage} s at {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_bounds_of_what_a_room_retains_hold_at_each_node() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"]).await;
    let _ann = join(&a, "ann").await;
    let mut bob = join(&b, "bob").await;
    for number in 0..16 {
        assert_eq!(retain(&a, &format!("n{number}"), number), (1, 1));
    }
    settle().await;
    let more = b.server.room("tea").retain("n16", 16);
    assert!(matches!(more, Err(RetainError::TooMany)), "{more:?}");
    for number in 0..16 {
        assert_eq!(bob.json().await[1], number);
    }
    bob.hears_nothing().await;
}
