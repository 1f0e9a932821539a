//! What a device is told of a call of the server whose caller does not wait any more, and how much time it has.

use serde_json::{Value, json};
use std::time::Duration;
use wse::{CallError, Conn, Limits, Server};
use wse_test_peers::{RawClient, attach_with, enter, enter_able, server, settle};

const S: Duration = Duration::from_secs(1);

fn calm(limits: Limits) -> Server {
    server(|builder| builder.limits(limits).register("echo", async |_, what: Value| Ok(what)))
}

/// A device that can so much, and the connection to it.
async fn device(server: &Server, name: &str, can: &[&str]) -> (RawClient, Conn) {
    let peer = enter_able(server, name, can).await;
    (peer, server.user(name).conns().remove(0))
}

async fn has_heard_all(peer: &mut RawClient) {
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]), "nothing else was sent");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_times_out_and_one_whose_future_is_dropped_are_cancelled_once() {
    let server = calm(Limits { calls_per_conn: 1, ..Limits::default() });
    let (mut peer, conn) = device(&server, "ann", &["cancel"]).await;
    let late = conn.call_within::<_, ()>(S, "late", 1).await;
    assert!(matches!(late, Err(CallError::TimedOut)), "{late:?}");
    let call = peer.json().await;
    assert_eq!(call[2].as_str().unwrap().len(), 16, "a peer that reads no time is told none");
    assert_eq!(peer.json().await, json!(["~wse:cancel", null, call[2]]));
    let dropped = tokio::time::timeout(S, conn.call::<_, ()>("dropped", 2)).await;
    assert!(dropped.is_err());
    let call = peer.json().await;
    assert_eq!(peer.json().await, json!(["~wse:cancel", null, call[2]]));
    // The answer is too late for both, and nothing is said about it.
    peer.send(&json!(["~wse:response", 1, call[2]]).to_string()).await;
    has_heard_all(&mut peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_answered_or_was_never_sent_is_not_cancelled() {
    let server = calm(Limits { calls_per_conn: 1, ..Limits::default() });
    let (mut peer, conn) = device(&server, "ann", &["cancel"]).await;
    let calling = tokio::spawn({
        let conn = conn.clone();
        async move { conn.call::<_, Value>("rp", ()).await }
    });
    let call = peer.json().await;
    let busy = conn.call::<_, ()>("busy", ()).await;
    assert!(matches!(busy, Err(CallError::Busy)), "{busy:?}");
    peer.send(&json!(["~wse:response-err", {"code": "no"}, call[2]]).to_string()).await;
    assert_eq!(calling.await.unwrap().unwrap_err().code(), "no");
    let unsent = conn.call::<_, ()>("rp", "x".repeat(2 << 20)).await;
    assert!(matches!(unsent, Err(CallError::Send(_))), "{unsent:?}");
    has_heard_all(&mut peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_device_of_another_version_gets_neither_a_cancel_nor_a_time() {
    let server = calm(Limits::default());
    let mut old = enter(&server, "old").await;
    let conn = server.user("old").conns().remove(0);
    let (mut other, others) = device(&server, "other", &["skip", "fly"]).await;
    for (peer, conn) in [(&mut old, conn), (&mut other, others)] {
        assert!(conn.call_within::<_, ()>(S, "rp", ()).await.is_err());
        assert_eq!(peer.json().await[2].as_str().unwrap().len(), 16);
        has_heard_all(peer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_says_how_much_time_is_left_and_is_answered_with_or_without_it() {
    let server = calm(Limits::default());
    let (mut peer, conn) = device(&server, "ann", &["time", "cancel"]).await;
    for (timeout, digits) in [
        (20 * S, "~00004e20"),
        (Duration::from_micros(1500), "~00000002"),
        (Duration::from_millis(u32::MAX.into()), "~ffffffff"),
        (Duration::from_millis(1 << 32), ""),
        (Duration::MAX, ""),
    ] {
        for whole in [true, false] {
            let conn = conn.clone();
            let calling = tokio::spawn(async move { conn.call_within::<_, u32>(timeout, "rp", ()).await });
            let call = peer.json().await;
            let stamp = call[2].as_str().unwrap();
            assert_eq!(&stamp[16..], digits, "{timeout:?}");
            let stamp = if whole { stamp } else { &stamp[..16] };
            peer.send(&json!(["~wse:response", 5, stamp]).to_string()).await;
            assert_eq!(calling.await.unwrap().unwrap(), 5);
        }
    }
    // A cancel has no time.
    assert!(conn.call_within::<_, ()>(S, "rp", ()).await.is_err());
    let call = peer.json().await;
    assert_eq!(peer.json().await, json!(["~wse:cancel", null, call[2].as_str().unwrap()[..16]]));
}

#[tokio::test(start_paused = true)]
async fn what_ends_with_its_connection_is_not_cancelled() {
    let server = calm(Limits::default());
    let (peer, conn) = device(&server, "ann", &["cancel"]).await;
    let calling = tokio::spawn({
        let conn = conn.clone();
        async move { conn.call::<_, ()>("rp", ()).await }
    });
    settle().await;
    drop(peer);
    let ended = calling.await.unwrap();
    assert!(matches!(ended, Err(CallError::Disconnected { .. })), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_never_written_is_not_cancelled_and_one_that_is_written_late_has_less_time() {
    let server = calm(Limits::default());
    let (mut peer, _ended) = attach_with(&server, 1 << 10, http::Request::new(()));
    peer.say("~wse:hi", json!({"identity": "ann", "can": ["cancel", "time"]})).await;
    peer.json().await;
    let conn = server.user("ann").conns().remove(0);
    for _ in 0..10 {
        conn.send("large", "x".repeat(1000)).expect("it fills the pipe and the queue");
    }
    assert!(conn.call_within::<_, ()>(S, "never", ()).await.is_err());
    let waiting = tokio::spawn(async move { conn.call_within::<_, ()>(60 * S, "late", ()).await });
    tokio::time::sleep(9 * S).await;
    for _ in 0..10 {
        assert_eq!(peer.json().await[0], "large");
    }
    let call = peer.json().await;
    assert_eq!(call[0], "late");
    let left = u64::from_str_radix(&call[2].as_str().unwrap()[17..], 16).unwrap();
    assert!((50_900..=51_000).contains(&left), "{left} of 60,000 ms are left");
    peer.hears_nothing().await;
    waiting.abort();
    assert_eq!(peer.json().await, json!(["~wse:cancel", null, call[2].as_str().unwrap()[..16]]));
}
