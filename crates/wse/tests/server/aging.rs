//! Messages and calls that age, for devices without a session that read slowly.

use http::Request;
use std::time::Duration;
use tokio::time::sleep;
use wse::{CallError, Limits, Msg};
use wse_test_peers::{Got, RawClient, attach_with, server, settle};

const MS: Duration = Duration::from_millis(1);
const POSITION: Msg<String> = Msg::new("position");
const NOTE: Msg<u32> = Msg::new("note");

/// What a pipe takes without a reader.
const PIPE: usize = 256;

async fn next(peer: &mut RawClient) -> String {
    match peer.next().await {
        Got::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

/// Everything that has come, and nothing after it for a while.
async fn all(peer: &mut RawClient) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(text) = tokio::time::timeout(100 * MS, next(peer)).await {
        all.push(text);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn a_device_that_reads_slowly_gets_the_newest_of_each_key_and_its_queue_stays_small() {
    let server = server(|builder| builder.limits(Limits { queue_bytes: 10_000, ..Limits::default() }));
    let (mut peer, _ended) = attach_with(&server, PIPE, Request::new(()));
    peer.enter("ann").await;
    let conn = server.user("ann").conns().pop().expect("it is there");
    conn.send("first", "x".repeat(600)).expect("it fills the pipe");
    settle().await;
    // A hundred times as much as the queue takes.
    for round in 0..1000 {
        for taxi in 0..10 {
            conn.send(POSITION.latest(taxi), format!("{taxi} at {round:0100}")).expect("it is never late");
        }
        if round % 250 == 0 {
            conn.send(NOTE, round).expect("it is never late");
        }
    }
    sleep(10_000 * MS).await;
    assert!(conn.is_open());
    assert!(next(&mut peer).await.contains("first"));
    let got = all(&mut peer).await;
    let position = |taxi| format!("[\"position\",\"{taxi} at {:0100}\",null]", 999);
    let expected: Vec<_> =
        (0..10).map(position).chain((0..4).map(|n| format!("[\"note\",{},null]", 250 * n))).collect();
    assert_eq!(got, expected, "in the places of the first ones");
    conn.send(POSITION.latest(1), "later".into()).unwrap();
    assert_eq!(next(&mut peer).await, r#"["position","later",null]"#);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_for_a_device_that_reads_slowly_is_not_sent_and_makes_room() {
    let server = server(|builder| builder.limits(Limits { queue_bytes: 10_000, ..Limits::default() }));
    let (mut peer, _ended) = attach_with(&server, PIPE, Request::new(()));
    peer.enter("ann").await;
    let conn = server.user("ann").conns().pop().expect("it is there");
    conn.send("first", "x".repeat(600)).expect("it fills the pipe");
    settle().await;
    for number in 0..100 {
        for _ in 0..20 {
            conn.send(NOTE.ttl(100 * MS), number).expect("what is too old makes room");
        }
        conn.send(NOTE, number).expect("there is room");
        sleep(100 * MS).await;
    }
    conn.send(NOTE.ttl(100 * MS), 100).unwrap();
    assert!(next(&mut peer).await.contains("first"));
    let expected: Vec<_> = (0..=100).map(|n| format!("[\"note\",{n},null]")).collect();
    assert_eq!(all(&mut peer).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_timed_out_in_the_queue_of_a_slow_reader_is_not_sent() {
    let server = server(|builder| builder);
    let (mut peer, _ended) = attach_with(&server, PIPE, Request::new(()));
    peer.enter("ann").await;
    let conn = server.user("ann").conns().pop().expect("it is there");
    for n in 0..10 {
        conn.send("large", "x".repeat(1000 + n)).expect("it fills the pipe and the queue");
    }
    let late = conn.call_within::<u32, ()>(1000 * MS, "offer", 1).await;
    assert!(matches!(late, Err(CallError::TimedOut)));
    let waiting = tokio::spawn({
        let conn = conn.clone();
        async move { conn.call_within::<u32, ()>(600_000 * MS, "offer", 2).await }
    });
    settle().await;
    for _ in 0..10 {
        assert!(next(&mut peer).await.contains("large"));
    }
    let call = next(&mut peer).await;
    assert!(call.starts_with(r#"["offer",2,"#), "{call}");
    waiting.abort();
}

#[tokio::test(start_paused = true)]
async fn a_message_that_ages_is_encoded_once_for_everybody_and_travels_as_bytes_with_its_age() {
    let server = server(|builder| builder.limits(Limits { queue_bytes: 10_000, ..Limits::default() }));
    let mut peers = Vec::new();
    for name in ["ann", "bob"] {
        let (mut peer, ended) = attach_with(&server, PIPE, Request::new(()));
        peer.enter(name).await;
        peers.push((peer, ended));
    }
    server.broadcast("first", "x".repeat(600)).expect("it fills the pipes");
    settle().await;
    for n in 0..1000 {
        let message = server.encode(POSITION.latest("a").ttl(60_000 * MS), n.to_string()).unwrap();
        let bytes = message.to_bytes().unwrap();
        let again = wse::Encoded::from_bytes(&server, &bytes).unwrap();
        assert_eq!(server.everyone().send_encoded(&again).total(), 2);
        assert_eq!(server.broadcast(POSITION.latest("b"), n.to_string()).unwrap().total(), 2);
        assert!(wse::Encoded::from_bytes(&server, &bytes[..20]).is_err());
    }
    for (peer, _) in &mut peers {
        assert!(next(peer).await.contains("first"));
        assert_eq!(all(peer).await, [r#"["position","999",null]"#; 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_is_not_too_slow_for_what_is_too_old_by_then() {
    let limits = Limits { queue_bytes: 10_000, ..Limits::default() };
    for (ttl, open) in [(1000, true), (60_000, false)] {
        let server = server(|builder| builder.limits(limits.clone()));
        let (mut peer, _ended) = attach_with(&server, PIPE, Request::new(()));
        peer.enter("ann").await;
        let conn = server.user("ann").conns().pop().expect("it is there");
        conn.send("first", "x".repeat(600)).expect("it fills the pipe");
        settle().await;
        for _ in 0..20 {
            conn.send(POSITION.ttl(ttl * MS), "x".repeat(1000)).expect("so much may wait for two seconds");
        }
        sleep(3000 * MS).await;
        assert_eq!(conn.is_open(), open, "{ttl} ms");
    }
}
