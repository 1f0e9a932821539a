//! The hook that looks at every message and call before it leaves, on a server: what it sees, what it
//! stops, and who learns of that.

use serde_json::{Value, json};
use wse::{
    CallError, Conn, Limits, RpError, SendError, Server, ServerBuilder,
    codec::{Envelope, Format, Payload},
};
use wse_test_peers::{Log, RawClient, attach_to, enter_messaging, events, log, messaging, settle};

/// A server whose hook writes down what it sees, and stops what is for that user or has that name.
fn watched(log: &Log, configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Server {
    let log = log.clone();
    messaging(|builder| {
        configure(builder.limits(Limits { conns_per_user: 4, ..Limits::default() })).on_send(move |conn, envelope| {
            let payload: Value = envelope.payload.decode()?;
            log.add(format!("{} {} {payload} {:?}", conn.cid(), envelope.name, envelope.stamp));
            match &*envelope.name {
                "secret" => Err(RpError::new("not-for-you").message("it stays here")),
                "for-ann" if conn.cid().as_str() != "ann" => Err(RpError::new("not-for-you")),
                "broken" => Err(std::io::Error::other("the hook's own"))?,
                "panics" => panic!("the hook broke"),
                _ => Ok(()),
            }
        })
    })
}

fn conn(server: &Server, name: &str) -> Conn {
    server.user(name).conns().remove(0)
}

async fn wse(server: &Server, name: &str) -> RawClient {
    let (mut peer, _) = attach_to(server, "wse-default-json");
    peer.enter(name).await;
    peer
}

#[tokio::test(start_paused = true)]
async fn it_sees_each_message_and_call_once_a_device_and_nothing_that_is_the_wires_own() {
    let log = log();
    let server = watched(&log, |builder| builder.register("add", async |_, (a, b): (i64, i64)| Ok(a + b)));
    let (mut ann, mut bob) = (wse(&server, "ann").await, enter_messaging(&server, "bob").await);
    bob.invoke("add", json!([1, 2]), 1).await;
    assert_eq!(bob.text().await, r#"{"id":1,"result":3}"#);
    bob.invoke("ping", json!([]), 2).await;
    bob.text().await;
    bob.send("garbage").await;
    bob.text().await;
    assert!(log.take().is_empty(), "neither welcomes, answers nor what answers garbage");
    conn(&server, "ann").send("m", (1, 2)).unwrap();
    server.user("bob").send("m", json!({"a": 1})).unwrap();
    let calling = tokio::spawn({
        let conn = conn(&server, "bob");
        async move { conn.call::<_, Value>("its", 5).await }
    });
    settle().await;
    assert_eq!(log.take(), ["ann m [1,2] None", r#"bob m {"a":1} None"#, r#"bob its 5 Some("")"#]);
    assert_eq!(server.broadcast("all", "x").unwrap().here, 2);
    let mut seen = log.take();
    seen.sort();
    assert_eq!(seen, [r#"ann all "x" None"#, r#"bob all "x" None"#]);
    let encoded = server.encode("once", ()).unwrap();
    assert!(log.take().is_empty(), "nothing leaves yet");
    conn(&server, "ann").send_encoded(&encoded).unwrap();
    assert_eq!(log.take(), ["ann once null None"]);
    assert_eq!(ann.text().await, r#"["m",[1,2],null]"#);
    assert_eq!(ann.text().await, r#"["all","x",null]"#);
    assert_eq!(ann.text().await, r#"["once",null,null]"#);
    assert_eq!(bob.text().await, r#"{"name":"m","args":[{"a":1}]}"#);
    assert_eq!(bob.text().await, r#"{"name":"its","args":[5],"id":1}"#);
    bob.send(r#"{"id":1,"result":null}"#).await;
    calling.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_it_stops_is_the_senders_error_and_nothing_leaves() {
    let log = log();
    let server = watched(&log, |builder| builder);
    let (mut ann, mut bob) = (wse(&server, "ann").await, enter_messaging(&server, "bob").await);
    for name in ["ann", "bob"] {
        let conn = conn(&server, name);
        let error = conn.send("secret", 1).unwrap_err();
        let SendError::Stopped(stopped) = &error else { panic!("{error}") };
        assert_eq!((stopped.code.as_str(), stopped.message.as_deref()), ("not-for-you", Some("it stays here")));
        assert_eq!((error.code(), error.to_string()), ("not-for-you", "stopped: not-for-you: it stays here".into()));
        let error = conn.call::<_, Value>("secret", 1).await.unwrap_err();
        assert!(matches!(&error, CallError::Send(SendError::Stopped(_))), "{error}");
        assert_eq!(error.code(), "not-for-you");
        let error = conn.send("broken", 1).unwrap_err();
        assert_eq!(error.code(), "wse.server.rp.failed");
        let encoded = server.encode("secret", 1).unwrap();
        assert!(matches!(conn.send_encoded(&encoded), Err(SendError::Stopped(_))));
        assert_eq!(server.user(name).send("secret", 1).unwrap().here, 0);
        assert_eq!(server.user(name).send_encoded(&encoded).here, 0);
    }
    assert_eq!(server.broadcast("secret", 1).unwrap().here, 0);
    ann.hears_nothing().await;
    bob.hears_nothing().await;
    // A call that was stopped took no number and no place.
    let calling = tokio::spawn({
        let conn = conn(&server, "bob");
        async move { conn.call::<_, Value>("its", 5).await }
    });
    assert_eq!(bob.text().await, r#"{"name":"its","args":[5],"id":1}"#);
    bob.send(r#"{"id":1,"result":1}"#).await;
    calling.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_a_message_to_many_it_may_stop_what_is_for_one() {
    let log = log();
    let server = watched(&log, |builder| builder);
    let mut anns = [wse(&server, "ann").await, enter_messaging(&server, "ann").await];
    let mut bobs = [wse(&server, "bob").await, enter_messaging(&server, "bob").await];
    assert_eq!(server.broadcast("for-ann", 1).unwrap().here, 2);
    assert_eq!(server.everyone().send_encoded(&server.encode("for-ann", 1).unwrap()).here, 2);
    for _ in 0..2 {
        assert_eq!(anns[0].text().await, r#"["for-ann",1,null]"#);
        assert_eq!(anns[1].text().await, r#"{"name":"for-ann","args":[1]}"#);
    }
    for bob in &mut bobs {
        bob.hears_nothing().await;
    }
    assert_eq!(server.conn_count(), 4);
}

#[tokio::test(start_paused = true)]
async fn it_sees_the_payload_in_the_format_of_the_device() {
    let log = log();
    let here = log.clone();
    let server = messaging(|builder| {
        builder.on_send(move |conn, envelope| {
            let format = match envelope.payload.format() {
                Format::MessagePack => "MessagePack",
                _ => "JSON",
            };
            here.add(format!("{} {} {}", conn.protocol(), format, envelope.payload.decode::<Value>()?));
            Ok(())
        })
    });
    let _wse = wse(&server, "ann").await;
    let (mut packed, _) = attach_to(&server, "wse-msgpack");
    packed.pack(json!(["~wse:hi", {"identity": "bob"}])).await;
    packed.unpack().await;
    let (mut messaging, _) = attach_to(&server, "ws-messaging");
    messaging.pack(json!("cat")).await;
    messaging.unpack().await;
    for name in ["ann", "bob", "cat"] {
        conn(&server, name).send("m", [1]).unwrap();
    }
    let expected = ["wse-default-json JSON [1]", "wse-msgpack MessagePack [1]", "ws-messaging MessagePack [1]"];
    assert_eq!(log.take(), expected);
    server.broadcast("m", [1]).unwrap();
    let mut seen = log.take();
    seen.sort();
    let mut expected = expected;
    expected.sort();
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn its_error_in_a_handler_fails_that_handler_and_its_panic_too() {
    let ((when, mut events), log) = (events(), log());
    let server = watched(&log, |builder| {
        builder
            .when(when)
            .on("say", async |conn: Conn, name: String| {
                conn.send(&*name, 1)?;
                Ok(())
            })
            .register("call", async |conn: Conn, name: String| Ok(conn.call::<_, Value>(&*name, 1).await?))
    });
    let mut peer = enter_messaging(&server, "ann").await;
    events.take(2).await;
    for (name, text) in [
        ("secret", "stopped: not-for-you: it stays here"),
        ("broken", "stopped: wse.server.rp.failed: the hook's own"),
        ("panics", "panicked: the hook broke"),
    ] {
        peer.emit("say", json!([name])).await;
        let event = events.next().await;
        assert!(event.starts_with("error ann wse.server.msg-processing-error ") && event.ends_with(text), "{event}");
    }
    peer.invoke("call", json!(["secret"]), 1).await;
    assert_eq!(peer.text().await, r#"{"id":1,"error":"Error: RPC execution failed"}"#);
    peer.invoke("call", json!(["panics"]), 2).await;
    assert_eq!(peer.text().await, r#"{"id":2,"error":"Error: RPC execution failed"}"#);
    assert_eq!(server.conn_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_may_send_itself_and_drop_the_connection() {
    let server = messaging(|builder| {
        builder.on_send(|conn: &Conn, envelope: &Envelope<'_>| match &*envelope.name {
            "m" => {
                conn.send("before", 1)?;
                Ok(())
            }
            "call" => Ok(conn.server().broadcast("called", envelope.payload.borrowed()).map(drop)?),
            "out" => {
                conn.drop("out");
                Ok(())
            }
            _ => Ok(()),
        })
    });
    let mut peer = enter_messaging(&server, "ann").await;
    let conn = conn(&server, "ann");
    conn.send("m", 2).unwrap();
    assert_eq!(peer.text().await, r#"{"name":"before","args":[1]}"#);
    assert_eq!(peer.text().await, r#"{"name":"m","args":[2]}"#);
    let calling = tokio::spawn({
        let conn = conn.clone();
        async move { conn.call::<_, Value>("call", (1, 2)).await }
    });
    assert_eq!(peer.text().await, r#"{"name":"called","args":[1,2]}"#);
    assert_eq!(peer.text().await, r#"{"name":"call","args":[1,2],"id":1}"#);
    assert!(matches!(conn.send("out", 1), Err(SendError::NotReady)));
    assert_eq!(peer.closed().await, (4003, "out".into()));
    assert!(matches!(calling.await.unwrap(), Err(CallError::Disconnected { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_is_passed_on_through_it_arrives_as_without_it() {
    let echo = async |conn: Conn, what: Payload<'static>| {
        conn.send("echo", what)?;
        Ok(())
    };
    let server = messaging(|builder| builder.on_send(|_, _| Ok(())).on("echo", echo));
    let mut peer = enter_messaging(&server, "ann").await;
    for args in ["[]", "[null]", "[1.50]", "[1,2]", "[[1]]", "[[]]"] {
        peer.send(&format!(r#"{{"name":"echo","args":{args}}}"#)).await;
        assert_eq!(peer.text().await, format!(r#"{{"name":"echo","args":{args}}}"#));
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_has_gone_is_not_looked_at_as_an_error_of_the_hook() {
    let log = log();
    let server = watched(&log, |builder| builder);
    let mut peer = enter_messaging(&server, "ann").await;
    let conn = conn(&server, "ann");
    conn.drop("enough");
    peer.closed().await;
    assert!(matches!(conn.send("m", 1), Err(SendError::NotReady)));
    assert!(matches!(conn.call::<_, Value>("m", 1).await, Err(CallError::NotReady)));
    assert!(log.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_leave_under_its_name_is_not_shown() {
    let log = log();
    let server = watched(&log, |builder| builder);
    let _peer = enter_messaging(&server, "ann").await;
    for name in ["close", "~wse:hi", ""] {
        assert!(matches!(conn(&server, "ann").send(name, 1), Err(SendError::Encode(_))), "{name}");
    }
    assert!(log.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_another_server_has_encoded_goes_to_no_device() {
    let log = log();
    let server = watched(&log, |builder| builder);
    let other = messaging(|builder| builder);
    let mut peer = enter_messaging(&server, "ann").await;
    let foreign = other.encode("news", 1).unwrap();
    assert!(matches!(conn(&server, "ann").send_encoded(&foreign), Err(SendError::Encode(_))));
    assert_eq!(server.user("ann").send_encoded(&foreign).here, 0);
    assert_eq!(server.everyone().send_encoded(&foreign).here, 0);
    peer.hears_nothing().await;
    assert!(server.conn_count() == 1 && log.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_second_hook_sees_what_the_first_lets_through() {
    let (first, second) = (log(), log());
    let behind = second.clone();
    let server = {
        let first = first.clone();
        messaging(|builder| {
            let stops = move |_: &Conn, envelope: &Envelope<'_>| {
                first.add(envelope.name.to_string());
                if envelope.name == "secret" { Err(RpError::new("not-for-you")) } else { Ok(()) }
            };
            builder.on_send(stops).on_send(move |_, envelope| {
                behind.add(envelope.name.to_string());
                Ok(())
            })
        })
    };
    let _peer = wse(&server, "ann").await;
    let ann = conn(&server, "ann");
    assert!(matches!(ann.send("secret", ()), Err(SendError::Stopped(_))));
    ann.send("news", ()).unwrap();
    assert_eq!((first.take(), second.take()), (vec!["secret".to_owned(), "news".into()], vec!["news".to_owned()]));
}
