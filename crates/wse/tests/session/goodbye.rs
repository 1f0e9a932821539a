//! What is said before a goodbye: how much has been taken in, so that who is told of the end knows
//! what arrived. Both halves frame by frame, and both together.

use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Semaphore;
use wse::{Backoff, Client, ClientEvent, Conn, Limits, SendError, Server};
use wse_test_peers::{
    Got, RawClient, RawServer, begin, counting, events, on_net, pipe_to, scripted, server, settle, soon, three_devices,
};

const S: Duration = Duration::from_secs(1);

async fn device(server: &Server) -> (RawClient, Conn) {
    let (peer, _) = begin(server, "ann", json!({})).await;
    (peer, server.user("ann").conns().remove(0))
}

#[tokio::test(start_paused = true)]
async fn before_its_close_frame_the_server_tells_what_it_has_taken_in() {
    let (server, _events) = three_devices();
    let (mut peer, conn) = device(&server).await;
    peer.say("unheard", json!(1)).await;
    peer.say("unheard", json!(2)).await;
    settle().await;
    conn.drop("enough");
    assert_eq!(peer.json().await, json!(["~wse:ack", 2, null]));
    assert_eq!(peer.closed().await, (1000, "enough".into()));

    let (mut peer, conn) = device(&server).await;
    peer.say("unheard", json!(1)).await;
    assert_eq!(peer.json().await, json!(["~wse:ack", 1, null]), "a second later");
    conn.drop("enough");
    assert_eq!(peer.closed().await, (1000, "enough".into()), "it has been told all");
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_close_frame_tells_what_was_taken_in() {
    let (server, _events) = three_devices();
    let (mut peer, _) = device(&server).await;
    peer.say("unheard", json!(1)).await;
    peer.close(1000, "").await;
    assert_eq!(peer.json().await, json!(["~wse:ack", 1, null]));
    assert_eq!(peer.next().await, Got::Close(Some((1000, String::new()))));
}

#[tokio::test(start_paused = true)]
async fn what_a_peer_acknowledges_behind_our_close_frame_has_arrived() {
    let (server, _events) = three_devices();
    let (mut peer, conn) = device(&server).await;
    let (first, second) = (conn.send("m", 1).unwrap(), conn.send("m", 2).unwrap());
    peer.json().await;
    peer.json().await;
    conn.drop("enough");
    assert!(matches!(peer.next().await, Got::Close(_)));
    let waiting = tokio::spawn(first.delivered());
    settle().await;
    assert!(!waiting.is_finished(), "the peer has not said goodbye");
    peer.say("~wse:ack", json!(1)).await;
    peer.say("unheard", json!(1)).await;
    peer.say("~wse:ack", json!(7)).await; // nobody minds any more
    waiting.await.unwrap().expect("it has arrived");
    peer.close(1000, "enough").await;
    assert!(matches!(second.delivered().await, Err(SendError::Unconfirmed)));
}

#[tokio::test(start_paused = true)]
async fn a_receipt_waits_for_a_goodbye_no_longer_than_the_close_timeout() {
    let (server, _events) = counting(Limits { close_timeout: 3 * S, ..Limits::default() });
    let (peer, conn) = device(&server).await;
    let receipt = conn.send("m", 1).unwrap();
    conn.drop("enough");
    let start = tokio::time::Instant::now();
    assert!(matches!(receipt.delivered().await, Err(SendError::Unconfirmed)));
    assert_eq!(start.elapsed().as_secs(), 3);
    drop(peer);
}

/// A server with one handler at a time, each waiting until it is let go.
fn busy() -> (Server, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let wait = gate.clone();
    let server = server(|builder| {
        builder.limits(Limits { handlers_per_conn: 1, ..Limits::default() }).on("work", async move |_: Conn, _: u32| {
            wait.acquire().await.expect("it is never closed").forget();
            Ok(())
        })
    });
    (server, gate)
}

#[tokio::test(start_paused = true)]
async fn what_a_drop_leaves_unhandled_is_not_acknowledged() {
    let (server, _gate) = busy();
    let (mut peer, conn) = device(&server).await;
    for n in 0..3 {
        peer.say("work", json!(n)).await;
    }
    settle().await;
    conn.drop("enough");
    assert!(matches!(peer.next().await, Got::Close(_)), "some of them wait, and nothing was told before");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_acknowledges_what_began_before_it_and_nothing_that_came_later() {
    let (server, gate) = busy();
    let (mut peer, _) = device(&server).await;
    peer.say("work", json!(1)).await;
    settle().await;
    let ending = tokio::spawn({
        let server = server.clone();
        async move { server.shutdown(20 * S).await }
    });
    settle().await;
    peer.say("work", json!(2)).await;
    assert_eq!(peer.json().await, json!(["~wse:ack", 1, null]), "a second after it came");
    gate.add_permits(2);
    assert!(matches!(peer.next().await, Got::Close(_)));
    peer.close(1012, "").await;
    ending.await.unwrap();

    let (server, gate) = busy();
    let (mut peer, _) = device(&server).await;
    for n in 0..2 {
        peer.say("work", json!(n)).await;
    }
    settle().await;
    let ending = tokio::spawn(async move { server.shutdown(20 * S).await });
    settle().await;
    gate.add_permits(2);
    assert!(matches!(peer.next().await, Got::Close(_)), "what waited was dropped");
    peer.close(1012, "").await;
    ending.await.unwrap();
}

async fn connected() -> (Client, RawServer) {
    let (builder, mut dials) = scripted();
    let granted = json!({"session": "t1", "cid": "ann", "seen": 0, "resumed": false, "beat": 25_000, "window": 60_000});
    let welcomed = async {
        let mut wire = dials.upgraded().await;
        wire.json().await;
        wire.send(&json!(["~wse:welcome", null, granted]).to_string()).await;
        wire
    };
    let (client, wire) = tokio::join!(builder.reconnect(Backoff::default()).connect(), welcomed);
    (client.expect("it is welcomed"), wire)
}

#[tokio::test(start_paused = true)]
async fn before_its_close_frame_the_client_tells_what_it_has_taken_in_and_hears_what_has_arrived() {
    let (client, mut wire) = connected().await;
    wire.say("unheard", json!(1)).await;
    settle().await;
    let receipt = client.send("m", 1).unwrap();
    assert_eq!(wire.json().await, json!(["m", 1, null]));
    let closing = tokio::spawn(async move { client.close("bye").await });
    assert_eq!(wire.json().await, json!(["~wse:ack", 1, null]));
    assert_eq!(wire.next().await, Got::Close(Some((1000, "bye".into()))));
    wire.say("~wse:ack", json!(1)).await;
    soon(receipt.delivered()).await.expect("the server said so before its goodbye");
    wire.close(1000, "bye").await;
    drop(wire);
    closing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_says_goodbye_learns_that_all_has_arrived() {
    let (when, mut told) = events();
    let server = server(|builder| builder.when(when).on("m", async |_: Conn, _: u32| Ok(())));
    let client = on_net(&[("a", &server)]).identity("ann").reconnect(Backoff::default());
    let client = client.on("m", async |_, _: u32| Ok(())).connect().await.unwrap();
    told.take(2).await;
    let theirs = server.user("ann").conns().remove(0).send("m", 1).unwrap();
    let ours = client.send("m", 1).unwrap();
    settle().await;
    let start = tokio::time::Instant::now();
    client.close("bye").await;
    ours.delivered().await.expect("it was handled");
    theirs.delivered().await.expect("it was handled");
    assert!(start.elapsed() < S, "nobody waits for the second of an ack");
}

#[tokio::test(start_paused = true)]
async fn a_client_of_a_server_that_restarts_is_told_that_it_lost_nothing() {
    let serve = || server(|builder| builder.on("m", async |_: Conn, _: u32| Ok(())));
    let now = Arc::new(Mutex::new(serve()));
    let dial = now.clone();
    let client = Client::builder("ws://a/").identity("ann").reconnect(Backoff::default()).dial(move |_| {
        let server = dial.lock().expect("no panic while locked").clone();
        std::future::ready(Ok::<_, std::io::Error>(pipe_to(server, 64 << 10)))
    });
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let client = client.when(async move |event| {
        if let ClientEvent::Ready { resumed, lost, .. } = event {
            let _ = tell.send((resumed, lost));
        }
    });
    let client = client.connect().await.unwrap();
    assert_eq!(told.recv().await, Some((false, 0)));
    for n in 0..5 {
        client.send("m", n).unwrap();
    }
    settle().await;
    let first = std::mem::replace(&mut *now.lock().expect("no panic while locked"), serve());
    first.shutdown(S).await;
    assert_eq!(told.recv().await, Some((false, 0)), "all of it was handled, and the server said so");
}

#[tokio::test(start_paused = true)]
async fn without_a_session_a_goodbye_is_a_close_frame_alone() {
    let (server, _events) = three_devices();
    let (mut peer, granted) = begin(&server, "ann", Value::Null).await;
    assert_eq!(granted, Value::Null);
    peer.say("unheard", json!(1)).await;
    settle().await;
    server.user("ann").conns().remove(0).drop("enough");
    assert_eq!(peer.closed().await, (1000, "enough".into()));
}
