//! Calls of the server to a device: every end a call can have, each exactly once.

use futures_util::future::join_all;
use serde_json::{Value, json};
use std::{collections::HashSet, time::Duration};
use wse::{CallError, Conn, Limits, Rp, Server};
use wse_test_peers::{RawClient, about, enter, recordings, server, settle, timed};

const S: Duration = Duration::from_secs(1);
const DOUBLE: Rp<u32, u32> = Rp::new("double");

/// A server whose devices may call `echo`, so that a test sees that nothing else was sent.
fn echoing(limits: Limits) -> Server {
    server(|builder| builder.limits(limits).register("echo", async |_, what: Value| Ok(what)))
}

fn conn_of(server: &Server, cid: &str) -> Conn {
    server.user(cid).conns().remove(0)
}

/// A device, and the connection to it.
async fn device(server: &Server, name: &str) -> (RawClient, Conn) {
    let peer = enter(server, name).await;
    (peer, conn_of(server, name))
}

/// Starts a call and gives what the device gets of it, with the stamp.
async fn begin(peer: &mut RawClient, conn: &Conn) -> (tokio::task::JoinHandle<Result<u32, CallError>>, String) {
    let conn = conn.clone();
    let call = tokio::spawn(async move { conn.call(DOUBLE, 21).await });
    let envelope = peer.text().await;
    let stamp = recordings::stamp(&envelope);
    assert_eq!(envelope, format!(r#"["double",21,"{stamp}"]"#));
    (call, stamp)
}

async fn answer(peer: &mut RawClient, result: Value, stamp: &str) {
    peer.send(&json!(["~wse:response", result, stamp]).to_string()).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_gives_the_result_in_its_type() {
    let server = echoing(Limits::default());
    let (mut peer, conn) = device(&server, "ann").await;
    let (call, stamp) = begin(&mut peer, &conn).await;
    answer(&mut peer, json!(42), &stamp).await;
    assert_eq!(call.await.unwrap().unwrap(), 42);
    // A short answer is null.
    let nothing = tokio::spawn(async move { conn.call::<_, ()>("nothing", ()).await });
    let stamp = recordings::stamp(&peer.text().await);
    peer.send(&format!(r#"["~wse:response",null,"{stamp}"]"#)).await;
    nothing.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_tells_how() {
    let server = echoing(Limits::default());
    let (mut peer, conn) = device(&server, "ann").await;
    for (payload, code) in [
        (json!({"code": "wse.server.rp.not-registered"}), "wse.server.rp.not-registered"),
        (json!({"code": "wse.server.rp.not-registered", "details": {"rp": "ask"}}), "wse.server.rp.not-registered"),
        (json!({"code": "broke", "message": "no money", "details": {"due": 5}}), "broke"),
        (json!({"no": "code"}), "wse.server.rp.failed"),
        (json!("text"), "wse.server.rp.failed"),
        (json!(null), "wse.server.rp.failed"),
    ] {
        let (call, stamp) = begin(&mut peer, &conn).await;
        peer.send(&json!(["~wse:response-err", payload, stamp]).to_string()).await;
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.code(), code, "{payload}");
        match error {
            CallError::NotRegistered(error) => {
                assert!(code.ends_with("not-registered"));
                assert_eq!(error.decode_details::<Value>().unwrap(), payload.get("details").cloned());
            }
            CallError::Failed(error) if code == "broke" => {
                assert_eq!(error.message.as_deref(), Some("no money"));
                assert_eq!(error.decode_details::<Value>().unwrap(), Some(json!({"due": 5})));
            }
            CallError::Failed(_) => assert_eq!(code, "wse.server.rp.failed"),
            other => panic!("{other:?}"),
        }
    }
    let (call, stamp) = begin(&mut peer, &conn).await;
    answer(&mut peer, json!("no number"), &stamp).await;
    assert!(matches!(call.await.unwrap(), Err(CallError::Decode(_))));
    let too_big = conn.call::<_, Value>("rp", "x".repeat(2 << 20)).await.unwrap_err();
    assert!(matches!(too_big, CallError::Send(wse::SendError::TooBig(_))), "{too_big:?}");
    assert!(matches!(conn.call::<_, Value>("~wse:call", 1).await, Err(CallError::Send(_))));
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]), "nothing else was sent");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_times_out_after_twenty_seconds_or_its_own_time() {
    let server = echoing(Limits { calls_per_conn: 1, ..Limits::default() });
    let (mut peer, conn) = device(&server, "ann").await;
    let (time, outcome) = timed(conn.call(DOUBLE, 1)).await;
    assert!(matches!(outcome, Err(CallError::TimedOut)) && about(time, 20 * S), "{time:?} {outcome:?}");
    let (time, outcome) = timed(conn.call_within(3 * S, DOUBLE, 1)).await;
    assert!(matches!(outcome, Err(CallError::TimedOut)) && about(time, 3 * S), "{time:?} {outcome:?}");
    assert_eq!(outcome.unwrap_err().code(), "wse.client.rp.timeout");
    // The late answers are dropped and never answered, and the connection stays.
    for _ in 0..2 {
        let stamp = recordings::stamp(&peer.text().await);
        answer(&mut peer, json!(2), &stamp).await;
    }
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_cancels_the_call_and_its_answer_is_dropped() {
    let server = echoing(Limits { calls_per_conn: 1, ..Limits::default() });
    let (mut peer, conn) = device(&server, "ann").await;
    let mut stamps = Vec::new();
    for _ in 0..3 {
        // There is one place only, so each must have given it back.
        let cancelled = tokio::time::timeout(S, conn.call(DOUBLE, 21)).await;
        assert!(cancelled.is_err(), "{cancelled:?}");
        stamps.push(recordings::stamp(&peer.text().await));
    }
    for stamp in stamps {
        answer(&mut peer, json!(42), &stamp).await;
    }
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]), "nothing else was sent");
    let (call, stamp) = begin(&mut peer, &conn).await;
    answer(&mut peer, json!(42), &stamp).await;
    assert_eq!(call.await.unwrap().unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_of_calls_the_caller_is_told_busy() {
    let server = echoing(Limits { calls_per_conn: 2, ..Limits::default() });
    let (mut peer, conn) = device(&server, "ann").await;
    let (one, stamp) = begin(&mut peer, &conn).await;
    let (_two, _) = begin(&mut peer, &conn).await;
    let busy = conn.call(DOUBLE, 3).await.unwrap_err();
    assert!(matches!(busy, CallError::Busy), "{busy:?}");
    let (mut other, others) = device(&server, "bob").await;
    begin(&mut other, &others).await;
    answer(&mut peer, json!(1), &stamp).await;
    one.await.unwrap().unwrap();
    begin(&mut peer, &conn).await;
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]), "the busy call was not sent");
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_end_with_the_connection() {
    let server = echoing(Limits::default());
    for (how, end) in [
        ("close", "1000 bye"),
        ("hang up", "1006"),
        ("drop", "1000 gone"),
        ("protocol error", "1000 wse.protocol-error"),
    ] {
        let (mut peer, conn) = device(&server, "ann").await;
        let (call, _) = begin(&mut peer, &conn).await;
        match how {
            "close" => peer.close(1000, "bye").await,
            "hang up" => drop(peer),
            "drop" => conn.drop("gone"),
            _ => peer.send("{{{").await,
        }
        let (time, outcome) = timed(call).await;
        let error = outcome.unwrap().unwrap_err();
        assert_eq!(error.code(), "wse.client.rp.disconnect");
        let CallError::Disconnected { closed } = error else { panic!("{how}: {error:?}") };
        assert_eq!(closed.to_string(), end, "{how}");
        assert!(time < S, "{how}: {time:?}");
        assert!(matches!(conn.call(DOUBLE, 1).await, Err(CallError::NotReady)), "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_another_connection_does_not_count() {
    let server = echoing(Limits { conns_per_user: 2, ..Limits::default() });
    let (mut ann, conn) = device(&server, "ann").await;
    let (mut twin, mut eve) = (enter(&server, "ann").await, enter(&server, "eve").await);
    let (call, stamp) = begin(&mut ann, &conn).await;
    for other in [&mut twin, &mut eve] {
        answer(other, json!(666), &stamp).await;
        other.send(&json!(["~wse:response-err", {"code": "x"}, stamp]).to_string()).await;
        assert_eq!(other.call("echo", json!(1)).await, json!(["~wse:response", 1]));
    }
    settle().await;
    assert!(!call.is_finished());
    answer(&mut ann, json!(42), &stamp).await;
    assert_eq!(call.await.unwrap().unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn answers_to_nothing_are_dropped_and_never_answered() {
    let server = echoing(Limits::default());
    let (mut peer, conn) = device(&server, "ann").await;
    let (call, stamp) = begin(&mut peer, &conn).await;
    for unknown in ["AAAAAAAAAAAAAAAA", "short", "", &stamp.to_lowercase(), &format!("{stamp} ")] {
        if *unknown != stamp {
            answer(&mut peer, json!(666), unknown).await;
        }
    }
    peer.send(r#"["~wse:response",1]"#).await;
    answer(&mut peer, json!(42), &stamp).await;
    answer(&mut peer, json!(43), &stamp).await;
    assert_eq!(call.await.unwrap().unwrap(), 42);
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]));
}

#[tokio::test(start_paused = true)]
async fn many_calls_are_told_apart_by_stamps_that_never_repeat() {
    let server = echoing(Limits::default());
    let (mut peer, conn) = device(&server, "ann").await;
    let calls = tokio::spawn(async move {
        let calls = (0..500u32).map(|number| conn.call::<_, u32>("double", number));
        join_all(calls).await
    });
    let mut open = Vec::new();
    for _ in 0..500 {
        open.push(peer.json().await);
    }
    let stamps: HashSet<&str> = open.iter().map(|call| call[2].as_str().unwrap()).collect();
    assert_eq!(stamps.len(), 500);
    assert!(stamps.iter().all(|stamp| stamp.len() == 16));
    for call in open.iter().rev() {
        answer(&mut peer, json!(2 * call[1].as_u64().unwrap()), call[2].as_str().unwrap()).await;
    }
    let results: Vec<u32> = calls.await.unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(results, (0..500).map(|number| 2 * number).collect::<Vec<u32>>());
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_call_the_device_that_called_it() {
    let server = server(|builder| {
        builder.register("twice", async |conn: Conn, n: u32| {
            let once = conn.call(DOUBLE, n).await.map_err(|error| wse::RpError::new(error.code()))?;
            Ok(conn.call_within(S, DOUBLE, once).await?)
        })
    });
    let mut peer = enter(&server, "ann").await;
    peer.ask("twice", json!(5), "outer").await;
    for _ in 0..2 {
        let call = peer.json().await;
        answer(&mut peer, json!(2 * call[1].as_u64().unwrap()), call[2].as_str().unwrap()).await;
    }
    assert_eq!(peer.text().await, r#"["~wse:response",20,"outer"]"#);
}
