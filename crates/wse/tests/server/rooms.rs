//! Rooms: who is in them, who gets what is sent to them, and how a device leaves.

use serde_json::json;
use std::sync::Arc;
use wse::{CallError, Conn, DeviceId, Limits, Room, Server, room::JoinError};
use wse_test_peers::{RawClient, attach, enter, server, settle};

fn devices(conns_per_user: usize) -> Limits {
    Limits { conns_per_user, ..Limits::default() }
}

/// A client of a new device, and the device.
async fn come(server: &Server, name: &str) -> (RawClient, Conn) {
    let peer = enter(server, name).await;
    let conn = server.user(name).conns().pop().expect("it is there");
    (peer, conn)
}

fn names(rooms: &[Arc<str>]) -> Vec<&str> {
    rooms.iter().map(|name| &**name).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_to_a_room_reaches_its_members_and_nobody_else() {
    let server = server(|builder| builder);
    let ((mut at_ann, ann), (mut at_bob, bob), (mut at_eve, _)) =
        (come(&server, "ann").await, come(&server, "bob").await, come(&server, "eve").await);
    let tea = server.room("tea");
    assert_eq!(tea.send("m", 0).unwrap().here, 0, "nobody is in it");
    ann.join("tea").unwrap();
    bob.join("tea").unwrap();
    bob.join("tea").unwrap();
    assert_eq!((tea.count(), tea.members().len(), tea.name(), tea.to_string()), (2, 2, "tea", "tea".into()));
    assert_eq!(tea.send("m", 1).unwrap().here, 2);
    assert_eq!(tea.send_encoded(&server.encode("m", 2).unwrap()).here, 2);
    assert_eq!(tea.except(&ann).send("m", 3).unwrap().here, 1);
    assert_eq!(tea.except(ann.id()).except_user("bob").send("m", 4).unwrap().here, 0);
    assert_eq!(tea.except_user("bob").send("m", 5).unwrap().here, 1);
    assert!(bob.leave("tea") && !bob.leave("tea") && !bob.leave("milk"));
    assert_eq!(server.room("tea").send("m", 6).unwrap().here, 1);
    for number in [1, 2, 5, 6] {
        assert_eq!(at_ann.json().await, json!(["m", number, null]));
    }
    for number in [1, 2, 3] {
        assert_eq!(at_bob.json().await, json!(["m", number, null]));
    }
    for peer in [&mut at_ann, &mut at_bob, &mut at_eve] {
        peer.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_leaves_its_rooms_when_it_leaves_its_user_and_can_join_no_more() {
    let server = server(|builder| builder);
    let (peer, ann) = come(&server, "ann").await;
    let (_at_bob, bob) = come(&server, "bob").await;
    for room in ["tea", "milk", "gin"] {
        ann.join(room).unwrap();
    }
    bob.join("tea").unwrap();
    assert_eq!(names(&ann.rooms()), ["tea", "milk", "gin"]);
    assert!(ann.leave("milk"));
    assert_eq!(names(&ann.rooms()), ["tea", "gin"]);
    peer.leave().await;
    settle().await;
    assert_eq!(names(&ann.rooms()), [""; 0]);
    assert_eq!(["tea", "milk", "gin"].map(|room| server.room(room).count()), [1, 0, 0]);
    assert_eq!(server.room("tea").members(), [bob]);
    assert_eq!(ann.join("tea"), Err(JoinError::Gone));
    assert!(!ann.leave("tea"));
    let (_again, again) = come(&server, "ann").await;
    assert_eq!(names(&again.rooms()), [""; 0], "it is another device");
    again.drop("bye");
    assert_eq!(again.join("tea"), Err(JoinError::Gone), "it has left at once");
}

#[tokio::test(start_paused = true)]
async fn a_device_is_in_at_most_128_rooms_whose_names_have_1_to_256_bytes() {
    let server = server(|builder| builder);
    let (_peer, ann) = come(&server, "ann").await;
    assert_eq!(ann.join(""), Err(JoinError::Name));
    assert_eq!(ann.join(&"x".repeat(257)), Err(JoinError::Name));
    ann.join(&"x".repeat(256)).unwrap();
    assert_eq!(ann.join(&"é".repeat(129)), Err(JoinError::Name), "bytes count, not letters");
    for number in 1..128 {
        ann.join(&format!("room {number}")).unwrap();
    }
    assert_eq!(ann.join("one more"), Err(JoinError::TooMany));
    assert_eq!((server.room("one more").count(), ann.rooms().len()), (0, 128));
    ann.join("room 5").expect("it is in it already");
    assert!(ann.leave("room 5"));
    ann.join("one more").expect("there is room again");
    assert_eq!(ann.user().join("tea"), Err(JoinError::TooMany));
    let (_peer, bob) = come(&server, "bob").await;
    for number in 0..128 {
        bob.user().join(&format!("room {number}")).unwrap();
    }
    assert_eq!((bob.user().join("one more"), bob.rooms().len()), (Err(JoinError::TooMany), 128));
    assert_eq!((bob.user().join(""), bob.user().rooms().len()), (Err(JoinError::Name), 128));
}

#[tokio::test(start_paused = true)]
async fn a_user_joins_with_all_devices_also_with_those_that_come_later() {
    let server = server(|builder| builder.limits(devices(3)));
    let ann = server.user("ann");
    assert_eq!(ann.join("tea"), Err(JoinError::Gone), "nobody is there to join");
    let (one, first) = come(&server, "ann").await;
    first.join("milk").unwrap();
    ann.join("tea").unwrap();
    let (two, second) = come(&server, "ann").await;
    assert_eq!((names(&first.rooms()), names(&second.rooms())), (vec!["milk", "tea"], vec!["tea"]));
    assert_eq!((names(&ann.rooms()), server.room("tea").count()), (vec!["tea"], 2));
    assert!(second.leave("tea"), "one of them may leave");
    let (mut three, third) = come(&server, "ann").await;
    server.room("tea").send("m", 1).unwrap();
    assert_eq!(three.json().await, json!(["m", 1, null]));
    assert_eq!(server.room("tea").count(), 2);
    assert!(ann.leave("tea") && !ann.leave("tea"));
    assert!(ann.leave("milk"), "also what one of them has joined by itself");
    assert_eq!((first.rooms().len(), third.rooms().len(), ann.rooms().len()), (0, 0, 0));
    ann.join("gin").unwrap();
    drop((one, two, three));
    settle().await;
    let (_four, fourth) = come(&server, "ann").await;
    assert_eq!((names(&fourth.rooms()), names(&ann.rooms())), (vec![], vec![]), "only while the user is there");
}

#[tokio::test(start_paused = true)]
async fn a_user_joins_with_all_devices_or_with_none() {
    let limits = Limits { conns_per_user: 2, rooms_per_conn: 2, ..Limits::default() };
    let server = server(|builder| builder.limits(limits));
    let ((_one, first), (_two, second)) = (come(&server, "ann").await, come(&server, "ann").await);
    second.join("a").unwrap();
    second.join("b").unwrap();
    let ann = server.user("ann");
    assert_eq!(ann.join("tea"), Err(JoinError::TooMany));
    assert_eq!((first.rooms().len(), ann.rooms().len(), server.room("tea").count()), (0, 0, 0));
    ann.join("a").expect("one is in it already");
    assert_eq!(server.room("a").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_later_device_is_in_the_rooms_of_its_user_before_its_handlers_run() {
    let server = server(|builder| {
        builder.limits(devices(2)).on("rooms", async |conn: Conn, ()| {
            conn.send("rooms", names(&conn.rooms()))?;
            Ok(())
        })
    });
    let (_one, _) = come(&server, "ann").await;
    server.user("ann").join("tea").unwrap();
    server.room("tea").retain("topic", "Assam").unwrap();
    let mut two = attach(&server);
    two.hi(json!("ann"), json!({})).await;
    two.say("rooms", json!(null)).await;
    assert_eq!(two.json().await[0], "~wse:welcome");
    assert_eq!(two.json().await, json!(["topic", "Assam", null]));
    assert_eq!(two.json().await, json!(["rooms", ["tea"], null]));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_joins_its_device_sends_before_and_after_in_order() {
    let server = server(|builder| {
        builder.on("join", async |conn: Conn, room: String| {
            conn.send("before", ())?;
            conn.join(&room)?;
            conn.server().room(&*room).send("came", conn.cid().as_str())?;
            conn.send("after", ())?;
            Ok(())
        })
    });
    let (mut ann, _) = come(&server, "ann").await;
    ann.say("join", json!("tea")).await;
    for name in ["before", "came", "after"] {
        assert_eq!(ann.json().await[0], name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_spans_all_wires() {
    use wse::{Protocol, WsMessaging};
    use wse_test_peers::enter_messaging;
    let server = server(|builder| builder.protocols([Protocol::Wse, Protocol::WseMsgpack, WsMessaging::new().into()]));
    let (mut at_ann, ann) = come(&server, "ann").await;
    let mut at_bob = enter_messaging(&server, "bob").await;
    ann.join("tea").unwrap();
    server.user("bob").join("tea").unwrap();
    assert_eq!(server.room("tea").retain("said", "hello").unwrap().here, 2);
    assert_eq!(at_ann.json().await, json!(["said", "hello", null]));
    assert!(at_bob.text().await.contains("hello"));
}

#[tokio::test(start_paused = true)]
async fn a_room_is_asked_as_an_audience_is() {
    let server = server(|builder| builder);
    let ((mut at_ann, ann), (mut at_bob, bob), (mut at_eve, _eve)) =
        (come(&server, "ann").await, come(&server, "bob").await, come(&server, "eve").await);
    ann.join("tea").unwrap();
    bob.join("tea").unwrap();
    let asked = tokio::spawn(server.room("tea").ask::<_, u32>("age", ()).all());
    for peer in [&mut at_ann, &mut at_bob] {
        let call = peer.json().await;
        peer.send(&json!(["~wse:response", 7, call[2]]).to_string()).await;
    }
    let answers: Vec<(DeviceId, Result<u32, CallError>)> = asked.await.unwrap();
    assert!(answers.len() == 2 && answers.iter().all(|(_, age)| matches!(age, Ok(7))), "{answers:?}");
    at_eve.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn an_address_of_a_room_is_an_audience_and_says_its_name() {
    let server = server(|builder| builder);
    let room: Room = server.room(String::from("tea"));
    let (_peer, ann) = come(&server, "ann").await;
    ann.join(room.name()).unwrap();
    assert_eq!(server.recall(&room, std::time::Duration::ZERO).await, 1);
    assert_eq!(format!("{room:?}"), r#"Room("tea")"#);
}
