//! Calls over nodes: each ends once, as its device, its node or the bus lets it.

use crate::nodes::{Node, READY, S, limits, node_with, nodes};
use futures_util::FutureExt;
use serde_json::{Value, json};
use std::collections::HashSet;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use wse::{CallError, Device, DeviceId, Limits, SendError, Server};
use wse_test::Bus;
use wse_test_peers::{RawClient, begin, enter, enter_able, settle, timed};

/// A device of bob at the node, as another node sees it.
async fn bob(from: &Node, at: &Node) -> (RawClient, Device) {
    let peer = enter_able(&at.server, "bob", &["cancel"]).await;
    settle().await;
    let device = from.server.user("bob").devices().pop().expect("it is there");
    assert_eq!(device.node(), Some(at.id()));
    (peer, device)
}

fn call(device: &Device, name: &'static str) -> JoinHandle<Result<Value, CallError>> {
    let device = device.clone();
    tokio::spawn(async move { device.call_within(20 * S, name, json!([name])).await })
}

async fn respond(peer: &mut RawClient, kind: &str, payload: Value) -> Value {
    let call = peer.json().await;
    peer.send(&json!([kind, payload, call[2]]).to_string()).await;
    call
}

#[tokio::test(start_paused = true)]
async fn a_device_of_another_node_answers_with_a_result_or_an_error() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 9).await;
    let (mut peer, device) = bob(&a, &b).await;
    let called = call(&device, "add");
    let frame = respond(&mut peer, "~wse:response", json!({"sum": 3})).await;
    assert_eq!((&frame[0], &frame[1]), (&json!("add"), &json!(["add"])));
    assert_eq!(called.await.unwrap().unwrap(), json!({"sum": 3}));
    let called = call(&device, "fail");
    let error = json!({"code": "full", "message": "no seat", "details": {"seats": 0}});
    respond(&mut peer, "~wse:response-err", error).await;
    let Err(CallError::Failed(error)) = called.await.unwrap() else { panic!("it has failed") };
    assert_eq!((error.code.as_str(), error.message.as_deref()), ("full", Some("no seat")));
    assert_eq!(error.decode_details::<Value>().unwrap(), Some(json!({"seats": 0})));
    let called = call(&device, "none");
    respond(&mut peer, "~wse:response-err", json!({"code": "wse.server.rp.not-registered"})).await;
    assert!(matches!(called.await.unwrap(), Err(CallError::NotRegistered(_))));
    let wrong: Result<u8, _> = {
        let device = device.clone();
        let called = tokio::spawn(async move { device.call("add", ()).await });
        respond(&mut peer, "~wse:response", json!("text")).await;
        called.await.unwrap()
    };
    assert!(matches!(wrong, Err(CallError::Decode(_))), "{wrong:?}");
    let big: Result<(), _> = device.call("add", "x".repeat(3 << 20)).await;
    assert!(matches!(big, Err(CallError::Send(SendError::TooBig(_)))), "{big:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_with_the_time_the_device_the_caller_and_the_node() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 9).await;
    let (mut peer, device) = bob(&a, &b).await;
    let began = Instant::now();
    let late: Result<(), _> = device.call_within(S, "late", ()).await;
    assert!(matches!(late, Err(CallError::TimedOut)), "{late:?}");
    assert!((S..S + S / 10).contains(&began.elapsed()));
    let frame = peer.json().await;
    assert_eq!(peer.json().await, json!(["~wse:cancel", null, frame[2]]), "the device is told");
    // Its future is dropped.
    let called = call(&device, "dropped");
    let frame = peer.json().await;
    called.abort();
    let (waited, cancelled) = timed(peer.json()).await;
    assert_eq!(cancelled, json!(["~wse:cancel", null, frame[2]]));
    assert!(waited < S / 10, "at once, and not when its time is over: {waited:?}");
    // Its device leaves.
    let called = call(&device, "left");
    peer.json().await;
    peer.close(1000, "bye").await;
    let ended = called.await.unwrap();
    assert!(matches!(&ended, Err(CallError::Disconnected { closed }) if closed.reason.as_str() == "bye"), "{ended:?}");
    sleep(S).await;
    let gone: Result<(), _> = device.call("gone", ()).await;
    assert!(matches!(gone, Err(CallError::NotReady)) && !device.is_there(), "{gone:?}");
    // Its node is killed.
    let (mut peer, device) = bob(&a, &b).await;
    let called = call(&device, "killed");
    peer.json().await;
    bus.faults().node("b").kill();
    let (ended, began) = (called.await.unwrap().unwrap_err(), Instant::now());
    assert!(matches!(ended, CallError::NodeLost), "{ended:?}");
    assert_eq!(ended.code(), "wse.server.node-lost");
    assert!(began.elapsed() < 12 * S);
}

