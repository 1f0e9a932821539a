//! The server's half of a session, frame by frame, against a raw peer: who may resume it, and what
//! ends it.

use serde_json::{Value, json};
use std::time::Duration;
use wse::{Limits, RpError, Server};
use wse_test_peers::{about, attach, begin, counting, events, resent, resume, settle, three_devices, timed};

const S: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn without_a_window_nobody_is_granted_one() {
    let (server, mut events) = counting(Limits { resume_window: Duration::ZERO, ..Limits::default() });
    let (peer, granted) = begin(&server, "ann", json!({})).await;
    assert_eq!(granted, json!(null));
    events.take(2).await;
    drop(peer);
    assert_eq!(events.take(2).await, ["disconnected ann 1 1006", "left ann 1006"]);
}

#[tokio::test(start_paused = true)]
async fn an_ack_of_more_than_was_sent_or_without_a_session_ends_the_connection() {
    let (server, _events) = three_devices();
    for (session, ack) in [
        (json!({}), json!(1)),
        (json!({}), json!("0")),
        (json!({}), json!(-1)),
        (json!({}), json!(0.5)),
        (json!({}), json!(null)),
        (json!(null), json!(0)),
    ] {
        let (mut peer, _) = begin(&server, "ann", session).await;
        peer.say("~wse:ack", ack.clone()).await;
        assert_eq!(peer.closed().await, (1000, "wse.protocol-error".into()), "{ack}");
    }
    settle().await;
    assert_eq!(server.conn_count(), 0, "a protocol error parks nothing");
}

