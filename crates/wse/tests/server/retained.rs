//! What a room retains: who joins later gets the last value of each name, once and before anything else.

use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use wse::{Conn, RpError, Server, room::RetainError};
use wse_test_peers::{Got, RawClient, enter, server, settle};

async fn come(server: &Server, name: &str) -> (RawClient, Conn) {
    let peer = enter(server, name).await;
    let conn = server.user(name).conns().pop().expect("it is there");
    (peer, conn)
}

#[tokio::test(start_paused = true)]
async fn who_joins_gets_the_last_value_of_each_name_first() {
    let server = server(|builder| builder);
    let ((mut at_ann, ann), (mut at_bob, bob)) = (come(&server, "ann").await, come(&server, "bob").await);
    let tea = server.room("tea");
    ann.join("tea").unwrap();
    assert_eq!(tea.retain("topic", "Assam").unwrap().here, 1);
    tea.retain("host", "ann").unwrap();
    tea.retain("topic", "Ceylon").unwrap();
    bob.join("tea").unwrap();
    bob.join("tea").expect("it is in it already, and gets nothing again");
    tea.send("said", 1).unwrap();
    for (name, payload) in [("topic", "Assam"), ("host", "ann"), ("topic", "Ceylon")] {
        assert_eq!(at_ann.json().await, json!([name, payload, null]));
    }
    for (name, payload) in [("topic", json!("Ceylon")), ("host", json!("ann")), ("said", json!(1))] {
        assert_eq!(at_bob.json().await, json!([name, payload, null]));
    }
    assert!(tea.forget("topic") && !tea.forget("topic") && !server.room("milk").forget("topic"));
    assert!(bob.leave("tea"));
    bob.join("tea").unwrap();
    assert_eq!(at_bob.json().await, json!(["host", "ann", null]));
    at_bob.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_room_retains_goes_with_its_last_member_and_an_empty_room_keeps_nothing() {
    let server = server(|builder| builder);
    let (peer, ann) = come(&server, "ann").await;
    let tea = server.room("tea");
    assert_eq!(tea.retain("topic", 1).unwrap().total(), 0);
    ann.join("tea").unwrap();
    tea.retain("topic", 2).unwrap();
    drop(peer);
    settle().await;
    let (mut at_bob, bob) = come(&server, "bob").await;
    bob.join("tea").unwrap();
    at_bob.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_room_retains_16_names_and_no_message_that_is_larger_than_a_queue() {
    let server = server(|builder| builder);
    let (_peer, ann) = come(&server, "ann").await;
    ann.join("tea").unwrap();
    let tea = server.room("tea");
    for number in 0..16 {
        tea.retain(&*format!("name {number}"), number).unwrap();
    }
    assert!(matches!(tea.retain("one more", 1), Err(RetainError::TooMany)));
    assert_eq!(tea.retain("name 7", 8).unwrap().here, 1, "a name that is there is replaced");
    assert!(matches!(tea.retain("name 7", "x".repeat(2 << 20)), Err(RetainError::Send(_))));
    assert!(tea.forget("name 7"));
    tea.retain("one more", 1).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_hook_sees_what_is_retained_once_for_each_device_and_may_use_rooms_itself() {
    let seen = wse_test_peers::log();
    let told = seen.clone();
    let server = server(|builder| {
        builder.on_send(move |conn, envelope| {
            told.add(format!("{} {}", conn.cid(), envelope.name));
            assert!(conn.rooms().len() <= 1 && conn.server().room("tea").count() <= 3);
            if envelope.name == "topic" {
                conn.server().room("tea").forget("nothing");
                let _ = conn.server().room("tea").retain("seen", conn.cid().as_str());
            }
            if (conn.cid().as_str(), &*envelope.name) == ("bob", "topic") {
                return Err(RpError::new("not-for-bob"));
            }
            Ok(())
        })
    });
    let ((mut at_ann, ann), (mut at_bob, bob)) = (come(&server, "ann").await, come(&server, "bob").await);
    ann.join("tea").unwrap();
    assert_eq!(server.room("tea").retain("topic", 1).unwrap().here, 1);
    assert_eq!(seen.take(), ["ann topic", "ann seen"]);
    bob.join("tea").unwrap();
    let mut shown = seen.take();
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(shown, ["ann seen", "bob seen", "bob topic"]);
    assert_eq!(server.room("tea").retain("topic", 2).unwrap().here, 1, "bob does not get it");
    assert_eq!(at_ann.json().await, json!(["seen", "ann", null]));
    assert_eq!(at_ann.json().await, json!(["topic", 1, null]));
    loop {
        let told = at_bob.json().await;
        assert_eq!(told[0], "seen");
        if told[1] == "bob" {
            break;
        }
    }
}

/// Reads what is retained as `n`, and checks that it only ever grows. The last is `last`.
async fn grows(mut peer: RawClient, last: u64) {
    let mut before = 0;
    while before < last {
        match peer.next().await {
            Got::Text(text) => {
                let [name, number, _] = serde_json::from_str::<[Value; 3]>(&text).expect("an envelope");
                let number = number.as_u64().expect("a number");
                match name.as_str() {
                    Some("n") => assert!(number > before, "{number} after {before}"),
                    // A message of the room that was sent behind the value of that number.
                    Some("after") => assert!(before >= number, "{before} stands behind what came after {number}"),
                    _ => panic!("{text}"),
                }
                before = before.max(number);
            }
            Got::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_joins_while_values_are_retained_sees_each_of_them_at_most_once_and_none_after_a_later_one() {
    const LAST: u64 = 3000;
    let server = server(|builder| builder);
    let (_host, host) = come(&server, "host").await;
    host.join("tea").unwrap();
    let retaining = tokio::task::spawn_blocking({
        let server = server.clone();
        move || {
            let tea = server.room("tea");
            for number in 1..=LAST {
                tea.retain("n", number).unwrap();
                tea.send("after", number).unwrap();
            }
        }
    });
    let mut reading = Vec::new();
    for number in 0..50 {
        let (peer, conn) = come(&server, &format!("user {number}")).await;
        conn.join("tea").unwrap();
        reading.push(tokio::spawn(grows(peer, LAST)));
    }
    retaining.await.unwrap();
    for reading in reading {
        tokio::time::timeout(wse_test_peers::WAIT, reading).await.expect("the last value comes").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_values_retained_at_once_the_last_that_every_member_gets_is_the_one_that_is_kept() {
    let server = server(|builder| builder);
    let mut members = Vec::new();
    for number in 0..20 {
        let (peer, conn) = come(&server, &format!("user {number}")).await;
        conn.join("tea").unwrap();
        members.push(peer);
    }
    let go = Arc::new(AtomicBool::new(false));
    let retaining: Vec<_> = (0..4_u64)
        .map(|thread| {
            let (server, go) = (server.clone(), go.clone());
            tokio::task::spawn_blocking(move || {
                while !go.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
                (0..200_u64).for_each(|number| _ = server.room("tea").retain("n", thread * 1000 + number).unwrap());
            })
        })
        .collect();
    go.store(true, Ordering::Relaxed);
    for retaining in retaining {
        retaining.await.unwrap();
    }
    server.room("tea").send("end", ()).unwrap();
    let (mut late, conn) = come(&server, "late").await;
    conn.join("tea").unwrap();
    let kept = late.json().await[1].clone();
    for mut member in members {
        let mut last = Value::Null;
        loop {
            let told = member.json().await;
            if told[0] == "end" {
                break;
            }
            last = told[1].clone();
        }
        assert_eq!(last, kept);
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_retains_no_more_than_a_queue_holds_so_that_who_joins_is_not_closed_for_it() {
    let server = server(|builder| builder);
    let (_at_ann, ann) = come(&server, "ann").await;
    ann.join("tea").unwrap();
    let tea = server.room("tea");
    for name in ["one", "two"] {
        tea.retain(name, "x".repeat(400_000)).unwrap();
    }
    assert!(matches!(tea.retain("three", "x".repeat(400_000)), Err(RetainError::TooMany)));
    tea.retain("two", "x".repeat(500_000)).expect("in place of the one before");
    tea.forget("one");
    tea.retain("three", "x".repeat(400_000)).expect("there is room again");
    let (_at_bob, bob) = come(&server, "bob").await;
    bob.join("tea").unwrap();
    settle().await;
    assert!(bob.is_open());
}