#[tokio::test(start_paused = true)]
async fn a_call_to_another_node_is_refused_at_once_while_none_is_reached() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 9).await;
    let (mut peer, device) = bob(&a, &b).await;
    bus.down();
    sleep(7 * S).await;
    let began = Instant::now();
    let called: Result<(), _> = device.call("rp", ()).await;
    let error = called.unwrap_err();
    assert!(matches!(error, CallError::Unreachable), "{error:?}");
    assert_eq!((error.code(), began.elapsed() < S / 10), ("wse.server.unreachable", true));
    let tracked = device.send_tracked("m", 1).unwrap().delivered().await;
    assert!(matches!(tracked, Err(SendError::NotReady)), "{tracked:?}");
    bus.up();
    sleep(S).await;
    peer.hears_nothing().await;
    let called = call(&device, "again");
    respond(&mut peer, "~wse:response", json!(1)).await;
    assert_eq!(called.await.unwrap().unwrap(), json!(1));
}

#[tokio::test(start_paused = true)]
async fn a_message_is_confirmed_by_the_device_wherever_it_is() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 9).await;
    let (mut peer, _) = begin(&b.server, "bob", json!({})).await;
    settle().await;
    let device = a.server.user("bob").devices().pop().unwrap();
    device.send("before", 1).unwrap();
    let mut receipt = Box::pin(device.send_tracked("tracked", 2).unwrap().delivered());
    device.send("behind", 3).unwrap();
    for name in ["before", "tracked", "behind"] {
        assert_eq!(peer.json().await[0], name, "it keeps its place");
    }
    sleep(S).await;
    assert!(receipt.as_mut().now_or_never().is_none(), "nobody has acknowledged it");
    peer.say("~wse:ack", json!(3)).await;
    receipt.await.unwrap();
    // Without a session nothing is ever acknowledged.
    let _eve = enter(&b.server, "eve").await;
    settle().await;
    let device = a.server.user("eve").devices().pop().unwrap();
    let unconfirmed = device.send_tracked("m", 1).unwrap().delivered().await;
    assert!(matches!(unconfirmed, Err(SendError::Unconfirmed)), "{unconfirmed:?}");
    let nobody = a.server.device(DeviceId::new(b.id(), 1 << 40)).send_tracked("m", 1);
    assert!(matches!(nobody, Err(SendError::NotReady)));
    // The node is lost before.
    let device = a.server.user("bob").devices().pop().unwrap();
    let receipt = device.send_tracked("m", 1).unwrap();
    bus.faults().node("b").kill();
    let lost = receipt.delivered().await;
    assert!(matches!(lost, Err(SendError::Unconfirmed)), "{lost:?}");
    // At this node it is as ever.
    let (mut peer, _) = begin(&a.server, "ann", json!({})).await;
    let receipt = a.server.user("ann").devices().pop().unwrap().send_tracked("m", 1).unwrap();
    peer.json().await;
    peer.say("~wse:ack", json!(1)).await;
    receipt.delivered().await.unwrap();
}

/// Answers every call with what it is asked, and the name of the device.
fn answering(mut peer: RawClient, name: &'static str) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let call = peer.json().await;
            if call[0] != "~wse:cancel" {
                peer.send(&json!(["~wse:response", [name, call[1]], call[2]]).to_string()).await;
            }
        }
    })
}

fn answered(answers: Vec<(DeviceId, Result<Value, CallError>)>) -> HashSet<String> {
    answers
        .into_iter()
        .map(|(_, answer)| answer.map_or_else(|error| error.code().to_owned(), |it| it.to_string()))
        .collect()
}

fn set<const N: usize>(texts: [&str; N]) -> HashSet<String> {
    texts.map(str::to_owned).into()
}

