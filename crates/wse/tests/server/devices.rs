//! Devices by their ids: the address of one, what leaves one out, and what a message reached.

use serde_json::{Value, json};
use std::{collections::HashSet, time::Duration};
use wse::{CallError, Conn, Delivered, DeviceId, Limits, SendError, Server};
use wse_test_peers::{RawClient, attach, enter, server, settle};

fn two_devices() -> Server {
    server(|builder| builder.limits(Limits { conns_per_user: 2, ..Limits::default() }))
}

/// Whether one device took it, or none.
fn took(delivered: Delivered) -> bool {
    assert_eq!((delivered.elsewhere, delivered.total()), (0, delivered.here));
    assert!(delivered.here < 2, "{delivered:?}");
    delivered.here == 1
}

fn conns(server: &Server, cid: &str) -> Vec<Conn> {
    server.user(cid).conns()
}

async fn expect(peers: &mut [&mut RawClient], text: &str) {
    for peer in peers {
        assert_eq!(peer.text().await, text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_is_reached_by_its_id_alone() {
    let server = two_devices();
    let (mut phone, mut desk) = (enter(&server, "ann").await, enter(&server, "ann").await);
    let [_, conn] = &*conns(&server, "ann") else { panic!("two devices") };
    let text = conn.id().to_string();
    assert_eq!((text.len(), text.to_lowercase() == text), (26, true));
    let device = server.device(text.parse().unwrap());
    assert_eq!((device.id(), device.conn().as_ref(), device.to_string()), (conn.id(), Some(conn), text));
    assert!(took(device.send("m", 1).unwrap()));
    assert!(took(device.send_encoded(&server.encode("encoded", 2).unwrap())));
    expect(&mut [&mut desk], r#"["m",1,null]"#).await;
    expect(&mut [&mut desk], r#"["encoded",2,null]"#).await;
    let calling = tokio::spawn({
        let device = device.clone();
        async move { device.call::<_, u32>("double", 21).await }
    });
    let asked = desk.json().await;
    assert_eq!((&asked[0], &asked[1]), (&json!("double"), &json!(21)));
    desk.say("~wse:response", json!(42)).await; // it has no stamp: nobody's answer
    desk.send(&json!(["~wse:response", 42, asked[2]]).to_string()).await;
    assert_eq!(calling.await.unwrap().unwrap(), 42);
    let late = device.call_within::<_, u32>(Duration::from_millis(10), "double", 1).await;
    assert!(matches!(late, Err(CallError::TimedOut)));
    assert_eq!(desk.json().await[0], "double");
    assert!(device.drop("enough"));
    assert_eq!(desk.closed().await, (1000, "enough".into()));
    phone.hears_nothing().await;
    assert_eq!(server.conn_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_not_there_takes_nothing_and_a_call_of_it_is_not_ready() {
    let server = two_devices();
    let peer = enter(&server, "ann").await;
    let gone = conns(&server, "ann")[0].id();
    peer.leave().await;
    settle().await;
    let other = two_devices();
    let mut elsewhere = enter(&other, "ann").await;
    let unknown: DeviceId = "0000000000000000000000000z".parse().unwrap();
    for id in [gone, unknown, conns(&other, "ann")[0].id()] {
        let device = server.device(id);
        assert!(device.conn().is_none());
        assert!(!took(device.send("m", 1).unwrap()));
        assert!(!took(device.send_encoded(&server.encode("m", 1).unwrap())));
        assert!(matches!(device.call::<_, Value>("rp", ()).await, Err(CallError::NotReady)));
        let within = device.call_within::<_, Value>(Duration::from_secs(1), "rp", ()).await;
        assert!(matches!(within, Err(CallError::NotReady)));
        assert!(!device.drop("enough"));
        // A mistake does not stay hidden until the device is there.
        assert!(matches!(device.send("~wse:hi", 1), Err(SendError::Encode(_))));
    }
    elsewhere.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn ids_differ_among_the_devices_of_all_servers_and_numbers_grow() {
    let servers = [two_devices(), two_devices()];
    let (mut ids, mut numbers, mut peers) = (HashSet::new(), Vec::new(), Vec::new());
    for round in 0..4 {
        let server = &servers[round % 2];
        peers.push(enter(server, "ann").await);
        let conn = conns(server, "ann").pop().unwrap();
        assert_eq!(DeviceId::from(&conn), conn.id());
        ids.insert(conn.id());
        numbers.push(conn.conn_id());
    }
    assert_eq!(ids.len(), 4);
    assert!(numbers.is_sorted_by(|one, next| one < next), "unique in the process: {numbers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_user_is_reached_but_for_the_device_left_out() {
    let server = two_devices();
    let (mut phone, mut desk) = (enter(&server, "ann").await, enter(&server, "ann").await);
    let mut bob = enter(&server, "bob").await;
    let ann = server.user("ann");
    let [one, two] = &*ann.conns() else { panic!("two devices") };
    assert_eq!(ann.except(one).send("m", 1).unwrap().here, 1);
    expect(&mut [&mut desk], r#"["m",1,null]"#).await;
    assert_eq!(ann.except(two.id()).send_encoded(&server.encode("m", 2).unwrap()).here, 1);
    expect(&mut [&mut phone], r#"["m",2,null]"#).await;
    assert_eq!(ann.except(one).except(two.id()).send("m", 3).unwrap().total(), 0);
    assert_eq!(ann.except(one).except_user("ann").send("m", 3).unwrap().total(), 0);
    assert_eq!(server.everyone().except(two.id()).send("m", 4).unwrap().here, 2);
    expect(&mut [&mut phone, &mut bob], r#"["m",4,null]"#).await;
    desk.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn who_was_there_when_it_was_named_is_not_what_counts() {
    let server = two_devices();
    let first = enter(&server, "ann").await;
    let left_out = conns(&server, "ann")[0].id();
    let (others, everyone) = (server.user("ann").except(left_out), server.everyone());
    first.leave().await;
    settle().await;
    let mut second = attach(&server);
    second.enter("ann").await;
    assert_eq!((others.send("m", 1).unwrap().here, everyone.send("m", 2).unwrap().here), (1, 1));
    expect(&mut [&mut second], r#"["m",1,null]"#).await;
    expect(&mut [&mut second], r#"["m",2,null]"#).await;
}
