//! The presence of users: who is there, who may be back, and the streams that tell of it.

use futures_util::{FutureExt, StreamExt};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use wse::{
    Cid, Conn, Limits, Protocol, RpError, Server, WsMessaging,
    presence::{Change, Changes, Status},
    room::JoinError,
};
use wse_test_peers::{RawClient, about, enter, enter_messaging, server, settle, timed};

const S: Duration = Duration::from_secs(1);

/// No pings, so that nothing happens by itself.
fn limits(conns_per_user: usize) -> Limits {
    Limits { conns_per_user, ping_interval: Duration::ZERO, ..Limits::default() }
}

async fn come(server: &Server, name: &str) -> (RawClient, Conn) {
    let peer = enter(server, name).await;
    let conn = server.user(name).conns().pop().expect("it is there");
    (peer, conn)
}

fn line(change: Change) -> String {
    format!("{} {}", change.cid, change.status)
}

async fn next(changes: &mut Changes) -> String {
    line(changes.next().await.expect("the server runs"))
}

/// Everything that has happened.
fn so_far(changes: &mut Changes) -> Vec<String> {
    let mut all: Vec<String> =
        std::iter::from_fn(|| StreamExt::next(changes).now_or_never().flatten()).map(line).collect();
    all.sort_unstable();
    all
}

