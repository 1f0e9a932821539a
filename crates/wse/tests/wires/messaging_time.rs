//! The heartbeat of `ws-messaging` on the server: calls of `ping` instead of frames, counted from the
//! last answer, whatever else is said.

use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, sleep_until},
};
use wse::{Conn, Limits, Server, WsMessaging, with};
use wse_frame::Opcode;
use wse_test_peers::{Got, RawClient, about, attach_to, end, enter_messaging, events, frame, messaging, settle, timed};

const S: Duration = Duration::from_secs(1);

/// The next frame, which must be the ping of that number.
async fn pinged(peer: &mut RawClient, id: u64) {
    assert_eq!(peer.text().await, format!(r#"{{"name":"ping","args":[],"id":{id}}}"#));
}

#[tokio::test(start_paused = true)]
async fn a_device_is_pinged_after_20_s_and_closed_20_s_later() {
    let (when, mut events) = events();
    let server = messaging(|builder| builder.when(when));
    let (mut peer, ended) = attach_to(&server, "ws-messaging");
    peer.auth(json!("ann")).await;
    let start = Instant::now();
    pinged(&mut peer, 1).await;
    assert!(about(start.elapsed(), 20 * S), "{:?}", start.elapsed());
    let closed = peer.closed().await;
    assert!(about(start.elapsed(), 40 * S), "{:?}", start.elapsed());
    assert_eq!(closed, (4008, "Ping timeout".into()));
    assert_eq!(end(ended).await, "4008 Ping timeout");
    assert_eq!(events.take(4).await[2..], ["disconnected ann 1 4008 Ping timeout", "left ann 4008 Ping timeout"]);
}

#[tokio::test(start_paused = true)]
async fn whole_messages_do_not_stand_for_the_answer_however_many_bytes_they_are() {
    let server = messaging(|builder| builder);
    let mut peer = enter_messaging(&server, "ann").await;
    let start = Instant::now();
    let chatter = format!(r#"{{"name":"m","args":["{}"]}}"#, "x".repeat(200));
    while start.elapsed() < 39 * S {
        peer.send(&chatter).await; // 4 kB/s
        sleep(S / 20).await;
    }
    pinged(&mut peer, 1).await;
    assert_eq!(peer.closed().await, (4008, "Ping timeout".into()));
    assert!(about(start.elapsed(), 40 * S), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_next_ping_comes_20_s_after_the_last_answer_and_has_the_next_number() {
    let server = messaging(|builder| builder);
    let mut peer = enter_messaging(&server, "ann").await;
    let start = Instant::now();
    for (id, answer) in [(1, "null"), (2, "[1]"), (3, "null")] {
        pinged(&mut peer, id).await;
        let at = start + u32::try_from(id).unwrap() * 39 * S - 19 * S;
        assert!(about(start.elapsed(), at - start), "{id}: {:?}", start.elapsed());
        sleep_until(at + 19 * S).await;
        peer.send(&format!(r#"{{"id":{id},"result":{answer}}}"#)).await;
    }
    pinged(&mut peer, 4).await;
}

#[tokio::test(start_paused = true)]
async fn traffic_neither_postpones_the_ping_nor_counts_as_its_answer() {
    let server = messaging(|builder| builder.register("echo", async |_, what: Value| Ok(what)));
    let mut peer = enter_messaging(&server, "ann").await;
    let conn = server.user("ann").conns().remove(0);
    let start = Instant::now();
    let calling = tokio::spawn(async move { conn.call::<_, Value>("its", 1).await });
    assert_eq!(peer.text().await, r#"{"name":"its","args":[1],"id":1}"#);
    let talk = async |peer: &mut RawClient| {
        peer.emit("m", json!([])).await;
        peer.invoke("echo", json!([1]), 1).await;
        assert_eq!(peer.text().await, r#"{"id":1,"result":1}"#);
        peer.write(&frame(Opcode::Ping, b"hey")).await;
        assert_eq!(peer.next().await, Got::Pong(b"hey".to_vec()));
        peer.write(&frame(Opcode::Pong, b"")).await;
        peer.invoke("ping", json!([]), 2).await;
        assert_eq!(peer.text().await, r#"{"id":2,"result":null}"#);
    };
    sleep_until(start + 15 * S).await;
    talk(&mut peer).await;
    peer.send(r#"{"id":1,"result":"an answer, but to no ping"}"#).await;
    calling.await.unwrap().unwrap();
    pinged(&mut peer, 2).await;
    assert!(about(start.elapsed(), 20 * S), "{:?}", start.elapsed());
    sleep_until(start + 35 * S).await;
    talk(&mut peer).await;
    for id in ["1", "3", "20"] {
        peer.send(&format!(r#"{{"id":{id},"result":null}}"#)).await;
    }
    assert_eq!(peer.closed().await, (4008, "Ping timeout".into()));
    assert!(about(start.elapsed(), 40 * S), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_times_are_options_and_an_interval_of_zero_pings_nobody() {
    let with = |options: WsMessaging| wse_test_peers::server(|builder| builder.protocols([options.into()]));
    let server = with(WsMessaging::new().ping(3 * S, 2 * S));
    let mut peer = enter_messaging(&server, "ann").await;
    let start = Instant::now();
    pinged(&mut peer, 1).await;
    assert!(about(start.elapsed(), 3 * S), "{:?}", start.elapsed());
    assert_eq!(peer.closed().await.0, 4008);
    assert!(about(start.elapsed(), 5 * S), "{:?}", start.elapsed());

    let server = with(WsMessaging::new().ping(Duration::ZERO, S));
    let mut peer = enter_messaging(&server, "ann").await;
    sleep(Duration::from_secs(100_000)).await;
    peer.hears_nothing().await;
    assert_eq!(server.conn_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_heartbeats_of_the_two_wires_do_not_mix() {
    let limits = Limits { ping_interval: 5 * S, ping_timeout: S, ..Limits::default() };
    let server = messaging(|builder| builder.limits(limits));
    let mut messaging = enter_messaging(&server, "ann").await;
    let (mut wse, _) = attach_to(&server, "wse-default-json");
    wse.enter("bob").await;
    let (time, got) = timed(wse.next()).await;
    assert!(matches!(got, Got::Ping(_)) && about(time, 5 * S), "{got:?} {time:?}");
    pinged(&mut messaging, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_does_not_answer_the_close_frame_is_cut_2_s_later() {
    let server = messaging(|builder| builder);
    let (mut peer, ended) = attach_to(&server, "ws-messaging");
    peer.auth(json!("ann")).await;
    pinged(&mut peer, 1).await;
    assert_eq!(peer.next().await, Got::Close(Some((4008, "Ping timeout".into()))));
    let (time, got) = timed(peer.next()).await;
    assert_eq!(got, Got::End);
    assert!(about(time, 2 * S), "{time:?}");
    assert_eq!(end(ended).await, "4008 Ping timeout");
}

/// A server that handles `work` one after the other, as permits are given.
fn at_work(permits: &Arc<Semaphore>) -> Server {
    messaging(|builder| {
        builder.limits(Limits { handlers_per_conn: 1, inbox_bytes: 1000, ..Limits::default() }).on(
            "work",
            with(permits, async |permits: Arc<Semaphore>, _: Conn, _: Value| {
                permits.acquire().await?.forget();
                Ok(())
            }),
        )
    })
}

#[tokio::test(start_paused = true)]
async fn a_device_whose_inbox_is_full_is_pinged_and_not_taken_for_dead() {
    let permits = Arc::new(Semaphore::new(0));
    let server = at_work(&permits);
    let mut peer = enter_messaging(&server, "ann").await;
    let start = Instant::now();
    for _ in 0..100 {
        peer.emit("work", json!(["x".repeat(20)])).await;
    }
    settle().await;
    // It answers every ping, but nobody reads that.
    for id in 1..=5 {
        pinged(&mut peer, id).await;
        assert!(about(start.elapsed(), 20 * u32::try_from(id).unwrap() * S), "{:?}", start.elapsed());
        peer.send(&format!(r#"{{"id":{id},"result":null}}"#)).await;
    }
    assert_eq!(server.conn_count(), 1);
    permits.add_permits(100);
    // From its answer on, which is read now, it is as ever.
    let read = start.elapsed();
    pinged(&mut peer, 6).await;
    assert!(about(start.elapsed(), read + 20 * S), "{:?}", start.elapsed());
    assert_eq!(peer.closed().await.0, 4008);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_has_gone_while_its_inbox_is_full_is_found_out_by_the_ping() {
    let permits = Arc::new(Semaphore::new(0));
    let server = at_work(&permits);
    let (mut peer, _ended) = attach_to(&server, "ws-messaging");
    peer.auth(json!("ann")).await;
    for _ in 0..100 {
        peer.emit("work", json!(["x".repeat(20)])).await;
    }
    settle().await;
    drop(peer);
    settle().await;
    assert_eq!(server.conn_count(), 1, "nobody reads its end");
    sleep(21 * S).await;
    assert_eq!(server.conn_count(), 0);
}
