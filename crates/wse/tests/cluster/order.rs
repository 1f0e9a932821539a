//! What servers send to devices of other servers: in the order of its sender, once, over a bad bus too.

use crate::nodes::{Node, S, limits, node_with, nodes};
use serde_json::Value;
use std::sync::Arc;
use tokio::{sync::Barrier, time::sleep};
use wse::Server;
use wse_test::Bus;
use wse_test_peers::{RawClient, enter, timed};

/// Puts a device of that name at a node into the room `tea`.
async fn member(node: &Node, name: &str) -> RawClient {
    let peer = enter(&node.server, name).await;
    node.server.user(name).conns()[0].join("tea").unwrap();
    peer
}

/// Sends three numbers to ann: to everyone, to her, and to a room that she is in.
fn send(server: &Server, name: &str, number: u32) {
    assert_eq!(server.broadcast(name, number).unwrap().total(), 3);
    assert_eq!(server.user("ann").send(name, number + 1).unwrap().total(), 1);
    assert_eq!(server.room("tea").send(name, number + 2).unwrap().total(), 3);
}

/// The next numbers, which must all be of that name.
async fn numbers(peer: &mut RawClient, name: &str, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let message: Value = peer.json().await;
        assert_eq!(message[0], name);
        numbers.extend(message[1].as_u64());
    }
    numbers
}

#[tokio::test(start_paused = true)]
async fn messages_to_everyone_to_a_user_and_to_a_room_keep_their_order_and_come_once() {
    const ROUNDS: u32 = 300;
    let bus = Bus::new();
    bus.faults().latency(S / 200).repeat(0.05).late(0.05, S / 20);
    // Not at the sending node, which would be deaf when it loses two beats of its own.
    for name in ["b", "c"] {
        bus.faults().node(name).lose(0.05);
    }
    let [a, b, c] = nodes(&bus, ["a", "b", "c"], 1).await;
    let mut ann = member(&c, "ann").await;
    let (mut bob, mut cid) = (member(&b, "bob").await, member(&a, "cid").await);
    sleep(2 * S).await;
    for round in 0..ROUNDS {
        send(&a.server, "n", 3 * round);
        if round % 7 == 0 {
            sleep(S / 100).await;
        }
    }
    let all: Vec<u64> = (0..3 * u64::from(ROUNDS)).collect();
    assert_eq!(numbers(&mut ann, "n", all.len()).await, all);
    let others: Vec<u64> = all.into_iter().filter(|number| number % 3 != 1).collect();
    assert_eq!(numbers(&mut bob, "n", others.len()).await, others);
    assert_eq!(numbers(&mut cid, "n", others.len()).await, others);
    sleep(30 * S).await;
    for peer in [&mut ann, &mut bob, &mut cid] {
        peer.hears_nothing().await;
    }
    let counts = bus.counts();
    assert!(counts.lost > 0 && counts.repeated > 10, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_bus_has_lost_is_sent_again_soon() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 1).await;
    let mut ann = enter(&b.server, "ann").await;
    for number in 0..20 {
        sleep(S).await;
        bus.faults().node("b").lose(1.0);
        a.server.user("ann").send("n", number).unwrap();
        sleep(S / 100).await;
        bus.faults().node("b").heal();
        let (waited, numbers) = timed(numbers(&mut ann, "n", 1)).await;
        assert_eq!(numbers, [number]);
        assert!(waited < S / 2, "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_stops_for_seconds_loses_nothing() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 1).await;
    let mut ann = enter(&b.server, "ann").await;
    sleep(S).await;
    for number in 0..80 {
        match number {
            10 => bus.down(),
            60 => bus.up(), // 5 s later
            _ => {}
        }
        assert_eq!(a.server.user("ann").send("n", number).unwrap().total(), 1, "{number}");
        sleep(S / 10).await;
    }
    assert_eq!(numbers(&mut ann, "n", 80).await, (0..80).collect::<Vec<_>>());
}

/// The same with real time and threads, in which every wake-up is a race.
#[test]
fn two_servers_in_runtimes_of_their_own_flood_each_other_and_nothing_is_lost() {
    const NUMBERS: u64 = 20_000;
    let bus = Bus::new();
    let both = Arc::new(Barrier::new(2));
    let run = |name: &'static str, other: &'static str| {
        let (bus, both) = (bus.clone(), both.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async move {
                let node = node_with(bus.node(name), name, |builder| builder.limits(limits(1)));
                let mut peer = enter(&node.server, name).await;
                while node.server.user(other).send("begin", ()).unwrap().total() == 0 {
                    sleep(S / 100).await;
                }
                both.wait().await;
                let server = node.server.clone();
                let sends = tokio::spawn(async move {
                    for number in 0..NUMBERS {
                        // Beyond 4 MiB it is refused, so it waits for the other node now and then.
                        if number % 2000 == 0 {
                            server.cluster().expect("it is a node").settled().await;
                        }
                        assert_eq!(server.user(other).send("n", number).unwrap().total(), 1);
                    }
                });
                let mut next = 0;
                while next < NUMBERS {
                    let message = peer.json().await;
                    if message[0] == "n" {
                        assert_eq!(message[1], next);
                        next += 1;
                    }
                }
                sends.await.unwrap();
                both.wait().await;
                node.server.shutdown(S).await;
            });
        })
    };
    for thread in [run("ann", "bob"), run("bob", "ann")] {
        thread.join().unwrap();
    }
}
