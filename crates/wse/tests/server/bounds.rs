//! What is too big for a queue, and what a user may leave behind: refused at once and told, and
//! nobody else is harmed.

use serde_json::{Value, json};
use std::{future::pending, sync::Arc};
use tokio::sync::Semaphore;
use wse::{Limits, SendError, Server, Stranger};
use wse_test_peers::{RawClient, attach, enter, events, log, server, settle};

const QUEUE: usize = 10_000;

fn small_queue() -> Limits {
    Limits { queue_bytes: QUEUE, ..Limits::default() }
}

#[tokio::test(start_paused = true)]
async fn a_quest_or_a_welcome_larger_than_the_queue_ends_the_device_at_once_and_is_reported() {
    for size in [QUEUE - 32, QUEUE, QUEUE + 1, 3 * QUEUE] {
        let (when, mut events) = events();
        let server = Server::builder()
            .limits(small_queue())
            .when(when)
            .identify(async move |stranger: Stranger, how: String| {
                let big = "x".repeat(size);
                Ok(if how == "quest" { stranger.challenge(&big) } else { stranger.accept(how).welcome(&big) })
            })
            .build();
        for how in ["quest", "welcome"] {
            let mut peer = attach(&server);
            let start = tokio::time::Instant::now();
            peer.hi(json!(how), json!({})).await;
            let (code, reason) = peer.closed().await;
            assert!(code == 1013 && reason.starts_with("wse.later after=100"), "{how} of {size}: {reason}");
            assert!(start.elapsed().is_zero(), "{how} of {size}: {:?}", start.elapsed());
            let event = events.next().await;
            let told = event.starts_with("error nobody wse.not-authorized ")
                && event.contains("is larger than the send queue");
            assert!(told, "{how} of {size}: {event}");
        }
        settle().await;
        assert!(events.so_far().is_empty());
        assert_eq!((server.conn_count(), server.user_count()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_quest_and_a_welcome_that_just_fit_are_sent() {
    let server = Server::builder()
        .limits(small_queue())
        .identify(async |stranger: Stranger, (): ()| {
            let big = "x".repeat(QUEUE - 100);
            Ok(match stranger.answer::<String, Value>()? {
                None => stranger.challenge(&big),
                Some(_) => stranger.accept("ann").welcome(&big),
            })
        })
        .build();
    let mut peer = attach(&server);
    peer.hi(Value::Null, json!({})).await;
    assert_eq!(peer.json().await[0], "~wse:challenge");
    peer.say("~wse:challenge", json!(1)).await;
    assert_eq!(peer.json().await[0], "~wse:welcome");
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_a_queue_is_sent_to_nobody_and_harms_nobody() {
    let server = server(|builder| builder.limits(small_queue()));
    let mut peers = [enter(&server, "ann").await, enter(&server, "bob").await];
    let big = || "x".repeat(QUEUE);
    let conn = server.user("ann").conns().remove(0);
    for (what, sent) in [
        ("broadcast", server.broadcast("m", big()).err()),
        ("everyone", server.everyone().except(&conn).send("m", big()).err()),
        ("encode", server.encode("m", big()).err()),
        ("user", server.user("ann").send("m", big()).err()),
        ("nobody", server.user("carl").send("m", big()).err()),
        ("conn", conn.send("m", big()).err()),
    ] {
        assert!(matches!(sent, Some(SendError::TooBig(size)) if size > QUEUE), "{what}: {sent:?}");
    }
    assert_eq!(server.broadcast("m", "small").unwrap().here, 2);
    for peer in &mut peers {
        assert_eq!(peer.text().await, r#"["m","small",null]"#);
        peer.hears_nothing().await;
    }
    assert_eq!(server.conn_count(), 2);
}

/// The handlers that a user may leave behind with its connections.
const LEFT_BEHIND: usize = 64;

/// A connection with a handler that outlives it.
async fn leave_a_handler_behind(server: &Server, name: &str) {
    let mut peer: RawClient = enter(server, name).await;
    peer.send(r#"["hang"]"#).await;
    settle().await;
    drop(peer);
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_user_whose_handlers_outlive_its_connections_is_held_off_until_one_ends() {
    let (open, started) = (Arc::new(Semaphore::new(0)), log());
    let (gate, starts) = (open.clone(), started.clone());
    let limits = Limits { conns_per_user: 1, ..Limits::default() };
    let server = server(|builder| {
        builder.limits(limits).on("hang", async move |_, (): ()| {
            starts.add("started");
            match gate.acquire().await {
                Ok(permit) => permit.forget(),
                Err(_) => pending().await,
            }
            Ok(())
        })
    });
    for _ in 0..LEFT_BEHIND {
        leave_a_handler_behind(&server, "ann").await;
    }
    assert_eq!((started.len(), server.conn_count(), server.user_count()), (LEFT_BEHIND, 0, 0));
    for _ in 0..2 {
        let mut refused = attach(&server);
        refused.hi(json!("ann"), json!({})).await;
        assert_eq!(refused.closed().await, (1013, "wse.slow".into()));
    }
    // Another user is none the worse.
    enter(&server, "bob").await.leave().await;
    // One handler ends, one device gets in; the one after it does not.
    open.add_permits(1);
    settle().await;
    leave_a_handler_behind(&server, "ann").await;
    let mut refused = attach(&server);
    refused.hi(json!("ann"), json!({})).await;
    assert_eq!(refused.closed().await, (1013, "wse.slow".into()));
    // All end, and nothing is kept against the user.
    open.add_permits(LEFT_BEHIND);
    settle().await;
    for _ in 0..2 * LEFT_BEHIND {
        enter(&server, "ann").await.leave().await;
    }
    assert_eq!(server.conn_count(), 0);
}
