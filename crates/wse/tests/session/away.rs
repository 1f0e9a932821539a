//! A client that closes with 1001 goes away and may come back: a page that a browser has put aside, a proxy
//! that stops. Its session is parked.

use http::Request;
use serde_json::json;
use std::time::Duration;
use wse::Limits;
use wse_test_peers::{Got, about, attach_with, begin, counting, enter, resent, resume, settle, timed};

const S: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_close_with_1001_is_answered_and_parks_the_session_as_often_as_it_comes() {
    let (server, mut events) = counting(Limits::default());
    let (mut peer, mut granted) = begin(&server, "ann", json!({})).await;
    assert_eq!(events.take(2).await, ["joined ann", "connected ann 1"]);
    let conn = server.user("ann").conns().remove(0);
    for round in 0..3 {
        peer.close(1001, "aside").await;
        assert_eq!(peer.next().await, Got::Close(Some((1001, "aside".into()))));
        assert_eq!(peer.next().await, Got::End, "the server hangs up first");
        assert_eq!(events.take(1).await, ["parked ann 1"]);
        assert!(conn.is_open());
        conn.send("m", round).expect("it is kept");
        (peer, granted) = resume(&server, "ann", &granted["session"], round).await;
        assert_eq!(granted["resumed"], true);
        assert_eq!(events.take(1).await, ["resumed ann 1"]);
        assert_eq!(resent(&mut peer).await, [json!(["m", round, null])]);
    }
    peer.say("~wse:ack", json!(3)).await;
    peer.close(1000, "").await;
    assert_eq!(events.take(2).await, ["disconnected ann 1 1000", "left ann 1000"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gives_an_attempt_up_while_its_welcome_is_under_way_keeps_its_session() {
    let (server, mut events) = counting(Limits::default());
    let (peer, mut granted) = begin(&server, "ann", json!({})).await;
    let conn = server.user("ann").conns().remove(0);
    drop(peer);
    assert_eq!(events.take(3).await[2], "parked ann 1");
    conn.send("m", 1).expect("it is kept");
    for code in [1000, 4000] {
        let mut late;
        (late, granted) = resume(&server, "ann", &granted["session"], 0).await;
        late.close(code, "").await;
        assert_eq!(events.take(2).await, ["resumed ann 1", "parked ann 1"], "{code}");
    }
    let (mut peer, granted) = resume(&server, "ann", &granted["session"], 0).await;
    assert_eq!(granted["resumed"], true);
    assert_eq!(resent(&mut peer).await, [json!(["m", 1, null])]);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_come_back_has_left_with_1001_when_the_window_is_over() {
    let (server, mut events) = counting(Limits::default());
    let (mut peer, _) = begin(&server, "ann", json!({})).await;
    peer.close(1001, "").await;
    assert_eq!(events.take(3).await[2], "parked ann 1");
    let (waited, told) = timed(events.take(2)).await;
    assert!(about(waited, 60 * S), "{waited:?}");
    assert_eq!(told, ["disconnected ann 1 1001", "left ann 1001"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_session_1001_is_the_end() {
    let (server, mut events) = counting(Limits::default());
    let mut peer = enter(&server, "ann").await;
    peer.close(1001, "").await;
    assert_eq!(peer.next().await, Got::Close(Some((1001, String::new()))));
    assert_eq!(events.take(4).await[2..], ["disconnected ann 1 1001", "left ann 1001"]);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_was_dropped_before_its_1001_came_is_gone() {
    let (server, mut events) = counting(Limits::default());
    let (mut peer, granted) = begin(&server, "ann", json!({})).await;
    server.drop_user("ann", "bye");
    assert_eq!(peer.next().await, Got::Close(Some((1000, "bye".into()))));
    peer.close(1001, "").await;
    assert_eq!(events.take(4).await[2..], ["disconnected ann 1 1000 bye", "left ann 1000 bye"]);
    assert_eq!(resume(&server, "ann", &granted["session"], 0).await.1["resumed"], false);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_being_written_is_cut_off_and_sent_again() {
    let (server, _events) = counting(Limits::default());
    let (mut peer, _ended) = attach_with(&server, 512, Request::new(()));
    peer.say("~wse:hi", json!({"identity": "ann", "session": {}})).await;
    let granted = peer.json().await[2].clone();
    let conn = server.user("ann").conns().remove(0);
    conn.send("m", "x".repeat(10_000)).expect("it is sent");
    settle().await;
    peer.close(1001, "").await;
    assert_eq!(peer.next().await, Got::End, "a part of a frame, and no close frame in the middle of it");
    let (mut peer, _) = resume(&server, "ann", &granted["session"], 0).await;
    assert_eq!(resent(&mut peer).await[0][1].as_str().map(str::len), Some(10_000));
}
