//! Clients that come back in ways that no good network causes: too soon, too late, twice, with a wrong
//! count, over another wire. The server's half, frame by frame.

use http::Request;
use serde_json::{Value, json};
use std::time::Duration;
use wse::{Conn, Limits, Protocol, Server};
use wse_test_peers::{
    Got, RawClient, attach, attach_with, begin, counting, events, offering, pack, resent, resume, server, settle,
    three_devices, unpack,
};

const S: Duration = Duration::from_secs(1);

/// Says hi to resume, and nothing else.
async fn hi(server: &Server, name: &str, token: &Value) -> RawClient {
    let mut peer = attach(server);
    let session = json!({"resume": token, "seen": 0});
    peer.say("~wse:hi", json!({"identity": name, "session": session})).await;
    peer
}

#[tokio::test(start_paused = true)]
async fn of_two_that_race_for_one_token_one_resumes_and_the_other_is_to_come_again() {
    let (server, _events) = three_devices();
    let (peer, granted) = begin(&server, "ann", json!({})).await;
    drop(peer);
    settle().await;
    let (mut one, first) = resume(&server, "ann", &granted["session"], 0).await;
    assert_eq!(first["resumed"], true);
    let mut two = hi(&server, "ann", &granted["session"]).await;
    assert_eq!(two.next().await, Got::End, "nobody can tell yet whether the first welcome has arrived");
    one.say("unheard", json!(1)).await;
    assert_eq!(resent(&mut one).await, Vec::<Value>::new());
    let (_two, second) = resume(&server, "ann", &granted["session"], 0).await;
    assert_eq!(second["resumed"], false, "it has arrived");
    assert_eq!(server.user("ann").conn_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_count_leaves_the_token_as_it_is() {
    let (server, _events) = three_devices();
    let (peer, first) = begin(&server, "ann", json!({})).await;
    drop(peer);
    settle().await;
    let (peer, second) = resume(&server, "ann", &first["session"], 99).await;
    assert_eq!(second["resumed"], false);
    server.user("ann").conns()[1].send("m", "of the second").unwrap();
    drop(peer);
    settle().await;
    let (mut peer, granted) = resume(&server, "ann", &second["session"], 0).await;
    assert_eq!(granted["resumed"], true);
    assert_eq!(resent(&mut peer).await, [json!(["m", "of the second", null])]);
    let (_peer, granted) = resume(&server, "ann", &first["session"], 0).await;
    assert_eq!(granted["resumed"], true, "the first is still there for whoever knows better");
}

/// A device whose first connection was lost, and that goes on over another; and its first token.
async fn returned(server: &Server) -> (RawClient, Value) {
    let (peer, granted) = begin(server, "ann", json!({})).await;
    drop(peer);
    settle().await;
    let (mut peer, resumed) = resume(server, "ann", &granted["session"], 0).await;
    assert_eq!(resumed["resumed"], true);
    resent(&mut peer).await;
    peer.say("unheard", json!("it has its welcome")).await;
    settle().await;
    (peer, granted["session"].clone())
}

/// Reads the goodbye of a device that has to make room.
async fn pushed_out(live: &mut RawClient) {
    assert_eq!(live.json().await[0], "~wse:ack");
    assert_eq!(live.closed().await, (1000, "wse.clients-concurrency".into()));
}

#[tokio::test(start_paused = true)]
async fn a_hi_that_the_network_held_back_pushes_nobody_out() {
    let (server, mut events) = counting(Limits::default());
    let (mut live, old) = returned(&server).await;
    events.so_far();
    // The client gave that attempt up long ago; now its hi arrives, and its end a little later.
    let late = hi(&server, "ann", &old).await;
    settle().await;
    drop(late);
    settle().await;
    assert_eq!(events.take(2).await, ["connected ann 2", "disconnected ann 2 1006"], "and it is not kept");
    assert_eq!(live.call("slow", json!(0)).await, json!(["~wse:response", 0]));
    // Nor does it leave a place behind.
    let (_new, _) = begin(&server, "ann", json!({})).await;
    pushed_out(&mut live).await;
    assert_eq!(server.user("ann").conn_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_there_after_all_pushes_the_oldest_out_as_ever() {
    for answers in [false, true] {
        let (server, mut events) = counting(Limits::default());
        let (mut live, old) = returned(&server).await;
        events.so_far();
        let mut late = hi(&server, "ann", &old).await;
        assert_eq!(late.json().await[2]["resumed"], false);
        let Got::Ping(mark) = late.next().await else { panic!("it is asked whether it is there") };
        settle().await;
        assert_eq!(server.user("ann").conn_count(), 2);
        if answers {
            late.write(&wse_test_peers::frame(wse_frame::Opcode::Pong, &mark)).await;
        } else {
            late.say("unheard", json!(1)).await;
        }
        pushed_out(&mut live).await;
        settle().await;
        let told = events.so_far();
        assert!(told.contains(&"disconnected ann 1 1000 wse.clients-concurrency".to_owned()), "{told:?}");
        drop(late);
        settle().await;
        assert_eq!(events.next().await, "parked ann 2", "it has a session as every other");
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_that_are_late_only_the_last_one_waits() {
    let (server, mut events) = three_devices();
    let (mut live, old) = returned(&server).await;
    let (_second, _) = begin(&server, "ann", json!({})).await;
    let (_third, _) = begin(&server, "ann", json!({})).await;
    let mut late = Vec::new();
    for _ in 0..10 {
        late.push(hi(&server, "ann", &old).await);
        settle().await;
        assert_eq!(server.user("ann").conn_count(), 4, "three devices and one on trial");
    }
    for mut early in late.drain(..9) {
        assert_eq!(early.json().await[0], "~wse:welcome");
        assert!(matches!(early.next().await, Got::Ping(_)));
        assert_eq!(early.next().await, Got::Close(Some((1000, "wse.clients-concurrency".into()))));
    }
    assert_eq!(live.call("slow", json!(0)).await, json!(["~wse:response", 0]));
    // A new device is no late one: the oldest goes, and the one on trial stays so.
    let (_new, _) = begin(&server, "ann", json!({})).await;
    settle().await;
    assert_eq!(server.user("ann").conn_count(), 4);
    pushed_out(&mut live).await;
    let told = events.so_far();
    let gone = told.iter().filter(|event| event.ends_with("wse.clients-concurrency")).count();
    assert_eq!(gone, 10, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_with_the_token_of_a_trial_has_passed_it() {
    let (server, mut events) = counting(Limits::default());
    let (mut live, old) = returned(&server).await;
    let mut late = hi(&server, "ann", &old).await;
    let token = late.json().await[2]["session"].clone();
    events.so_far();
    let (_peer, granted) = resume(&server, "ann", &token, 0).await; // over another network
    assert_eq!(granted["resumed"], true);
    pushed_out(&mut live).await;
    settle().await;
    let told = events.so_far();
    assert!(told.contains(&"disconnected ann 1 1000 wse.clients-concurrency".to_owned()), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_in_the_way_a_late_one_is_a_device_as_any_other() {
    let (server, mut events) = three_devices();
    let (_live, old) = returned(&server).await;
    events.so_far();
    let (late, _) = resume(&server, "ann", &old, 0).await;
    drop(late);
    assert_eq!(events.take(2).await, ["connected ann 2", "parked ann 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_not_resumed_over_another_wire() {
    let limits = Limits { conns_per_user: 3, ..Limits::default() };
    let server = server(|builder| builder.protocols([Protocol::Wse, Protocol::WseMsgpack]).limits(limits));
    let (peer, granted) = begin(&server, "ann", json!({})).await;
    drop(peer);
    settle().await;
    let (mut other, _) = attach_with(&server, 64 << 10, offering("wse-msgpack"));
    let session = json!({"resume": granted["session"], "seen": 0});
    let hi = json!(["~wse:hi", {"identity": "ann", "session": session}, null]);
    other.write(&wse_test_peers::frame(wse_frame::Opcode::Binary, &pack(&hi))).await;
    let Got::Binary(welcome) = other.next().await else { panic!("no welcome") };
    assert_eq!(unpack(&welcome)[2]["resumed"], false);
    let (_peer, granted) = resume(&server, "ann", &granted["session"], 0).await;
    assert_eq!(granted["resumed"], true, "it was left alone");
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_does_not_count_against_the_queue() {
    let limits = Limits { queue_bytes: 20_000, queue_bytes_max: 20_000, ..Limits::default() };
    let (server, _events) = counting(limits);
    let (mut peer, granted) = begin(&server, "ann", json!({})).await;
    let conn = server.user("ann").conns().remove(0);
    for _ in 0..60 {
        conn.send("m", "x".repeat(1000)).unwrap();
        peer.json().await;
    }
    drop(peer);
    settle().await;
    let (mut peer, _) = attach_with(&server, 100, Request::new(())); // it reads slowly
    let session = json!({"resume": granted["session"], "seen": 0});
    peer.say("~wse:hi", json!({"identity": "ann", "session": session})).await;
    assert_eq!(peer.json().await[2]["resumed"], true);
    conn.send("m", "one more").expect("60 kB are sent again, and the queue is for what is new");
    assert_eq!(peer.json().await[0], "~wse:ack", "it announces them");
    assert_eq!(resent(&mut peer).await.len(), 60);
    assert_eq!(peer.json().await[1], "one more");
}

#[tokio::test(start_paused = true)]
async fn an_ack_goes_out_after_64_kib_without_waiting_for_its_second() {
    let (server, _events) = counting(Limits::default());
    let (mut peer, _) = begin(&server, "ann", json!({})).await;
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        peer.say("unheard", json!("x".repeat(30_000))).await;
    }
    assert_eq!(peer.json().await, json!(["~wse:ack", 3, null]));
    assert!(start.elapsed() < S);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_handlers_counts_for_the_parked() {
    let limits = Limits {
        handlers_per_conn: 1,
        conns_per_user: 10,
        parked_bytes: 100 << 10,
        inbox_bytes: 60 << 10,
        ..Limits::default()
    };
    let (when, mut told) = events();
    let server = server(|builder| {
        builder.when(when).limits(limits).on("wait", async |_: Conn, _: Value| {
            std::future::pending::<()>().await;
            Ok(())
        })
    });
    for _ in 0..2 {
        let (mut peer, _) = begin(&server, "ann", json!({})).await;
        for _ in 0..11 {
            peer.say("wait", json!("x".repeat(5000))).await;
        }
        settle().await;
        drop(peer);
        settle().await;
    }
    let told = told.so_far();
    assert!(told.contains(&"disconnected ann 1 1013 wse.slow".to_owned()), "two inboxes of 50 kB: {told:?}");
}
