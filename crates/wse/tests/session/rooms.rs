//! Rooms and presence of devices whose sessions outlive their connections.

use serde_json::json;
use std::time::Duration;
use wse::{Cid, Limits, presence::Status};
use wse_test_peers::{about, begin, counting, resent, resume, settle, timed};

const S: Duration = Duration::from_secs(1);

fn limits() -> Limits {
    Limits { ping_interval: Duration::ZERO, ..Limits::default() }
}

#[tokio::test(start_paused = true)]
async fn a_parked_device_stays_a_member_and_gets_what_the_room_was_sent_meanwhile() {
    let (server, _events) = counting(limits());
    let (peer, granted) = begin(&server, "ann", json!({})).await;
    let conn = server.user("ann").conns().remove(0);
    conn.join("tea").unwrap();
    drop(peer);
    settle().await;
    let tea = server.room("tea");
    assert_eq!((tea.count(), tea.send("m", 1).unwrap().here), (1, 1));
    conn.join("milk").expect("it may join while it is parked");
    assert_eq!(server.room("milk").retain("topic", "cow").unwrap().here, 1);
    let (mut peer, granted) = resume(&server, "ann", &granted["session"], 0).await;
    assert_eq!(granted["resumed"], true);
    assert_eq!(resent(&mut peer).await, [json!(["m", 1, null]), json!(["topic", "cow", null])]);
    assert_eq!((tea.count(), conn.rooms().len()), (1, 2));
    tea.send("m", 2).unwrap();
    assert_eq!(peer.json().await, json!(["m", 2, null]));
}

#[tokio::test(start_paused = true)]
async fn a_parked_device_leaves_its_rooms_when_its_session_ends() {
    let (server, _events) = counting(limits());
    let (peer, granted) = begin(&server, "ann", json!({})).await;
    server.user("ann").conns()[0].join("tea").unwrap();
    server.user("ann").join("milk").unwrap();
    drop(peer);
    tokio::time::sleep(59 * S).await;
    assert_eq!((server.room("tea").count(), server.room("milk").count()), (1, 1));
    tokio::time::sleep(2 * S).await;
    assert_eq!((server.room("tea").count(), server.room("milk").count()), (0, 0));
    let (_peer, granted) = resume(&server, "ann", &granted["session"], 0).await;
    assert_eq!((&granted["resumed"], server.room("tea").count()), (&json!(false), 0));
    assert_eq!(server.user("ann").rooms().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_device_in_a_tunnel_is_away_at_once_and_leaves_once_after_its_session_and_the_grace() {
    let (server, _events) = counting(limits());
    let (presence, ann) = (server.presence(), Cid::from("ann"));
    let (peer, granted) = begin(&server, "ann", json!({})).await;
    server.user("ann").conns()[0].join("tea").unwrap();
    let (mut users, mut room) = (presence.watch(["ann"]), server.room("tea").watch());
    let mut both = async || {
        let (user, room) = (users.next().await.unwrap(), room.next().await.unwrap());
        assert_eq!(user, room);
        user.status
    };
    assert_eq!(both().await, Status::Online);
    drop(peer);
    let (waited, status) = timed(both()).await;
    assert!(status == Status::Away && about(waited, Duration::ZERO), "{status} {waited:?}");
    tokio::time::sleep(50 * S).await;
    let (peer, _) = resume(&server, "ann", &granted["session"], 0).await;
    assert_eq!(both().await, Status::Online);
    drop(peer);
    assert_eq!(both().await, Status::Away);
    let (waited, status) = timed(both()).await;
    assert!(status == Status::Offline && about(waited, 75 * S), "{status} {waited:?}");
    assert_eq!((presence.status(&ann), presence.count()), (Status::Offline, 0));
}

#[tokio::test(start_paused = true)]
async fn a_user_is_away_when_all_devices_are() {
    let (server, _events) = counting(Limits { conns_per_user: 2, ..limits() });
    let (presence, ann) = (server.presence(), Cid::from("ann"));
    let ((one, _), (two, _)) = (begin(&server, "ann", json!({})).await, begin(&server, "ann", json!({})).await);
    server.user("ann").conns()[0].join("tea").unwrap();
    let mut room = server.room("tea").watch();
    assert_eq!(room.next().await.unwrap().status, Status::Online);
    drop(one);
    assert_eq!(room.next().await.unwrap().status, Status::Away, "the other one is not in the room");
    assert_eq!(presence.status(&ann), Status::Online);
    drop(two);
    settle().await;
    assert_eq!((presence.status(&ann), presence.count()), (Status::Away, 1));
    assert_eq!(presence.list(None, 9), [(ann, Status::Away)]);
}

#[tokio::test(start_paused = true)]
async fn a_drop_of_a_parked_device_is_a_goodbye() {
    let (server, _events) = counting(limits());
    let presence = server.presence();
    let (peer, _) = begin(&server, "ann", json!({})).await;
    let conn = server.user("ann").conns().remove(0);
    drop(peer);
    settle().await;
    assert_eq!(presence.status(&"ann".into()), Status::Away);
    conn.drop("bye");
    assert_eq!(presence.status(&"ann".into()), Status::Offline);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_was_parked_is_told_what_is_true_when_it_is_back() {
    let (server, _events) = counting(limits());
    let (mut peer, granted) = begin(&server, "ann", json!({})).await;
    server.user("ann").conns()[0].presence_for("tea").unwrap();
    assert_eq!(peer.json().await[1], json!({"room": "tea", "all": []}));
    peer.say("~wse:ack", json!(1)).await;
    settle().await;
    drop(peer);
    settle().await;
    let (bob, _) = begin(&server, "bob", json!({})).await;
    let at_bob = server.user("bob").conns().remove(0);
    for _ in 0..100 {
        at_bob.join("tea").unwrap();
        settle().await;
        at_bob.leave("tea");
        settle().await;
    }
    at_bob.join("tea").unwrap();
    drop(bob);
    settle().await;
    let (mut peer, _) = resume(&server, "ann", &granted["session"], 1).await;
    let mut told = resent(&mut peer).await;
    assert!(told.len() <= 1, "at most one was on its way: {told:?}");
    while told.last().is_none_or(|told| told[1]["status"] != "away") {
        told.push(peer.json().await);
    }
    assert!(told.len() <= 3, "{told:?}");
}
