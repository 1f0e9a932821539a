//! Users and their devices: who is there, how many, what they said of themselves, and which device
//! goes when there are too many.

use futures_util::FutureExt;
use http::Request;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use tokio::sync::{Barrier, mpsc};
use wse::{Conn, Limits, SendError, Server, Stranger};
use wse_test_peers::{Got, attach, attach_with, enter, events, number, server, settle};

fn devices(conns_per_user: usize) -> Limits {
    Limits { conns_per_user, ..Limits::default() }
}

#[tokio::test(start_paused = true)]
async fn the_newest_device_is_welcome_before_the_oldest_goes() {
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when));
    let mut old = enter(&server, "ann").await;
    let mut new = attach(&server);
    new.hi(json!("ann"), json!({})).await;
    assert_eq!(old.next().await, Got::Close(Some((1000, "wse.clients-concurrency".into()))));
    let welcome = new.next().now_or_never().expect("the welcome is there already");
    assert_eq!(welcome, Got::Text(r#"["~wse:welcome",null,null]"#.into()));
    assert_eq!((server.user_count(), server.conn_count()), (1, 1));
    assert_eq!(
        events.take(4).await,
        ["joined ann", "connected ann 1", "connected ann 2", "disconnected ann 1 1000 wse.clients-concurrency"]
    );
    new.leave().await;
    assert_eq!(events.take(2).await, ["disconnected ann 2 1000 wse.by-client", "left ann 1000 wse.by-client"]);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_was_pushed_out_gets_nothing_that_is_sent_later() {
    let server = server(|builder| builder.limits(devices(2)));
    let mut first = enter(&server, "ann").await;
    let (_second, _third) = (enter(&server, "ann").await, enter(&server, "ann").await);
    assert_eq!(server.user("ann").send("m", 1).unwrap().here, 2);
    assert_eq!(first.closed().await, (1000, "wse.clients-concurrency".into()));
}

/// Reads until the end, answering the close frame.
async fn until_closed(mut peer: wse_test_peers::RawClient) -> (u16, String) {
    loop {
        match peer.next().await {
            Got::Close(Some((code, reason))) => {
                peer.close(code, &reason).await;
                return (code, reason);
            }
            Got::End => return (1006, String::new()),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_simultaneous_logins_exactly_three_stay_and_events_pair() {
    let (when, mut events) = events();
    let barrier = Arc::new(Barrier::new(100));
    let server = Server::builder()
        .limits(devices(3))
        .when(when)
        .identify(async move |stranger: Stranger, name: String| {
            barrier.wait().await;
            Ok(stranger.accept(name))
        })
        .build();
    let (gone, mut going) = mpsc::unbounded_channel();
    let peers: Vec<_> = (0..100).map(|_| attach(&server)).collect();
    for mut peer in peers {
        let gone = gone.clone();
        tokio::spawn(async move {
            peer.hi(json!("ann"), json!({})).await;
            let _ = gone.send(until_closed(peer).await);
        });
    }
    for _ in 0..97 {
        assert_eq!(going.recv().await.unwrap(), (1000, "wse.clients-concurrency".into()));
    }
    assert_eq!((server.user_count(), server.conn_count()), (1, 3));
    assert_eq!(server.user("ann").conns().iter().filter(|conn| conn.is_open()).count(), 3);
    assert_eq!(server.user("ann").drop("enough"), 3);
    for _ in 0..3 {
        assert_eq!(going.recv().await.unwrap(), (1000, "enough".into()));
    }
    check_pairs(&events.take(202).await);
    assert!(events.so_far().is_empty());
}

/// Joined, connected, …, disconnected, left: each once and in this order.
fn check_pairs(events: &[String]) {
    let (mut there, mut seen, mut joined) = (HashSet::new(), HashSet::new(), false);
    for event in events {
        let words: Vec<&str> = event.split(' ').collect();
        match words[0] {
            "joined" => assert!(!std::mem::replace(&mut joined, true), "joined twice"),
            "connected" => assert!(joined && there.insert(words[2]) && seen.insert(words[2]), "{event}"),
            "disconnected" => assert!(joined && there.remove(words[2]), "{event}"),
            "left" => assert!(there.is_empty() && std::mem::take(&mut joined), "left too early"),
            _ => panic!("{event}"),
        }
    }
    assert!(!joined && there.is_empty() && seen.len() == 100);
}

#[tokio::test(start_paused = true)]
async fn users_and_devices_are_listed_and_counted() {
    let server = server(|builder| builder.limits(devices(2)));
    assert_eq!((server.user_count(), server.conn_count(), server.users().len()), (0, 0, 0));
    let (one, two) = (enter(&server, "ann").await, enter(&server, "ann").await);
    let three = enter(&server, "bob").await;
    assert_eq!((server.user_count(), server.conn_count()), (2, 3));
    let listed: HashMap<String, usize> =
        server.users().iter().map(|user| (user.cid().to_string(), user.conn_count())).collect();
    assert_eq!(listed, HashMap::from([("ann".into(), 2), ("bob".into(), 1)]));
    let numbers: Vec<usize> = server.user("ann").conns().iter().map(number).collect();
    assert_eq!(numbers, [1, 2], "the oldest first");
    let conns = server.user("ann").conns();
    assert!(conns[0].conn_id() < conns[1].conn_id() && conns[0].id() < conns[1].id());
    assert_eq!((server.user("eve").conn_count(), server.user("eve").conns().len()), (0, 0));
    one.leave().await;
    settle().await;
    assert_eq!((server.user_count(), server.conn_count()), (2, 2));
    two.leave().await;
    three.leave().await;
    settle().await;
    assert_eq!((server.user_count(), server.conn_count(), server.users().len()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_meta_of_a_user_is_that_of_its_first_device_even_when_that_has_left() {
    let server = server(|builder| builder.limits(devices(2)));
    let meta = || server.user("ann").meta::<Value>().unwrap();
    assert_eq!(meta(), Value::Null);
    let (mut one, mut two, mut three) = (attach(&server), attach(&server), attach(&server));
    one.enter_with(json!("ann"), json!({"n": 1})).await;
    two.enter_with(json!("ann"), json!({"n": 2})).await;
    assert_eq!(meta(), json!({"n": 1}));
    one.leave().await;
    settle().await;
    assert_eq!(meta(), json!({"n": 1}));
    assert_eq!(server.user("ann").conns()[0].user().meta::<Value>().unwrap(), json!({"n": 1}));
    two.leave().await;
    settle().await;
    assert_eq!(meta(), Value::Null);
    three.enter_with(json!("ann"), json!({"n": 3})).await;
    assert_eq!(meta(), json!({"n": 3}));
}

#[tokio::test(start_paused = true)]
async fn the_user_of_joined_and_left_has_the_meta_of_its_first_device() {
    let log = wse_test_peers::log();
    let told = log.clone();
    let server = server(|builder| {
        builder.limits(devices(2)).when(async move |event| match event {
            wse::Event::Joined(user) => told.add(format!("joined {}", user.meta::<Value>().unwrap())),
            wse::Event::Left(user, _) => told.add(format!("left {}", user.meta::<Value>().unwrap())),
            _ => {}
        })
    });
    let (mut one, mut two) = (attach(&server), attach(&server));
    one.enter_with(json!("ann"), json!({"n": 1})).await;
    two.enter_with(json!("ann"), json!({"n": 2})).await;
    one.leave().await;
    two.leave().await;
    settle().await;
    assert_eq!(log.take(), [r#"joined {"n":1}"#, r#"left {"n":1}"#]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_knows_whose_it_is_and_what_it_said() {
    let server = server(|builder| {
        builder.limits(devices(2)).register("who", async |conn: Conn, ()| {
            let (identity, meta): (String, Value) = (conn.identity()?, conn.meta()?);
            let user = conn.user();
            Ok(json!({
                "cid": conn.cid().as_str(), "conn_id": number(&conn), "identity": identity, "meta": meta,
                "addr": conn.remote_addr(), "open": conn.is_open(), "user": user.to_string(),
                "devices": user.conn_count(), "users": conn.server().user_count(),
                "wrong type": conn.meta::<u8>().is_err() && conn.identity::<u8>().is_err(),
            }))
        })
    });
    let request = Request::builder().extension(wse::service::RemoteAddr([203, 0, 113, 9].into())).body(()).unwrap();
    let (mut one, _) = attach_with(&server, wse_test_peers::PIPE, request);
    one.enter_with(json!("ann"), json!({"device": "phone"})).await;
    let mut two = enter(&server, "ann").await;
    assert_eq!(
        one.call("who", json!(null)).await[1],
        json!({
            "cid": "ann", "conn_id": 1, "identity": "ann", "meta": {"device": "phone"}, "addr": "203.0.113.9",
            "open": true, "user": "ann", "devices": 2, "users": 1, "wrong type": true,
        })
    );
    let second = two.call("who", json!(null)).await[1].clone();
    assert_eq!((&second["conn_id"], &second["addr"], &second["meta"]), (&json!(2), &json!(null), &json!({})));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_ended_answers_questions_and_takes_nothing() {
    let server = server(|builder| builder);
    let mut peer = attach(&server);
    peer.enter_with(json!("ann"), json!({"n": 1})).await;
    let conn = server.user("ann").conns().remove(0);
    assert!(conn.is_open());
    peer.leave().await;
    settle().await;
    assert!(!conn.is_open());
    let (id, conn_id) = (conn.id(), conn.conn_id());
    assert_eq!((conn.cid().as_str(), conn.meta::<Value>().unwrap()), ("ann", json!({"n": 1})));
    assert!(matches!(conn.send("m", 1), Err(SendError::NotReady)));
    assert_eq!(conn.user().conn_count(), 0);
    conn.drop("again"); // without effect
    let _new = enter(&server, "ann").await;
    assert_ne!(server.user("ann").conns()[0], conn);
    assert!(server.user("ann").conns()[0].conn_id() > conn_id, "a number is never used again");
    assert!((conn.id(), conn.conn_id()) == (id, conn_id) && server.device(id).conn().is_none());
    conn.drop("again");
    assert_eq!(server.conn_count(), 1, "an old connection does not drop the new one");
}

#[tokio::test(start_paused = true)]
async fn the_user_of_an_event_keeps_its_own_meta_however_late_it_is_handled() {
    let log = wse_test_peers::log();
    let told = log.clone();
    let server = server(|builder| {
        builder.when(async move |event| {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            match event {
                wse::Event::Joined(user) => told.add(format!("joined {}", user.meta::<Value>().unwrap())),
                wse::Event::Left(user, _) => told.add(format!("left {}", user.meta::<Value>().unwrap())),
                _ => {}
            }
        })
    });
    let (mut one, mut two) = (attach(&server), attach(&server));
    one.enter_with(json!("ann"), json!({"n": 1})).await;
    one.leave().await;
    two.enter_with(json!("ann"), json!({"n": 2})).await;
    assert!(log.take().is_empty(), "all of them are still to come");
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    assert_eq!(log.take(), [r#"joined {"n":1}"#, r#"left {"n":1}"#, r#"joined {"n":2}"#]);
}
