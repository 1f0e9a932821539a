//! Sending: to one device, to a user, to everybody but some; encoded once for many; what is too big
//! or does not encode; and dropping.

use serde::{Serialize, Serializer, ser::Error};
use serde_json::{Value, json};
use wse::{Conn, Limits, Msg, Reason, SendError, Server};
use wse_test_peers::{Got, attach, enter, events, server, settle};

const NEWS: Msg<Value> = Msg::new("news");

fn two_devices() -> Server {
    server(|builder| builder.limits(Limits { conns_per_user: 2, ..Limits::default() }))
}

/// A payload that has no JSON.
struct Unspeakable;

impl Serialize for Unspeakable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("unspeakable"))
    }
}

async fn expect(peers: &mut [&mut wse_test_peers::RawClient], text: &str) {
    for peer in peers {
        assert_eq!(peer.text().await, text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_reaches_the_device_the_user_or_everybody_and_is_counted() {
    let server = two_devices();
    let (mut phone, mut desk) = (enter(&server, "ann").await, enter(&server, "ann").await);
    let mut bob = enter(&server, "bob").await;
    let conn = server.user("ann").conns().remove(0);
    conn.send(NEWS, json!("one")).unwrap();
    assert_eq!(server.user("ann").send(NEWS, json!("two")).unwrap().here, 2);
    assert_eq!(server.user("eve").send(NEWS, json!("nobody")).unwrap().here, 0);
    assert_eq!(server.broadcast(NEWS, json!("all")).unwrap().here, 3);
    conn.send("plain", ()).unwrap();
    expect(&mut [&mut phone], r#"["news","one",null]"#).await;
    expect(&mut [&mut phone, &mut desk], r#"["news","two",null]"#).await;
    expect(&mut [&mut phone, &mut desk, &mut bob], r#"["news","all",null]"#).await;
    expect(&mut [&mut phone], r#"["plain",null,null]"#).await;
    bob.hears_nothing().await;
    desk.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_leaves_out_the_devices_and_users_named() {
    let server = two_devices();
    let (mut phone, mut desk) = (enter(&server, "ann").await, enter(&server, "ann").await);
    let (mut bob, mut eve) = (enter(&server, "bob").await, enter(&server, "eve").await);
    let conn = server.user("ann").conns().remove(0);
    assert_eq!(server.everyone().except(&conn).send(NEWS, json!(1)).unwrap().here, 3);
    expect(&mut [&mut desk, &mut bob, &mut eve], r#"["news",1,null]"#).await;
    assert_eq!(server.everyone().except_user("ann").send(NEWS, json!(2)).unwrap().here, 2);
    expect(&mut [&mut bob, &mut eve], r#"["news",2,null]"#).await;
    let some = server.everyone().except(&conn).except_user("bob").except_user("nobody");
    assert_eq!(some.send(NEWS, json!(3)).unwrap().here, 2);
    assert_eq!(some.send_encoded(&server.encode(NEWS, json!(4)).unwrap()).here, 2);
    for number in [3, 4] {
        expect(&mut [&mut desk, &mut eve], &format!(r#"["news",{number},null]"#)).await;
    }
    phone.hears_nothing().await;
    bob.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_encoded_once_goes_to_any_selection_in_order_with_others() {
    let server = two_devices();
    let (mut phone, mut bob) = (enter(&server, "ann").await, enter(&server, "bob").await);
    let large = "x".repeat(20_000); // shared, not copied
    let (small, big) = (server.encode("small", 1).unwrap(), server.encode("big", &large).unwrap());
    let (ann, bobs) = (server.user("ann"), server.user("bob").conns().remove(0));
    assert_eq!(ann.send_encoded(&big).here, 1);
    assert_eq!(ann.send_encoded(&small).here, 1);
    bobs.send("first", ()).unwrap();
    bobs.send_encoded(&big).unwrap();
    bobs.send("last", ()).unwrap();
    assert_eq!(server.user("eve").send_encoded(&big).here, 0);
    let big = json!(["big", large, null]).to_string();
    assert_eq!(phone.text().await, big);
    assert_eq!(phone.text().await, r#"["small",1,null]"#);
    assert_eq!(bob.text().await, r#"["first",null,null]"#);
    assert_eq!(bob.text().await, big);
    assert_eq!(bob.text().await, r#"["last",null,null]"#);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_encode_reaches_nobody_and_harms_nobody() {
    let server = two_devices();
    let mut peer = enter(&server, "ann").await;
    let conn = server.user("ann").conns().remove(0);
    let errors = [
        conn.send("m", Unspeakable).unwrap_err(),
        conn.user().send("m", Unspeakable).unwrap_err(),
        server.broadcast("m", Unspeakable).unwrap_err(),
        server.encode("m", Unspeakable).unwrap_err(),
        conn.send("", 1).unwrap_err(),
        conn.send("~wse:welcome", 1).unwrap_err(),
        server.broadcast("~wse:response", 1).unwrap_err(),
    ];
    assert!(errors.iter().all(|error| matches!(error, SendError::Encode(_))), "{errors:?}");
    conn.send("m", 1).unwrap();
    assert_eq!(peer.text().await, r#"["m",1,null]"#);
}

#[tokio::test(start_paused = true)]
async fn a_frame_too_big_for_the_queue_is_an_error_and_the_connection_stays() {
    let limits = Limits { queue_bytes: 10_000, ..Limits::default() };
    let (when, mut events) = events();
    let server = server(|builder| {
        builder.limits(limits).when(when).register("big", async |_, size: usize| Ok("x".repeat(size)))
    });
    let mut peer = enter(&server, "ann").await;
    events.take(2).await;
    let conn = server.user("ann").conns().remove(0);
    let huge = "x".repeat(10_000);
    assert!(matches!(conn.send("m", &huge), Err(SendError::TooBig(size)) if size > 10_000));
    assert!(matches!(server.encode("m", &huge), Err(SendError::TooBig(_))));
    assert!(matches!(server.broadcast("m", &huge), Err(SendError::TooBig(_))));
    assert!(matches!(server.user("ann").send("m", &huge), Err(SendError::TooBig(_))));
    assert!(conn.is_open());
    // A result that is too big is an error that is not.
    let answer = peer.call("big", json!(10_000)).await;
    assert_eq!((&answer[0], &answer[1]["code"]), (&json!("~wse:response-err"), &json!("wse.server.rp.failed")));
    assert!(events.next().await.starts_with("error ann wse.server.rp.failed"));
    assert_eq!(peer.call("big", json!(9000)).await[1].as_str().unwrap().len(), 9000);
}

#[tokio::test(start_paused = true)]
async fn drops_close_with_the_reasons_of_upstream() {
    type Drop = fn(&Server, &Conn);
    let server = two_devices();
    let drops: [(Drop, &str); 7] = [
        (|_, conn| conn.drop(Reason::default()), "wse.by-server"),
        (|_, conn| conn.drop("custom"), "custom"),
        (|_, conn| assert_eq!(conn.user().drop(Reason::default()), 2), "wse.by-server"),
        (|_, conn| assert_eq!(conn.user().drop("because"), 2), "because"),
        (|server, conn| assert_eq!(server.drop_user(conn.cid(), Reason::default()), 2), ""),
        (|server, _| assert_eq!(server.drop_user("ann", "gone"), 2), "gone"),
        (|server, _| assert_eq!(server.user("ann").drop(""), 2), ""),
    ];
    for (number, (drop, reason)) in drops.into_iter().enumerate() {
        let (mut phone, mut desk) = (enter(&server, "ann").await, enter(&server, "ann").await);
        let mut bob = enter(&server, "bob").await;
        let conn = server.user("ann").conns().remove(0);
        conn.send("last", ()).unwrap();
        drop(&server, &conn);
        assert!(!conn.is_open());
        assert!(matches!(conn.send("too late", ()), Err(SendError::NotReady)));
        assert_eq!(phone.text().await, r#"["last",null,null]"#, "what was queued is still sent");
        assert_eq!(phone.closed().await, (1000, reason.into()));
        if number < 2 {
            assert_eq!(server.user("ann").conn_count(), 1, "one device only");
            desk.leave().await;
        } else {
            assert_eq!(desk.closed().await, (1000, reason.into()));
        }
        bob.hears_nothing().await;
        bob.leave().await;
        settle().await;
        assert_eq!(server.conn_count(), 0);
    }
    assert_eq!((server.drop_user("ann", "x"), server.user("ann").drop("x")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_long_reason_is_cut_to_what_a_close_frame_holds() {
    let server = two_devices();
    let mut peer = enter(&server, "ann").await;
    server.drop_user("ann", "ä".repeat(100));
    assert_eq!(peer.closed().await, (1000, "ä".repeat(61)));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_user_is_gone_at_once_for_those_who_ask() {
    let server = two_devices();
    let mut peer = enter(&server, "ann").await;
    assert_eq!(server.drop_user("ann", ""), 1);
    assert_eq!((server.user_count(), server.conn_count(), server.drop_user("ann", "")), (0, 0, 0));
    let mut new = attach(&server);
    new.enter("ann").await;
    assert_eq!(peer.next().await, Got::Close(Some((1000, String::new()))));
    assert_eq!(server.conn_count(), 1);
}
