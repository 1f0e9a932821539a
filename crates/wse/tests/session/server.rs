//! The server's half of a session, frame by frame, against a raw peer: what goes on after a cut.

use http::Request;
use serde_json::json;
use std::time::Duration;
use wse::Limits;
use wse_test_peers::{
    Got, RawClient, about, attach_with, begin, counting, end, resent, resume, settle, three_devices, timed,
};

const S: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_peer_that_asks_is_granted_one_and_no_other_hears_of_it() {
    let (server, _events) = three_devices();
    let (_peer, granted) = begin(&server, "ann", json!({})).await;
    let token = granted["session"].as_str().expect("a token").to_owned();
    assert_eq!(token.len(), 44);
    let expected = json!({
        "session": token, "cid": "ann", "seen": 0, "resumed": false,
        "beat": 25000, "window": 60000, "message_bytes": 1 << 20,
    });
    assert_eq!(granted, expected);
    for nothing in [json!(null), json!(true), json!([]), json!("x")] {
        let (_peer, granted) = begin(&server, "bob", nothing.clone()).await;
        assert_eq!(granted, json!(null), "{nothing}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_conn_goes_on_and_what_was_not_seen_is_sent_again() {
    let (server, mut events) = three_devices();
    let (mut peer, granted) = begin(&server, "ann", json!({})).await;
    peer.say("echo", json!(1)).await;
    peer.say("echo", json!(2)).await;
    assert_eq!((peer.json().await[1].clone(), peer.json().await[1].clone()), (json!(1), json!(2)));
    let conn = server.user("ann").conns().remove(0);
    drop(peer);
    settle().await;
    assert!(conn.is_open());
    assert_eq!((server.user_count(), server.conn_count()), (1, 1));
    conn.send("while-away", 3).unwrap();

    let (mut peer, granted) = resume(&server, "ann", &granted["session"], 1).await;
    assert_eq!((&granted["resumed"], &granted["seen"]), (&json!(true), &json!(2)));
    assert_eq!(resent(&mut peer).await, [json!(["echo", 2, null]), json!(["while-away", 3, null])]);
    assert!(server.user("ann").conns() == [conn.clone()] && server.device(conn.id()).conn() == Some(conn));
    peer.say("echo", json!(4)).await;
    assert_eq!(peer.json().await, json!(["echo", 4, null]));
    let told = ["joined ann", "connected ann 1", "parked ann 1", "resumed ann 1"];
    assert_eq!(events.take(4).await, told);
    peer.close(1000, "").await;
    assert_eq!(events.take(2).await, ["disconnected ann 1 1000", "left ann 1000"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_is_not_sent_again_and_what_came_is_acknowledged() {
    let (server, _events) = three_devices();
    let (mut peer, granted) = begin(&server, "ann", json!({})).await;
    let conn = server.user("ann").conns().remove(0);
    for n in 0..40 {
        conn.send("n", n).unwrap();
        assert_eq!(peer.json().await[1], n);
    }
    peer.say("~wse:ack", json!(39)).await;
    peer.say("unheard", json!(0)).await;
    let (waited, ack) = timed(peer.json()).await;
    assert!(about(waited, S), "{waited:?}");
    assert_eq!(ack, json!(["~wse:ack", 1, null]), "the ack of the peer is not counted");
    for n in 0..32 {
        peer.say("unheard", json!(n)).await;
    }
    let (waited, ack) = timed(peer.json()).await;
    assert!(about(waited, Duration::ZERO), "{waited:?}");
    assert_eq!(ack, json!(["~wse:ack", 33, null]));
    drop(peer);
    let (mut peer, granted) = resume(&server, "ann", &granted["session"], 39).await;
    assert_eq!(granted["seen"], 33);
    assert_eq!(resent(&mut peer).await, [json!(["n", 39, null])]);
}

#[tokio::test(start_paused = true)]
async fn the_server_says_something_in_every_beat() {
    let (server, _events) = three_devices();
    let (mut peer, _) = begin(&server, "ann", json!({})).await;
    for _ in 0..3 {
        let (waited, ack) = timed(async {
            loop {
                match peer.next().await {
                    Got::Text(text) => return text,
                    Got::Ping(_) => peer.write(&wse_test_peers::frame(wse_frame::Opcode::Pong, b"")).await,
                    other => panic!("{other:?}"),
                }
            }
        })
        .await;
        assert!(about(waited, 25 * S), "{waited:?}");
        assert_eq!(ack, r#"["~wse:ack",0,null]"#);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_both_sides_stay_in_flight_and_handlers_finish_during_the_cut() {
    let (server, _events) = three_devices();
    let (mut peer, granted) = begin(&server, "ann", json!({})).await;
    let conn = server.user("ann").conns().remove(0);
    let calling = tokio::spawn(async move { conn.call::<_, u32>("double", 4).await });
    let call = peer.json().await;
    peer.ask("slow", json!(2), "mine").await;
    settle().await;
    drop(peer);
    tokio::time::sleep(5 * S).await;

    let (mut peer, granted) = resume(&server, "ann", &granted["session"], 1).await;
    assert_eq!(granted["seen"], 1);
    assert_eq!(resent(&mut peer).await, [json!(["~wse:response", 2, "mine"])]);
    peer.send(&json!(["~wse:response", 8, call[2]]).to_string()).await;
    assert_eq!(calling.await.unwrap().unwrap(), 8);
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_a_call_runs_on_during_the_cut() {
    let (server, _events) = three_devices();
    let (mut peer, _) = begin(&server, "ann", json!({})).await;
    let conn = server.user("ann").conns().remove(0);
    let calling = tokio::spawn(async move { conn.call_within::<_, u32>(10 * S, "double", 4).await });
    peer.json().await;
    drop(peer);
    let (waited, called) = timed(calling).await;
    assert!(about(waited, 10 * S), "{waited:?}");
    assert!(matches!(called.unwrap(), Err(wse::CallError::TimedOut)));
}

#[tokio::test(start_paused = true)]
async fn a_session_is_resumed_while_the_old_connection_still_stands() {
    let (server, mut events) = three_devices();
    let (mut old, granted) = begin(&server, "ann", json!({})).await;
    old.say("unheard", json!(1)).await;
    settle().await;
    let conn = server.user("ann").conns().remove(0);
    let (mut peer, granted) = resume(&server, "ann", &granted["session"], 0).await;
    assert_eq!((&granted["resumed"], &granted["seen"]), (&json!(true), &json!(1)));
    resent(&mut peer).await;
    assert_eq!(old.next().await, Got::End, "without a close frame");
    conn.send("to", "the new one").unwrap();
    assert_eq!(peer.json().await[1], "the new one");
    let told = ["joined ann", "connected ann 1", "ignored ann unheard 1", "parked ann 1", "resumed ann 1"];
    assert_eq!(events.take(5).await, told);
}

#[tokio::test(start_paused = true)]
async fn messages_that_came_before_the_cut_are_handled_during_it() {
    let limits = Limits { handlers_per_conn: 1, ..Limits::default() };
    let (server, _events) = counting(limits);
    let (mut peer, granted) = begin(&server, "ann", json!({})).await;
    for stamp in ["a", "b", "c"] {
        peer.ask("slow", json!(1), stamp).await;
    }
    settle().await;
    drop(peer);
    tokio::time::sleep(10 * S).await;
    let (mut peer, granted) = resume(&server, "ann", &granted["session"], 0).await;
    assert_eq!(granted["seen"], 3);
    let stamps: Vec<_> = resent(&mut peer).await.iter().map(|answer| answer[2].clone()).collect();
    assert_eq!(stamps, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn an_attached_stream_of_another_kind_can_resume_and_tell_how_it_went() {
    let (server, _events) = three_devices();
    let (mut peer, first) = attach_with(&server, wse_test_peers::PIPE, Request::new(()));
    peer.say("~wse:hi", json!({"identity": "ann", "session": {}})).await;
    let granted = peer.json().await[2].clone();
    drop(peer);
    settle().await;
    let (ours, theirs) = tokio::io::duplex(1000);
    let theirs = tokio::io::BufStream::new(theirs);
    let second = server.attach(theirs, Request::new(())).unwrap();
    let mut peer = RawClient::new(ours);
    peer.say("~wse:hi", json!({"identity": "ann", "session": {"resume": granted["session"], "seen": 0}})).await;
    assert_eq!(peer.json().await[2]["resumed"], true);
    assert_eq!(end(second).await, "1006", "the task that handed it over has ended");
    assert!(!first.is_finished());
    peer.next().await;
    peer.leave().await;
    assert_eq!(end(first).await, "1000 wse.by-client");
}
