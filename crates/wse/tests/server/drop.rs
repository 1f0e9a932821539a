//! What becomes of a device that the application drops: nothing of it is heard from that moment,
//! wherever it waits.

use http::Request;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Notify;
use wse::{Conn, Limits, Server};
use wse_test_peers::{Log, PIPE, attach_with, end, enter, log, server, settle, text};

/// A server that writes down every `m`, whose `drop` bans the device, and whose `busy` waits.
fn banning(limits: Limits, log: &Log, free: &Arc<Notify>) -> Server {
    let (handled, called, free) = (log.clone(), log.clone(), free.clone());
    server(|builder| {
        builder
            .limits(limits)
            .on("m", async move |_, what: String| {
                handled.add(what);
                Ok(())
            })
            .register("call", async move |_, what: String| {
                called.add(&what);
                Ok(what)
            })
            .on("drop", async |conn: Conn, (): ()| {
                conn.drop("banned");
                Ok(())
            })
            .on("busy", async move |_, (): ()| {
                free.notified().await;
                Ok(())
            })
    })
}

#[tokio::test(start_paused = true)]
async fn a_device_that_its_handler_drops_is_deaf_to_the_rest_of_the_segment() {
    let (log, free) = (log(), Arc::default());
    let server = banning(Limits::default(), &log, &free);
    let (mut peer, ended) = attach_with(&server, PIPE, Request::new(()));
    peer.enter("ann").await;
    let after = [text(r#"["m","after"]"#), text(r#"["call","after","stamp"]"#)].concat();
    peer.write(&[text(r#"["m","before"]"#), text(r#"["drop"]"#), after].concat()).await;
    assert_eq!(peer.closed().await, (1000, "banned".into()));
    assert_eq!(end(ended).await, "1000 banned");
    assert_eq!(log.take(), ["before"]);
}

#[tokio::test(start_paused = true)]
async fn a_device_whose_waiting_message_drops_it_is_deaf_to_what_waits_behind() {
    let (log, free) = (log(), Arc::<Notify>::default());
    let server = banning(Limits { handlers_per_conn: 1, ..Limits::default() }, &log, &free);
    let mut peer = enter(&server, "ann").await;
    peer.send(r#"["busy"]"#).await;
    peer.say("m", json!("before")).await;
    peer.send(r#"["drop"]"#).await;
    peer.say("m", json!("after")).await;
    settle().await;
    free.notify_one();
    assert_eq!(peer.closed().await, (1000, "banned".into()));
    settle().await;
    assert_eq!(log.take(), ["before"]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_the_inbox_of_a_user_that_is_dropped_never_starts() {
    let (log, free) = (log(), Arc::<Notify>::default());
    let server = banning(Limits { handlers_per_conn: 1, ..Limits::default() }, &log, &free);
    let mut peer = enter(&server, "ann").await;
    peer.send(r#"["busy"]"#).await;
    peer.say("m", json!("waits")).await;
    peer.ask("call", json!("waits"), "stamp").await;
    settle().await;
    // The place becomes free in the same moment, before the connection has looked.
    let dropping = server.clone();
    let dropped = tokio::spawn(async move {
        free.notify_one();
        dropping.user("ann").drop("banned")
    });
    assert_eq!(dropped.await.unwrap(), 1);
    assert_eq!(peer.closed().await, (1000, "banned".into()));
    settle().await;
    assert_eq!(log.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_the_server_sent_before_the_drop_still_arrives_and_nothing_after() {
    let (log, free) = (log(), Arc::default());
    let server = banning(Limits::default(), &log, &free);
    let mut peer = enter(&server, "ann").await;
    let conn = server.user("ann").conns().remove(0);
    conn.send("news", 1).unwrap();
    conn.drop("banned");
    conn.send("news", 2).unwrap_err();
    assert_eq!(peer.json().await[1], Value::from(1));
    assert_eq!(peer.closed().await, (1000, "banned".into()));
}
