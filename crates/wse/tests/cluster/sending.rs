//! Messages over nodes: they arrive once and in order, are counted, seen by the hook of the device's node, and age
//! there.

use crate::nodes::{Node, READY, S, limits, node_with, nodes};
use http::Request;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::time::sleep;
use wse::{Conn, Limits, Msg, Reason, Rp, RpError, ServerBuilder, codec::Envelope};
use wse_test::Bus;
use wse_test_peers::{RawClient, attach, attach_with, enter, resent, settle};

/// Two nodes, each configured.
async fn two(
    bus: &Bus,
    configure: impl Fn(ServerBuilder) -> ServerBuilder,
    hooked: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> [Node; 2] {
    let limits = || Limits { conns_per_user: 9, ..limits(9) };
    let a = node_with(bus.node("a"), "a", |builder| configure(builder.limits(limits())));
    let b = node_with(bus.node("b"), "b", |builder| hooked(configure(builder.limits(limits()))));
    sleep(READY).await;
    assert_eq!(a.names().len(), 2);
    [a, b]
}

/// Whoever goes tells everybody, then bob, then the room, and so on.
fn going(builder: ServerBuilder) -> ServerBuilder {
    builder.on("join", async |conn: Conn, room: String| Ok(conn.join(&room)?)).on(
        "go",
        async |conn: Conn, from: u64| {
            let server = conn.server();
            server.broadcast("everybody", from)?;
            server.user("bob").send("bob", from + 1)?;
            server.room("tea").send("tea", from + 2)?;
            server.device(server.user("bob").devices()[0].id()).send("device", from + 3)?;
            server.everyone().except(&conn).send_encoded(&server.encode("encoded", from + 4)?);
            server.user("bob").ask::<_, ()>("rp", from + 5).within(S / 100).all().await;
            Ok(())
        },
    )
}

async fn next(peer: &mut RawClient) -> (String, u64) {
    let frame = peer.json().await;
    (frame[0].as_str().expect("a name").to_owned(), frame[1].as_u64().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_sends_by_many_ways_arrives_in_order_over_a_bus_that_loses_repeats_and_delays() {
    let bus = Bus::new();
    let [a, b] = two(&bus, going, |builder| builder).await;
    bus.faults().latency(S / 500).lose(0.05).repeat(0.05).late(0.05, S / 50);
    let (mut bob, _) = attach_with(&b.server, 1 << 20, Request::new(()));
    bob.enter("bob").await;
    bob.say("join", json!("tea")).await;
    sleep(S).await;
    let mut ann = enter(&a.server, "ann").await;
    const ROUNDS: u64 = 300;
    for round in 0..ROUNDS {
        ann.say("go", json!(round * 6)).await;
        sleep(S / 200).await;
    }
    for number in 0..ROUNDS * 6 {
        let names = ["everybody", "bob", "tea", "device", "encoded", "rp"];
        let expected = (names[number as usize % 6].to_owned(), number);
        assert_eq!(next(&mut bob).await, expected);
    }
    bob.hears_nothing().await;
    let counts = bus.counts();
    assert!(counts.lost > 5 && counts.repeated > 5, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn devices_here_and_elsewhere_are_counted_and_those_left_out_get_nothing() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 9).await;
    let mut here = enter(&a.server, "ann").await;
    let mut elsewhere = enter(&b.server, "ann").await;
    let mut bob = enter(&b.server, "bob").await;
    settle().await;
    let counted = |delivered: wse::Delivered| (delivered.here, delivered.elsewhere);
    let server = &a.server;
    assert_eq!(counted(server.broadcast("m", 1).unwrap()), (1, 2));
    assert_eq!(counted(server.user("ann").send("m", 2).unwrap()), (1, 1));
    assert_eq!(counted(server.user("bob").send("m", 3).unwrap()), (0, 1));
    assert_eq!(counted(server.user("eve").send("m", 4).unwrap()), (0, 0));
    assert_eq!(counted(server.everyone().except_user("ann").send("m", 5).unwrap()), (0, 1));
    let conn = server.user("ann").conns().pop().unwrap();
    assert_eq!(counted(server.user("ann").except(&conn).send("m", 6).unwrap()), (0, 1));
    let address = b.server.user("bob").conns().pop().unwrap().id();
    assert_eq!(counted(server.everyone().except(address).send("m", 7).unwrap()), (1, 1));
    assert_eq!(counted(server.device(address).send("m", 8).unwrap()), (0, 1));
    let encoded = server.encode("m", 9).unwrap();
    assert_eq!(counted(server.everyone().send_encoded(&encoded)), (1, 2));
    let of_other = b.server.encode("m", 10).unwrap();
    assert_eq!(counted(server.everyone().send_encoded(&of_other)), (0, 0), "it was encoded by another server");
    settle().await;
    for (peer, expected) in
        [(&mut here, &[1, 2, 7, 9][..]), (&mut elsewhere, &[1, 2, 6, 7, 9]), (&mut bob, &[1, 3, 5, 8, 9])]
    {
        for number in expected {
            assert_eq!(peer.json().await[1], json!(number));
        }
        peer.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_encodes_for_nobody_is_an_error_and_reaches_nobody() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 9).await;
    let mut bob = enter(&b.server, "bob").await;
    settle().await;
    let keyed: std::collections::HashMap<(u8, u8), u8> = [((1, 2), 3)].into();
    assert!(a.server.broadcast("m", keyed).is_err(), "JSON has no such keys");
    assert!(a.server.broadcast("~wse:ack", 1).is_err() && a.server.user("bob").send("", 1).is_err());
    let big = a.server.user("bob").send("m", "x".repeat(2 << 20));
    assert!(matches!(big, Err(wse::SendError::TooBig(_))), "{big:?}");
    let long = "x".repeat(1_000_000);
    assert_eq!(a.server.user("bob").send("long", &long).unwrap().elsewhere, 1);
    assert_eq!(bob.json().await[1], json!(long), "what fits into a queue crosses in parts");
    bob.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_big_for_other_nodes_reaches_nobody_here_either() {
    let bus = Bus::new();
    let wide = |builder: ServerBuilder| builder.limits(Limits { queue_bytes: 6 << 20, ..limits(9) });
    let a = node_with(bus.node("a"), "a", wide);
    let b = node_with(bus.node("b"), "b", wide);
    sleep(READY).await;
    let mut here = enter(&a.server, "ann").await;
    let text = "x".repeat(5 << 20);
    assert_eq!(a.server.user("ann").send("m", "fits").unwrap().here, 1);
    let _elsewhere = enter(&b.server, "ann").await;
    settle().await;
    let sent = a.server.user("ann").send("m", &text);
    assert!(matches!(sent, Err(wse::SendError::TooBig(_))), "{sent:?}");
    let encoded = a.server.encode("m", &text).unwrap();
    assert_eq!(a.server.user("ann").send_encoded(&encoded).elsewhere, 0, "devices here are sent what there is");
    assert_eq!(here.json().await[1], "fits");
    assert_eq!(here.json().await[1], json!(text), "that which was encoded before, and once");
    here.hears_nothing().await;
}

/// What a hook has seen.
type Seen = Arc<Mutex<Vec<String>>>;

fn watched(builder: ServerBuilder, seen: &Seen) -> ServerBuilder {
    let seen = seen.clone();
    builder.on_send(move |conn: &Conn, envelope: &Envelope<'_>| {
        let payload: Value = envelope.payload.decode()?;
        seen.lock().unwrap().push(format!("{} {} {payload}", conn.cid(), envelope.name));
        if payload == json!("secret") { Err(RpError::new("no")) } else { Ok(()) }
    })
}

#[tokio::test(start_paused = true)]
async fn the_hook_runs_at_the_node_of_the_device_and_stops_messages_and_calls_there() {
    let (bus, seen) = (Bus::new(), Seen::default());
    let [a, b] = two(&bus, |builder| builder, |builder| watched(builder, &seen)).await;
    let mut ann = enter(&a.server, "ann").await;
    let mut bob = enter(&b.server, "bob").await;
    settle().await;
    assert_eq!(a.server.broadcast("m", "hello").unwrap().total(), 2);
    assert_eq!(a.server.broadcast("m", "secret").unwrap().elsewhere, 1, "for which it was taken");
    let device = a.server.user("bob").devices().remove(0);
    let called = device.call(Rp::<_, ()>::new("rp"), "secret").await;
    assert_eq!(called.unwrap_err().code(), "no");
    let tracked = device.send_tracked("m", "secret").unwrap().delivered().await;
    assert_eq!(tracked.unwrap_err().code(), "no");
    settle().await;
    assert_eq!(bob.json().await[1], "hello");
    bob.hears_nothing().await;
    assert_eq!((ann.json().await[1].clone(), ann.json().await[1].clone()), (json!("hello"), json!("secret")));
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen, [r#"bob m "hello""#, r#"bob m "secret""#, r#"bob rp "secret""#, r#"bob m "secret""#]);
}

const MOVED: Msg<u64> = Msg::new("moved");
const OFFER: Msg<u64> = Msg::new("offer");

#[tokio::test(start_paused = true)]
async fn messages_age_at_the_node_of_the_device() {
    let bus = Bus::new();
    let [a, b] = two(&bus, |builder| builder, |builder| builder).await;
    let begin = async |session: Value| {
        let mut peer = attach(&b.server);
        peer.say("~wse:hi", json!({"identity": "bob", "session": session, "can": ["skip"]})).await;
        let welcome = peer.json().await;
        (peer, welcome[2]["session"].clone())
    };
    let (peer, token) = begin(json!({})).await;
    drop(peer);
    settle().await;
    let bob = a.server.user("bob");
    for number in 0..5 {
        bob.send(MOVED.latest("taxi"), number).unwrap();
        bob.send(OFFER.ttl(S), number).unwrap();
    }
    sleep(2 * S).await;
    bob.send(OFFER.ttl(S), 5).unwrap();
    bob.send(MOVED.latest("bus"), 6).unwrap();
    settle().await;
    let (mut peer, _) = begin(json!({"resume": token, "seen": 0})).await;
    let mut got: Vec<(Value, Value)> =
        resent(&mut peer).await.into_iter().map(|frame| (frame[0].clone(), frame[1].clone())).collect();
    got.retain(|(name, _)| name == "moved" || name == "offer");
    assert_eq!(got, [(json!("moved"), json!(4)), (json!("offer"), json!(5)), (json!("moved"), json!(6))]);
}

#[tokio::test(start_paused = true)]
async fn a_drop_reaches_the_devices_of_all_nodes_that_were_there_and_none_that_comes_later() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 9).await;
    let mut here = enter(&a.server, "ann").await;
    let mut elsewhere = enter(&b.server, "ann").await;
    let mut bob = enter(&b.server, "bob").await;
    settle().await;
    bus.faults().latency(S / 10);
    assert_eq!(a.server.user("ann").drop("enough"), 2);
    std::thread::sleep(S / 100); // the clock on the wall goes on, which is not paused
    let mut later = enter(&b.server, "ann").await; // while the drop travels
    assert_eq!(here.closed().await, (1000, "enough".to_owned()));
    assert_eq!(elsewhere.closed().await, (1000, "enough".to_owned()));
    sleep(S).await;
    later.hears_nothing().await;
    assert_eq!(a.server.user("ann").conn_count(), 1);
    let device = a.server.user("bob").devices().remove(0);
    assert!(device.drop(Reason::default()) && device.is_there(), "it is told, and on its way");
    assert_eq!(bob.closed().await, (1000, "wse.by-server".to_owned()));
    sleep(S).await;
    assert!(!device.is_there() && !device.drop("late"));
    assert_eq!(a.server.drop_user("eve", ""), 0);
}