#[tokio::test(start_paused = true)]
async fn many_devices_of_many_nodes_are_asked_and_each_ends_by_itself() {
    let bus = Bus::new();
    let [a, b, c] = nodes(&bus, ["a", "b", "c"], 9).await;
    let device = async |server: &Server, name, as_| drop(answering(enter(server, name).await, as_));
    device(&a.server, "ann", "here").await;
    device(&b.server, "ann", "there").await;
    device(&c.server, "bob", "other").await;
    let mut silent = enter_able(&c.server, "ann", &["cancel"]).await;
    settle().await;
    let ask = |answers: wse::ask::Answers<Value>| answers.within(2 * S);
    let all = ask(a.server.user("ann").ask("rp", 1)).all().await;
    assert_eq!(answered(all), set([r#"["here",1]"#, r#"["there",1]"#, "wse.client.rp.timeout"]));
    assert_eq!((silent.json().await[0].clone(), silent.json().await[0].clone()), (json!("rp"), json!("~wse:cancel")));
    let everyone = ask(a.server.everyone().except_user("ann").ask("rp", 2)).all().await;
    assert_eq!(answered(everyone), set([r#"["other",2]"#]));
    // Enough have answered: the others are cancelled, wherever they are.
    let some = ask(a.server.user("ann").ask("rp", 3)).quorum(2).await;
    assert_eq!(some.len(), 2);
    let began = Instant::now();
    assert_eq!((silent.json().await[1].clone(), silent.json().await[0].clone()), (json!(3), json!("~wse:cancel")));
    let (_, first) = ask(a.server.user("ann").ask::<_, Value>("rp", 4)).first().await.unwrap();
    assert_eq!(first[1], json!(4));
    silent.json().await;
    assert_eq!(silent.json().await[0], json!("~wse:cancel"));
    assert!(began.elapsed() < S / 2, "at once, and not when its time is over");
    // One node dies meanwhile.
    let asking = tokio::spawn(a.server.user("ann").ask::<_, Value>("rp", 5).within(30 * S).all());
    silent.json().await;
    bus.faults().node("c").kill();
    let all = asking.await.unwrap();
    assert_eq!(answered(all), set([r#"["here",5]"#, r#"["there",5]"#, "wse.server.node-lost"]));
    assert_eq!(answered(a.server.user("eve").ask("rp", 6).all().await), set([]));
}

#[tokio::test(start_paused = true)]
async fn the_members_of_a_room_are_asked_at_all_nodes() {
    let bus = Bus::new();
    let names = ["a", "b", "c"];
    let join = |builder: wse::ServerBuilder| {
        builder
            .limits(Limits { rooms_per_conn: 9, ..limits(9) })
            .on("join", async |conn: wse::Conn, room: String| Ok(conn.join(&room)?))
    };
    let nodes = names.map(|name| node_with(bus.node(name), name, join));
    sleep(READY).await;
    let mut devices = Vec::new();
    for (node, (user, room)) in
        [(0, ("ann", "tea")), (1, ("ann", "tea")), (1, ("bob", "tea")), (1, ("eve", "milk")), (2, ("eve", "tea"))]
    {
        let mut peer = enter(&nodes[node].server, user).await;
        peer.say("join", json!(room)).await;
        devices.push(answering(peer, ["0", "1", "2", "3", "4"][devices.len()]));
    }
    sleep(2 * S).await;
    for node in &nodes {
        let tea = node.server.room("tea");
        assert_eq!(tea.count(), 4);
        let ids: HashSet<_> = tea.devices().await.iter().map(Device::id).collect();
        assert_eq!(ids.len(), 4);
        let all = tea.ask::<_, Value>("rp", ()).all().await;
        assert_eq!(all.iter().map(|(id, _)| *id).collect::<HashSet<_>>(), ids);
        assert_eq!(answered(all), set([r#"["0",null]"#, r#"["1",null]"#, r#"["2",null]"#, r#"["4",null]"#]));
        let without = tea.except_user("ann").ask::<_, Value>("rp", ()).all().await;
        assert_eq!(answered(without), set([r#"["2",null]"#, r#"["4",null]"#]));
        assert_eq!(tea.ask::<_, Value>("rp", ()).quorum(3).await.len(), 3);
    }
    assert_eq!(nodes[0].server.room("tea").members().len(), 1, "those here");
    // A node that is lost before it says who its members are stands for them.
    bus.faults().node("c").kill();
    let all = nodes[0].server.room("tea").ask::<_, Value>("rp", ()).within(30 * S).all().await;
    let lost: Vec<_> = all.iter().filter(|(_, answer)| matches!(answer, Err(CallError::NodeLost))).collect();
    assert_eq!((all.len(), lost.len()), (4, 1));
    assert_eq!(lost[0].0, DeviceId::new(nodes[2].id(), 0));
}
