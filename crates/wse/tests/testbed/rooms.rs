//! Rooms and presence from outside, on every wire.

use crate::ask;
use serde_json::json;
use std::time::Duration;
use wse::Client;
use wse_test_peers::{Events, programs::Testbed};

async fn join(client: &Client, events: &mut Events, room: &str) {
    client.send("join", room).expect("connected");
    assert_eq!(events.next_like("ignored joined").await, format!("ignored joined {:?}", room));
}

#[tokio::test]
async fn devices_join_are_sent_to_and_leave() {
    let testbed = Testbed::start(&[]).await;
    let (ann, mut at_ann) = testbed.enter("user-ann", json!({})).await;
    let (bob, mut at_bob) = testbed.enter("user-bob", json!({})).await;
    assert_eq!(ask(&ann, "room", json!("tea")).await, json!({"members": 0}));
    join(&ann, &mut at_ann, "tea").await;
    join(&bob, &mut at_bob, "tea").await;
    assert_eq!(ask(&ann, "room", json!("tea")).await, json!({"members": 2}));
    ann.send("to-room", json!({"room": "tea", "type": "m", "payload": 1, "except_me": true})).unwrap();
    ann.send("to-room", json!({"room": "tea", "type": "m", "payload": 2})).unwrap();
    assert_eq!(at_ann.next_like("ignored m").await, "ignored m 2");
    for number in [1, 2] {
        assert_eq!(at_bob.next_like("ignored m").await, format!("ignored m {number}"));
    }
    ann.send("retain", json!({"room": "tea", "type": "topic", "payload": "Assam"})).unwrap();
    assert_eq!(at_bob.next_like("ignored topic").await, "ignored topic \"Assam\"");
    ann.send("leave", "tea").unwrap();
    assert_eq!(at_ann.next_like("ignored left-room").await, "ignored left-room \"tea\"");
    ann.send("join", "tea").unwrap();
    assert_eq!(at_ann.next_like("ignored topic").await, "ignored topic \"Assam\"");
    assert_eq!(at_ann.next_like("ignored joined").await, "ignored joined \"tea\"");
    testbed.terminate().await;
}

#[tokio::test]
async fn a_user_in_grace_is_online_and_a_goodbye_ends_that() {
    let testbed = Testbed::start(&["--presence-grace", "60s"]).await;
    let (ann, mut at_ann) = testbed.enter("user-ann", json!({})).await;
    let (bob, _at_bob) = testbed.enter("user-bob", json!({})).await;
    let online = async |cid: &str| ask(&ann, "online", json!(cid)).await;
    assert_eq!(online("user-bob").await, json!({"online": true, "devices": 1, "count": 2}));
    join(&bob, &mut { _at_bob }, "tea").await;
    ann.send("presence", "tea").unwrap();
    let told = at_ann.next_like("ignored wse:presence").await;
    assert_eq!(told, r#"ignored wse:presence {"all":[["user-bob","online"]],"room":"tea"}"#);
    tokio::time::timeout(Duration::from_secs(10), bob.close("bye")).await.expect("it closes");
    let told = at_ann.next_like("ignored wse:presence").await;
    assert_eq!(told, r#"ignored wse:presence {"cid":"user-bob","room":"tea","status":"offline"}"#);
    assert_eq!(online("user-bob").await, json!({"online": false, "devices": 0, "count": 1}));
    testbed.terminate().await;
}

#[tokio::test]
async fn an_option_bounds_the_rooms_of_a_device() {
    let mut testbed = Testbed::start(&["--rooms-per-conn", "1"]).await;
    let (ann, mut at_ann) = testbed.enter("user-ann", json!({})).await;
    join(&ann, &mut at_ann, "tea").await;
    ann.send("join", "milk").unwrap();
    assert_eq!(testbed.program.event("error").await["cid"], "user-ann");
    assert_eq!(ask(&ann, "room", json!("milk")).await, json!({"members": 0}));
    testbed.terminate().await;
}