#[tokio::test(start_paused = true)]
async fn a_user_is_online_then_away_for_the_grace_and_then_offline() {
    let server = server(|builder| builder.limits(limits(1)));
    let (presence, ann) = (server.presence(), Cid::from("ann"));
    let mut changes = presence.watch(["ann"]);
    assert_eq!(next(&mut changes).await, "ann offline");
    let (peer, _) = come(&server, "ann").await;
    assert_eq!(next(&mut changes).await, "ann online");
    assert!(presence.is_online(&ann));
    drop(peer); // no close frame: 1006
    assert_eq!(next(&mut changes).await, "ann away");
    assert_eq!((presence.status(&ann), presence.count(), server.user_count()), (Status::Away, 1, 0));
    assert_eq!(presence.list(None, 10), [(ann.clone(), Status::Away)]);
    let (waited, told) = timed(next(&mut changes)).await;
    assert!(about(waited, 15 * S), "{waited:?}");
    assert_eq!(told, "ann offline");
    assert_eq!((presence.is_online(&ann), presence.count(), presence.list(None, 10).len()), (false, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_is_back_in_time_was_never_offline() {
    let server = server(|builder| builder.limits(limits(1)));
    let mut changes = server.presence().watch(["ann"]);
    let (mut peer, _) = come(&server, "ann").await;
    assert_eq!(next(&mut changes).await, "ann online");
    for _ in 0..3 {
        peer.close(1001, "reloads").await;
        assert_eq!(next(&mut changes).await, "ann away");
        tokio::time::sleep(14 * S).await;
        peer = come(&server, "ann").await.0;
        assert_eq!(next(&mut changes).await, "ann online");
    }
    tokio::time::sleep(60 * S).await;
    assert_eq!(so_far(&mut changes), [""; 0], "no grace of before ends it");
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_of_either_side_is_no_absence_to_wait_for() {
    let wires = [Protocol::Wse, WsMessaging::new().into()];
    let server = server(|builder| builder.limits(limits(1)).protocols(wires));
    let mut changes = server.presence().watch(["ann"]);
    assert_eq!(next(&mut changes).await, "ann offline");
    for way in 0..4 {
        let (mut peer, conn) = match way {
            3 => (enter_messaging(&server, "ann").await, server.user("ann").conns().remove(0)),
            _ => come(&server, "ann").await,
        };
        assert_eq!(next(&mut changes).await, "ann online");
        match way {
            0 => peer.close(1000, "bye").await,
            1 | 3 => conn.drop("bye"), // 1000, and 4003 on ws-messaging
            _ => _ = server.drop_user("ann", ""),
        }
        let (waited, told) = timed(next(&mut changes)).await;
        assert_eq!((told.as_str(), about(waited, Duration::ZERO)), ("ann offline", true), "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_grace_a_user_is_offline_at_once() {
    let server = server(|builder| builder.limits(Limits { presence_grace: Duration::ZERO, ..limits(1) }));
    let presence = server.presence();
    let (peer, conn) = come(&server, "ann").await;
    conn.join("tea").unwrap();
    let mut changes = server.room("tea").watch();
    assert_eq!(next(&mut changes).await, "ann online");
    drop(peer);
    assert_eq!(next(&mut changes).await, "ann offline");
    assert_eq!(presence.status(&"ann".into()), Status::Offline);
}

#[tokio::test(start_paused = true)]
async fn a_user_is_there_while_one_device_is() {
    let server = server(|builder| builder.limits(limits(3)));
    let mut changes = server.presence().watch(["ann", "bob"]);
    assert_eq!(so_far(&mut changes), ["ann offline", "bob offline"]);
    let ((one, _), (two, _)) = (come(&server, "ann").await, come(&server, "ann").await);
    assert_eq!(so_far(&mut changes), ["ann online"]);
    drop(one);
    settle().await;
    assert_eq!(so_far(&mut changes), [""; 0]);
    two.leave().await;
    settle().await;
    assert_eq!(so_far(&mut changes), ["ann offline"], "the last one has said goodbye");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_does_not_read_is_told_what_is_true_and_not_what_was() {
    let server = server(|builder| builder.limits(limits(1)));
    let mut changes = server.presence().watch(["ann", "bob"]);
    assert_eq!(so_far(&mut changes).len(), 2);
    let (_bob, _) = come(&server, "bob").await;
    for _ in 0..1000 {
        let (peer, _) = come(&server, "ann").await;
        peer.leave().await;
    }
    settle().await;
    assert_eq!(so_far(&mut changes), ["bob online"], "ann is what she was");
    let (_ann, _) = come(&server, "ann").await;
    assert_eq!(so_far(&mut changes), ["ann online"]);
}

#[tokio::test(start_paused = true)]
async fn a_room_tells_who_comes_and_goes_in_it() {
    let server = server(|builder| builder.limits(limits(2)));
    let ((at_ann, ann), (_at_bob, bob)) = (come(&server, "ann").await, come(&server, "bob").await);
    ann.join("tea").unwrap();
    let mut changes = server.room("tea").watch();
    assert_eq!(so_far(&mut changes), ["ann online"]);
    bob.join("tea").unwrap();
    assert_eq!(next(&mut changes).await, "bob online");
    assert!(bob.leave("tea"));
    assert_eq!(next(&mut changes).await, "bob offline");
    drop(at_ann);
    assert_eq!(next(&mut changes).await, "ann away");
    tokio::time::sleep(10 * S).await;
    let (at_ann, again) = come(&server, "ann").await;
    settle().await;
    assert_eq!(so_far(&mut changes), [""; 0], "she is back, but not in the room");
    again.join("tea").unwrap();
    assert_eq!(next(&mut changes).await, "ann online");
    tokio::time::sleep(30 * S).await;
    assert_eq!(so_far(&mut changes), [""; 0]);
    drop(at_ann);
    assert_eq!(next(&mut changes).await, "ann away");
    let (waited, told) = timed(next(&mut changes)).await;
    assert!(told == "ann offline" && about(waited, 15 * S), "{told} {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_a_newer_one_replaces_has_not_left_the_room() {
    let server = server(|builder| builder.limits(limits(1)));
    let (_old, conn) = come(&server, "ann").await;
    conn.join("tea").unwrap();
    let mut changes = server.room("tea").watch();
    assert_eq!(next(&mut changes).await, "ann online");
    let (_new, conn) = come(&server, "ann").await;
    assert_eq!(next(&mut changes).await, "ann away");
    conn.join("tea").unwrap();
    assert_eq!(next(&mut changes).await, "ann online");
    tokio::time::sleep(60 * S).await;
    assert_eq!(so_far(&mut changes), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_room_is_watched_before_it_has_members_and_after() {
    let server = server(|builder| builder.limits(limits(1)));
    let mut changes = server.room("tea").watch();
    assert_eq!(so_far(&mut changes), [""; 0]);
    for _ in 0..2 {
        let (peer, ann) = come(&server, "ann").await;
        ann.join("tea").unwrap();
        assert_eq!(next(&mut changes).await, "ann online");
        peer.leave().await;
        assert_eq!(next(&mut changes).await, "ann offline");
    }
}

#[tokio::test(start_paused = true)]
async fn the_streams_end_with_the_server() {
    let server = server(|builder| builder.limits(limits(1)));
    let (mut users, mut room) = (server.presence().watch(["ann"]), server.room("tea").watch());
    assert_eq!(next(&mut users).await, "ann offline");
    server.shutdown(S).await;
    assert_eq!((users.next().await, room.next().await), (None, None));
    assert_eq!(server.room("tea").watch().next().await, None, "one that begins later too");
    let server = wse_test_peers::server(|builder| builder);
    let mut changes = server.room("tea").watch();
    drop(server);
    assert_eq!(changes.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn pages_have_everybody_once_who_is_there_all_the_time() {
    let server = server(|builder| builder.limits(limits(1)));
    let presence = server.presence();
    let mut stay = Vec::new();
    for number in 0..300 {
        stay.push(enter(&server, &format!("stays {number}")).await);
    }
    let mut passing = Vec::new();
    let (mut after, mut seen) = (None, HashMap::<String, usize>::new());
    for round in 0.. {
        let page = presence.list(after.as_ref(), 7);
        page.iter().for_each(|(cid, _)| *seen.entry(cid.to_string()).or_default() += 1);
        // Meanwhile others come and go, those of the last page among them, and some may be back.
        passing.push(enter(&server, &format!("passes {round}")).await);
        if round % 3 == 0 {
            drop(passing.remove(0));
        }
        // One who stays reloads the page, and so is away for a moment.
        drop(stay.remove(0));
        stay.push(enter(&server, &format!("stays {}", round % 300)).await);
        settle().await;
        match page.into_iter().nth(6) {
            Some((last, _)) => after = Some(last),
            None => break,
        }
    }
    let stayed: Vec<usize> = (0..300).filter_map(|number| seen.get(&format!("stays {number}")).copied()).collect();
    assert_eq!(stayed, [1; 300]);
    assert_eq!(presence.list(None, 0).len(), 0);
    assert_eq!(presence.list(None, usize::MAX).len(), presence.count());
}

#[tokio::test(start_paused = true)]
async fn a_device_is_told_the_presence_of_a_room() {
    let server = server(|builder| builder.limits(limits(1)));
    let ((mut at_ann, ann), (at_bob, bob), (_at_eve, eve)) =
        (come(&server, "ann").await, come(&server, "bob").await, come(&server, "eve").await);
    ann.presence_for("tea").unwrap();
    ann.presence_for("tea").expect("a second call changes nothing");
    let mut told = async || {
        let told = at_ann.json().await;
        assert_eq!((&told[0], &told[1]["room"]), (&json!("wse:presence"), &json!("tea")));
        told[1].clone()
    };
    assert_eq!(told().await, json!({"room": "tea", "all": []}));
    bob.join("tea").unwrap();
    assert_eq!(told().await, json!({"room": "tea", "cid": "bob", "status": "online"}));
    drop(at_bob);
    assert_eq!(told().await, json!({"room": "tea", "cid": "bob", "status": "away"}));
    ann.join("tea").unwrap();
    assert_eq!(told().await, json!({"room": "tea", "cid": "ann", "status": "online"}));
    assert_eq!(told().await, json!({"room": "tea", "cid": "bob", "status": "offline"}));
    assert!(ann.leave("tea"), "and no more is told");
    eve.join("tea").unwrap();
    settle().await;
    ann.presence_for("tea").unwrap();
    assert_eq!(told().await, json!({"room": "tea", "all": [["eve", "online"]]}));
    assert_eq!((ann.presence_for(""), bob.presence_for("tea")), (Err(JoinError::Name), Err(JoinError::Gone)));
    for number in 1..128 {
        ann.presence_for(&format!("room {number}")).unwrap();
    }
    assert_eq!(ann.presence_for("one more"), Err(JoinError::TooMany));
}

#[tokio::test(start_paused = true)]
async fn a_telling_that_a_hook_has_ended_can_begin_anew() {
    static SENT: AtomicUsize = AtomicUsize::new(0);
    let stops = |_: &Conn, _: &wse::codec::Envelope<'_>| match SENT.fetch_add(1, Ordering::Relaxed) {
        0 | 2 => Err(RpError::new("not-now")),
        _ => Ok(()),
    };
    let server = server(|builder| builder.limits(limits(1)).on_send(stops));
    let ((mut at_ann, ann), (_at_bob, bob)) = (come(&server, "ann").await, come(&server, "bob").await);
    ann.presence_for("tea").unwrap(); // stopped
    ann.presence_for("tea").unwrap();
    assert_eq!(at_ann.json().await[1], json!({"room": "tea", "all": []}));
    bob.join("tea").unwrap(); // and its change is stopped
    settle().await;
    ann.presence_for("tea").unwrap();
    assert_eq!(at_ann.json().await[1], json!({"room": "tea", "all": [["bob", "online"]]}));
}

#[tokio::test(start_paused = true)]
async fn a_large_room_is_told_in_pages_and_a_mass_of_changes_in_few_messages() {
    let limits = Limits { resume_window: Duration::ZERO, ..limits(1) };
    let server = server(|builder| builder.limits(limits));
    let mut others = Vec::new();
    for number in 0..2000 {
        let (peer, conn) = come(&server, &format!("somebody with a long name, {number}")).await;
        conn.join("tea").unwrap();
        others.push(peer);
    }
    let (mut at_ann, ann) = come(&server, "ann").await;
    ann.presence_for("tea").unwrap();
    let mut there = HashMap::<String, Value>::new();
    let mut messages = 0;
    while there.len() < 2000 {
        let told = at_ann.text().await;
        assert!(told.len() < 40 << 10, "{} bytes", told.len());
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told[1].get("all").is_some(), messages == 0);
        let page = told[1].get("all").or(told[1].get("more")).and_then(Value::as_array).expect("a page");
        for entry in page {
            assert_eq!(there.insert(entry[0].as_str().unwrap().into(), entry[1].clone()), None);
        }
        messages += 1;
    }
    assert!((2..20).contains(&messages), "{messages}");
    others.clear();
    messages = 0;
    while there.values().any(|status| status != "offline") {
        let told = at_ann.json().await[1].clone();
        let one = json!([[told["cid"], told["status"]]]);
        for entry in told.get("more").unwrap_or(&one).as_array().unwrap() {
            there.insert(entry[0].as_str().unwrap().into(), entry[1].clone());
        }
        messages += 1;
    }
    assert!(messages < 2500, "{messages}");
}
