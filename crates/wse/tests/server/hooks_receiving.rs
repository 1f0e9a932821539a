//! The hook that looks at every message and call before its handlers do, on a server: what it sees
//! and what it stops.

use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;
use wse::{Conn, RpError, Server, ServerBuilder, Stranger, Verdict, codec::Envelope};
use wse_test_peers::{Log, attach_to, enter_messaging, events, log, messaging, settle};

const S: Duration = Duration::from_secs(1);

/// Does what the name says, or lets it through.
async fn judge(log: Log, conn: Conn, envelope: Envelope<'static>) -> Result<(), RpError> {
    let kind = if envelope.is_call() { "call" } else { "message" };
    log.add(format!("{} sends the {kind} {} {}", conn.cid(), envelope.name, envelope.payload.decode::<Value>()?));
    match &*envelope.name {
        "coded" => Err(RpError::new("not-allowed").details(&json!({"a": 1}))),
        "said" => Err(RpError::new("not-allowed").message("you may not")),
        "broken" => Err(std::io::Error::other("the hook's own secret"))?,
        "panics" => panic!("the hook broke"),
        "preprocessingError" => Err(RpError::new("enough")),
        _ => Ok(()),
    }
}

/// A server with that hook, and handlers that write down that they ran.
fn judged(log: &Log, configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Server {
    let names = ["fine", "coded", "said", "broken", "panics", "preprocessingError"];
    let hook = log.clone();
    let server = messaging(|builder| {
        configure(builder)
            .on_receive(async move |conn: Conn, envelope: Envelope<'static>| judge(hook, conn, envelope).await)
    });
    for name in names {
        let (heard, called) = (log.clone(), log.clone());
        server.on(name, async move |_: Conn, _: Value| {
            heard.add(format!("handled {name}"));
            Ok(())
        });
        let procedure = async move |_: Conn, _: Value| {
            called.add(format!("ran {name}"));
            Ok(1)
        };
        server.register(name, procedure).expect("a name of its own");
    }
    server
}

#[tokio::test(start_paused = true)]
async fn it_sees_messages_and_calls_before_their_handlers_and_nothing_else() {
    let log = log();
    let server = judged(&log, |builder| builder);
    let (mut wse, _) = attach_to(&server, "wse-default-json");
    wse.enter("ann").await;
    wse.say("fine", json!({"n": 1})).await;
    assert_eq!(wse.call("fine", json!(null)).await, json!(["~wse:response", 1]));
    let mut messaging = enter_messaging(&server, "bob").await;
    messaging.emit("fine", json!([1, 2])).await;
    messaging.invoke("fine", json!([]), 1).await;
    assert_eq!(messaging.text().await, r#"{"id":1,"result":1}"#);
    messaging.emit("unheard", json!([])).await;
    messaging.invoke("missing", json!([5]), 2).await;
    assert_eq!(messaging.text().await, r#"{"id":2,"error":"NoProcedureError"}"#);
    // What is the wire's own it does not see.
    let conn = server.user("bob").conns().remove(0);
    let calling = tokio::spawn(async move { conn.call::<_, Value>("its", 1).await });
    messaging.text().await;
    messaging.send(r#"{"id":1,"result":1}"#).await;
    calling.await.unwrap().unwrap();
    messaging.invoke("ping", json!([]), 3).await;
    messaging.text().await;
    messaging.emit("close", json!([])).await;
    messaging.send("garbage").await;
    messaging.text().await;
    settle().await;
    assert_eq!(
        log.take(),
        [
            r#"ann sends the message fine {"n":1}"#,
            "handled fine",
            "ann sends the call fine null",
            "ran fine",
            "bob sends the message fine [1,2]",
            "handled fine",
            "bob sends the call fine []",
            "ran fine",
            "bob sends the message unheard []",
            "bob sends the call missing 5",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_it_stops_is_answered_with_its_error() {
    let ((when, mut events), log) = (events(), log());
    let server = judged(&log, |builder| builder.when(when));
    let mut messaging = enter_messaging(&server, "bob").await;
    for (name, text) in [
        ("coded", "Error: not-allowed"),
        ("said", "Error: you may not"),
        ("broken", "Error: RPC execution failed"),
        ("panics", "Error: RPC execution failed"),
    ] {
        messaging.invoke(name, json!([]), 4).await;
        assert_eq!(messaging.json().await, json!({"id": 4, "error": text}), "{name}");
    }
    let (mut wse, _) = attach_to(&server, "wse-default-json");
    wse.enter("ann").await;
    for (name, error) in [
        ("coded", json!({"code": "not-allowed", "details": {"a": 1, "rp": "coded", "rpc": "coded", "payload": 7}})),
        (
            "said",
            json!({"code": "not-allowed", "message": "you may not", "details": {"rp": "said", "rpc": "said", "payload": 7}}),
        ),
        (
            "broken",
            json!({"code": "wse.server.rp.failed", "message": "RPC execution failed", "details": {"rp": "broken", "rpc": "broken", "payload": 7}}),
        ),
        (
            "panics",
            json!({"code": "wse.server.rp.failed", "message": "RPC execution failed", "details": {"rp": "panics", "rpc": "panics", "payload": 7}}),
        ),
    ] {
        assert_eq!(wse.call(name, json!(7)).await, json!(["~wse:response-err", error]), "{name}");
    }
    assert!(log.take().iter().all(|line| !line.starts_with("ran")), "no procedure ran");
    settle().await;
    let told = events.so_far().into_iter().filter(|event| event.starts_with("error")).collect::<Vec<_>>();
    // What was not made on purpose is reported, whatever the wire.
    assert_eq!(
        told,
        [
            "error bob wse.server.rp.failed wse.server.rp.failed: the hook's own secret",
            "error bob wse.server.rp.failed wse.server.rp.failed: panicked: the hook broke",
            "error ann wse.server.rp.failed wse.server.rp.failed: the hook's own secret",
            "error ann wse.server.rp.failed wse.server.rp.failed: panicked: the hook broke",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_that_it_stops_is_answered_by_preprocessing_error_or_reported() {
    let ((when, mut events), log) = (events(), log());
    let server = judged(&log, |builder| builder.when(when));
    let mut messaging = enter_messaging(&server, "bob").await;
    let (mut wse, _) = attach_to(&server, "wse-default-json");
    wse.enter("ann").await;
    events.take(4).await;
    for (name, text, told, reported) in [
        ("coded", "Error: not-allowed", false, "not-allowed"),
        ("said", "Error: you may not", false, "not-allowed: you may not"),
        ("broken", "Error: RPC execution failed", true, "wse.server.rp.failed: the hook's own secret"),
        ("panics", "Error: RPC execution failed", true, "wse.server.rp.failed: panicked: the hook broke"),
    ] {
        messaging.emit(name, json!([])).await;
        assert_eq!(messaging.json().await, json!({"name": "preprocessingError", "args": [text]}), "{name}");
        settle().await;
        let expected = told.then(|| format!("error bob wse.server.msg-processing-error {reported}"));
        assert_eq!(events.so_far(), Vec::from_iter(expected), "{name}");
        wse.say(name, json!(null)).await;
        assert_eq!(events.next().await, format!("error ann wse.server.msg-processing-error {reported}"));
    }
    // Two that answer each other's answers would never end.
    messaging.emit("preprocessingError", json!(["Error: x"])).await;
    assert_eq!(events.next().await, "error bob wse.server.msg-processing-error enough");
    messaging.hears_nothing().await;
    wse.hears_nothing().await;
    assert!(log.take().iter().all(|line| !line.starts_with("handled")));
    assert_eq!(server.conn_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_hook_runs_for_a_stranger() {
    let log = log();
    let here = log.clone();
    let server = wse::Server::builder()
        .protocols(["ws-messaging", "wse-default-json"].map(|name| wse::Protocol::named(name).unwrap()))
        .on_receive(async move |conn: Conn, envelope: Envelope<'static>| {
            here.add(format!("{} {}", conn.cid(), envelope.name));
            Ok(())
        })
        .identify(async |stranger: Stranger, name: String| -> Result<Verdict, RpError> {
            sleep(S).await;
            Ok(if name == "ann" { stranger.accept(name) } else { stranger.refuse() })
        })
        .build();
    for name in ["mallory", "ann"] {
        let (mut peer, _) = attach_to(&server, "ws-messaging");
        peer.send(&json!(name).to_string()).await;
        peer.emit("m", json!([])).await;
        peer.invoke("rp", json!([]), 1).await;
        settle().await;
        assert!(log.take().is_empty());
        let expected: &[&str] = if name == "ann" { &["ann m", "ann rp"] } else { &[] };
        peer.next().await;
        settle().await;
        assert_eq!(log.take(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_hook_runs_behind_the_first_and_may_use_the_connection() {
    let server = messaging(|builder| {
        builder
            .on_receive(async |_: Conn, envelope: Envelope<'static>| match &*envelope.name {
                "stopped" => Err(RpError::new("by-the-first")),
                _ => Ok(()),
            })
            .on_receive(async |conn: Conn, envelope: Envelope<'static>| {
                assert_ne!(envelope.name, "stopped");
                if envelope.name == "ask" {
                    let answer: u32 = conn.call("its", ()).await?;
                    conn.send("asked", answer)?;
                }
                if envelope.name == "out" {
                    conn.drop("out");
                }
                Ok(())
            })
            .register("ask", async |_, ()| Ok(1))
    });
    let mut peer = enter_messaging(&server, "ann").await;
    peer.invoke("ask", json!([]), 5).await;
    assert_eq!(peer.text().await, r#"{"name":"its","args":[null],"id":1}"#);
    peer.send(r#"{"id":1,"result":8}"#).await;
    assert_eq!(peer.text().await, r#"{"name":"asked","args":[8]}"#);
    assert_eq!(peer.text().await, r#"{"id":5,"result":1}"#);
    peer.invoke("stopped", json!([]), 7).await;
    assert!(peer.text().await.contains("by-the-first"));
    peer.invoke("out", json!([]), 6).await;
    assert_eq!(peer.closed().await, (4003, "out".into()));
}