#[tokio::test(start_paused = true)]
async fn an_old_a_foreign_and_a_made_up_token_give_a_new_session_and_no_hint() {
    let (server, mut events) = three_devices();
    let (peer, first) = begin(&server, "ann", json!({})).await;
    drop(peer);
    settle().await;
    let (mut peer, second) = resume(&server, "ann", &first["session"], 0).await;
    resent(&mut peer).await;
    peer.say("~wse:ack", json!(0)).await;
    settle().await;
    drop(peer);
    settle().await;
    let shape = |granted: &Value| {
        assert_ne!(granted["session"], second["session"]);
        let mut granted = granted.clone();
        granted["session"] = json!("?");
        granted
    };
    let (bob, of_bob) = begin(&server, "bob", json!({})).await;
    let mut grants = Vec::new();
    let made_up = json!("A".repeat(22));
    for (name, token, seen) in [
        ("ann", &first["session"], 0),
        ("ann", &made_up, 0),
        ("ann", &of_bob["session"], 0),
        ("ann", &second["session"], 1), // seen of what was never sent
    ] {
        let (peer, granted) = resume(&server, name, token, seen).await;
        grants.push(shape(&granted));
        peer.leave().await;
    }
    let fresh = shape(&begin(&server, "ann", json!({})).await.1);
    assert!(grants.iter().all(|granted| *granted == fresh), "{grants:?}");
    drop(bob);
    let events = events.so_far();
    assert_eq!(events.iter().filter(|event| event.starts_with("resumed")).count(), 1, "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn the_token_before_is_good_while_the_welcome_may_not_have_arrived() {
    let (server, _events) = three_devices();
    let (peer, first) = begin(&server, "ann", json!({})).await;
    drop(peer);
    for _ in 0..100 {
        settle().await;
        let (peer, granted) = resume(&server, "ann", &first["session"], 0).await;
        assert_eq!(granted["resumed"], true);
        drop(peer); // the welcome was read here, but the server cannot know
    }
    settle().await;
    let (mut peer, _) = resume(&server, "ann", &first["session"], 0).await;
    peer.write(&wse_test_peers::frame(wse_frame::Opcode::Ping, b"")).await; // may have left before the welcome came
    settle().await;
    drop(peer);
    settle().await;
    let (silent, granted) = resume(&server, "ann", &first["session"], 0).await;
    assert_eq!(granted["resumed"], true);
    tokio::time::sleep(S).await;
    let (mut peer, granted) = resume(&server, "ann", &first["session"], 0).await;
    assert_eq!(granted["resumed"], true, "over a connection on which nothing arrives");
    drop(silent);
    peer.say("~wse:ack", json!(0)).await;
    settle().await;
    drop(peer);
    settle().await;
    let (_peer, granted) = resume(&server, "ann", &first["session"], 0).await;
    assert_eq!(granted["resumed"], false, "it has arrived");
}

#[tokio::test(start_paused = true)]
async fn identify_runs_again_and_its_word_is_final_but_the_session_waits() {
    let (when, mut events) = events();
    let server = Server::builder()
        .when(when)
        .identify(async |stranger, name: String| match name.as_str() {
            "other" => Ok(stranger.accept("bob")),
            "refused" => Ok(stranger.refuse()),
            "error" => Err(RpError::new("no")),
            _ => Ok(stranger.accept("ann").welcome(&name)),
        })
        .build();
    let (peer, granted) = begin(&server, "first", json!({})).await;
    drop(peer);
    settle().await;
    let wish = json!({"resume": granted["session"], "seen": 0});
    for (name, code, reason) in [("refused", 1000, "wse.not-authorized"), ("error", 1013, "wse.later after=1000")] {
        let mut peer = attach(&server);
        peer.say("~wse:hi", json!({"identity": name, "session": wish})).await;
        assert_eq!(peer.closed().await, (code, reason.into()), "{name}");
    }
    let (_bob, other) = begin(&server, "other", wish.clone()).await;
    assert_eq!((&other["resumed"], &other["cid"]), (&json!(false), &json!("bob")));
    let mut peer = attach(&server);
    peer.say("~wse:hi", json!({"identity": "again", "session": wish})).await;
    let welcome = peer.json().await;
    assert_eq!((&welcome[1], &welcome[2]["resumed"]), (&json!("again"), &json!(true)));
    settle().await;
    let events = events.so_far();
    assert!(events.contains(&"resumed ann 1".to_owned()), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn after_the_window_the_session_is_over_and_everybody_is_told() {
    let (server, mut events) = three_devices();
    let (peer, granted) = begin(&server, "ann", json!({})).await;
    let conn = server.user("ann").conns().remove(0);
    let calling = tokio::spawn({
        let conn = conn.clone();
        async move { conn.call_within::<_, u32>(1000 * S, "double", 4).await }
    });
    settle().await;
    let receipt = conn.send("m", 1).unwrap();
    drop(peer);
    assert_eq!(events.take(3).await[2], "parked ann 1");
    let (waited, told) = timed(events.take(2)).await;
    assert!(about(waited, 60 * S), "{waited:?}");
    assert_eq!(told, ["disconnected ann 1 1006", "left ann 1006"]);
    assert!(matches!(calling.await.unwrap(), Err(wse::CallError::Disconnected { .. })));
    assert!(matches!(receipt.delivered().await, Err(wse::SendError::Unconfirmed)));
    assert!(matches!(conn.send("m", 2), Err(wse::SendError::NotReady)));
    let (_peer, granted) = resume(&server, "ann", &granted["session"], 0).await;
    assert_eq!(granted["resumed"], false);
}

#[tokio::test(start_paused = true)]
async fn a_session_over_its_bound_ends_at_once_without_a_connection_and_with_the_cut_on_one() {
    let limits = Limits { session_bytes: 10_000, conns_per_user: 3, ..Limits::default() };
    let (server, mut events) = counting(limits.clone());
    let (peer, _) = begin(&server, "ann", json!({})).await;
    let conn = server.user("ann").conns().remove(0);
    drop(peer);
    settle().await;
    let sent = std::iter::repeat_with(|| conn.send("m", "x".repeat(1000))).position(|sent| sent.is_err());
    assert_eq!(sent, Some(9));
    assert_eq!(events.take(5).await[3..], ["disconnected ann 1 1013 wse.slow", "left ann 1013 wse.slow"]);

    let (server, mut events) = counting(limits);
    let (mut peer, granted) = begin(&server, "ann", json!({})).await;
    let conn = server.user("ann").conns().remove(0);
    let receipt = conn.send("m", "first").unwrap();
    for _ in 0..20 {
        conn.send("m", "x".repeat(1000)).unwrap();
    }
    for _ in 0..21 {
        peer.json().await; // the connection goes on
    }
    drop(peer);
    assert_eq!(events.take(4).await[2..], ["disconnected ann 1 1006", "left ann 1006"]);
    assert!(matches!(receipt.delivered().await, Err(wse::SendError::Unconfirmed)));
    let (_peer, granted) = resume(&server, "ann", &granted["session"], 21).await;
    assert_eq!(granted["resumed"], false);
}

#[tokio::test(start_paused = true)]
async fn over_the_bound_of_the_server_the_session_lost_first_goes_first() {
    let limits = Limits { parked_bytes: 3 * (4 << 10) + 3_000, ..Limits::default() };
    let (server, mut events) = counting(limits);
    for name in ["a", "b", "c"] {
        drop(begin(&server, name, json!({})).await);
        settle().await;
    }
    assert_eq!(server.conn_count(), 3);
    drop(begin(&server, "d", json!({})).await);
    settle().await;
    assert!(events.so_far().contains(&"disconnected a 1 1013 wse.slow".to_owned()));
    // What one of them is sent counts as well.
    let sent = server.user("d").send("m", "x".repeat(6_000)).unwrap();
    settle().await;
    assert_eq!((sent.here, server.users().len()), (1, 2));
    assert!(events.so_far().contains(&"disconnected b 2 1013 wse.slow".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_a_drop_and_a_newer_device_end_a_session() {
    let (server, mut events) = counting(Limits::default());
    let (peer, granted) = begin(&server, "ann", json!({})).await;
    peer.leave().await;
    events.take(4).await;
    let (peer, second) = resume(&server, "ann", &granted["session"], 0).await;
    assert_eq!(second["resumed"], false);
    drop(peer);
    settle().await;
    server.user("ann").conns().remove(0).drop("enough");
    assert_eq!(events.take(5).await[2..], ["parked ann 2", "disconnected ann 2 1000 enough", "left ann 1000 enough"]);
    let (peer, third) = resume(&server, "ann", &second["session"], 0).await;
    assert_eq!(third["resumed"], false);
    drop(peer);
    settle().await;
    let (_newer, fresh) = begin(&server, "ann", json!({})).await;
    assert_eq!(fresh["resumed"], false);
    let told = events.take(5).await;
    assert_eq!(told[3..], ["connected ann 4", "disconnected ann 3 1000 wse.clients-concurrency"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_parked_and_a_shutdown_ends_what_is_parked() {
    let (server, mut events) = three_devices();
    let (_silent, _) = begin(&server, "ann", json!({})).await;
    let (waited, told) = timed(events.take(3)).await;
    assert!(about(waited, 35 * S), "{waited:?}");
    assert_eq!(told[2], "parked ann 1");
    let (waited, ()) = timed(server.shutdown(10 * S)).await;
    assert!(waited < S, "{waited:?}");
    let told = events.take(2).await;
    assert!(told[0].starts_with("disconnected ann 1 1012 wse.restart"), "{told:?}");
}
