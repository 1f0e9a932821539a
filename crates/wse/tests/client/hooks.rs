//! The hooks of a client: the same as those of a server, on every wire.

use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use wse::{
    Backoff, CallError, Client, ClientBuilder, Protocol, RpError, SendError, WsMessaging, codec::Envelope, with,
};
use wse_test_peers::{Events, Log, RawServer, events, scripted, settle, soon};

/// A client of that protocol that is connected, its events from then on, and the server's end.
async fn connected(
    protocol: impl Into<Protocol>,
    configure: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> (Client, RawServer, Events, wse_test_peers::Dials) {
    let ((when, mut events), (builder, mut dials)) = (events(), scripted());
    let protocol = protocol.into();
    let messaging = protocol.name() == "ws-messaging";
    let client = configure(builder.protocol(protocol).when(when)).build();
    let connecting = tokio::spawn({
        let client = client.clone();
        async move { client.connect().await }
    });
    let wire = if messaging { dials.accepted().await.0 } else { dials.welcomed().await };
    soon(connecting).await.expect("it does not panic").expect("it is let in");
    events.next_like("ready").await;
    (client, wire, events, dials)
}

/// With hooks that write down what they see and stop what is named so.
fn watched(log: &Log) -> impl FnOnce(ClientBuilder) -> ClientBuilder {
    let (receiving, sending, handling, calling) = (log.clone(), log.clone(), log.clone(), log.clone());
    move |builder| {
        builder
            .on_receive(async move |_: Client, envelope: Envelope<'static>| {
                receiving.add(format!("in {} {}", envelope.name, envelope.payload.decode::<Value>()?));
                match &*envelope.name {
                    "coded" => Err(RpError::new("not-allowed")),
                    "broken" => Err(std::io::Error::other("the hook's own"))?,
                    "panics" => panic!("the hook broke"),
                    "preprocessingError" => Err(RpError::new("enough")),
                    _ => Ok(()),
                }
            })
            .on_send(move |_, envelope| {
                sending.add(format!("out {} {:?}", envelope.name, envelope.stamp));
                if envelope.name == "secret" { Err(RpError::new("not-for-you")) } else { Ok(()) }
            })
            .on("fine", async move |_, what: Value| {
                handling.add(format!("handled {what}"));
                Ok(())
            })
            .register("fine", async move |_, what: Value| {
                calling.add("ran");
                Ok(what)
            })
    }
}

#[tokio::test(start_paused = true)]
async fn on_ws_messaging_they_see_and_stop_as_on_the_server() {
    let log = Log::default();
    let (client, mut wire, mut events, _dials) = connected(WsMessaging::new(), watched(&log)).await;
    assert!(log.take().is_empty(), "the auth data and connect are the wire's own");
    wire.emit("fine", json!([1, 2])).await;
    wire.invoke("fine", json!([5]), 1).await;
    assert_eq!(wire.text().await, r#"{"id":1,"result":5}"#);
    assert_eq!(log.take(), ["in fine [1,2]", "handled [1,2]", "in fine 5", "ran"]);
    for (name, text) in [
        ("coded", "Error: not-allowed"),
        ("broken", "Error: RPC execution failed"),
        ("panics", "Error: RPC execution failed"),
    ] {
        wire.invoke(name, json!([]), 2).await;
        assert_eq!(wire.json().await, json!({"id": 2, "error": text}));
        wire.emit(name, json!([])).await;
        assert_eq!(wire.json().await, json!({"name": "preprocessingError", "args": [text]}));
    }
    settle().await;
    assert!(events.so_far().iter().all(|event| event.ends_with("the hook's own") || event.ends_with("the hook broke")));
    wire.emit("preprocessingError", json!(["x"])).await;
    assert_eq!(events.next().await, "error wse.server.msg-processing-error: enough");
    wire.hears_nothing().await;
    log.take();
    assert!(matches!(client.send("secret", 1), Err(SendError::Stopped(error)) if error.code == "not-for-you"));
    let stopped = client.call::<_, Value>("secret", 1).await.unwrap_err();
    assert!(matches!(&stopped, CallError::Send(SendError::Stopped(_))), "{stopped}");
    assert_eq!(stopped.code(), "not-for-you");
    client.send("open-to-all", 1).unwrap();
    assert_eq!(wire.text().await, r#"{"name":"open-to-all","args":[1]}"#);
    assert_eq!(log.take(), ["out secret None", r#"out secret Some("")"#, "out open-to-all None"]);
}

#[tokio::test(start_paused = true)]
async fn on_wse_a_message_that_is_stopped_is_an_event_and_not_told() {
    let log = Log::default();
    let (client, mut wire, mut events, _dials) = connected(Protocol::Wse, watched(&log)).await;
    assert!(log.take().is_empty());
    for (name, error) in [
        ("coded", "not-allowed"),
        ("broken", "wse.server.rp.failed: the hook's own"),
        ("panics", "wse.server.rp.failed: panicked: the hook broke"),
    ] {
        wire.say(name, json!(null)).await;
        assert_eq!(events.next().await, format!("error wse.server.msg-processing-error: {error}"));
        let answer = wire.call(name, json!(null)).await;
        assert_eq!(answer[0], "~wse:response-err", "{answer}");
        settle().await;
        let told = if name == "coded" { vec![] } else { vec![format!("error wse.server.rp.failed: {error}")] };
        assert_eq!(events.so_far(), told);
    }
    wire.hears_nothing().await;
    assert!(matches!(client.send("secret", 1), Err(SendError::Stopped(_))));
    wire.say("fine", json!(1)).await;
    assert_eq!(wire.call("fine", json!(1)).await, json!(["~wse:response", 1]));
}

/// With a hook that waits for a permit before it lets `wait` through.
fn waiting(permits: &Arc<Semaphore>, log: &Log) -> impl FnOnce(ClientBuilder) -> ClientBuilder {
    let (first, second, permits) = (log.clone(), log.clone(), permits.clone());
    move |builder| {
        builder
            .on_receive(with(&permits, async |permits: Arc<Semaphore>, _: Client, envelope: Envelope<'static>| {
                if envelope.name == "wait" {
                    permits.acquire().await?.forget();
                }
                Ok(())
            }))
            .on("wait", async move |_, number: u32| {
                first.add(number);
                Ok(())
            })
            .on("next", async move |_, number: u32| {
                second.add(number);
                Ok(())
            })
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_behind_a_hook_at_work_waits_but_answers_do_not() {
    let (permits, log) = (Arc::new(Semaphore::new(0)), Log::default());
    let (client, mut wire, _events, _dials) = connected(WsMessaging::new(), waiting(&permits, &log)).await;
    let calling = tokio::spawn({
        let client = client.clone();
        async move { client.call::<_, u32>("its", 1).await }
    });
    wire.text().await;
    wire.emit("wait", json!([1])).await;
    wire.emit("next", json!([2])).await;
    wire.send(r#"{"id":1,"result":7}"#).await;
    wire.invoke("ping", json!([]), 1).await;
    assert_eq!(wire.text().await, r#"{"id":1,"result":null}"#);
    assert_eq!(soon(calling).await.unwrap().unwrap(), 7);
    settle().await;
    assert!(log.take().is_empty());
    permits.add_permits(1);
    settle().await;
    assert_eq!(log.take(), ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_at_work_does_not_keep_a_client_from_closing_or_coming_back() {
    let (permits, log) = (Arc::new(Semaphore::new(0)), Log::default());
    let configure = waiting(&permits, &log);
    let (client, mut wire, mut events, mut dials) =
        connected(WsMessaging::new(), |builder| configure(builder.reconnect(Backoff::default()))).await;
    wire.emit("wait", json!([1])).await;
    wire.emit("next", json!([2])).await;
    settle().await;
    wire.drop_with(1012, "wse.restart").await;
    assert_eq!(events.next_like("closed").await, "closed 1012 wse.restart");
    let (mut wire, _) = dials.accepted().await;
    events.next_like("ready").await;
    // What the old connection had brought is heard still, once the hook is done.
    permits.add_permits(1);
    settle().await;
    assert_eq!(log.take(), ["1", "2"]);
    wire.emit("wait", json!([3])).await;
    wire.emit("next", json!([4])).await;
    settle().await;
    let closing = tokio::spawn({
        let client = client.clone();
        async move { client.close("done").await }
    });
    assert_eq!(wire.closed().await, (1000, "done".into()));
    soon(closing).await.unwrap();
    permits.add_permits(1);
    settle().await;
    assert!(log.take().is_empty(), "after a close of its own nothing is heard");
}

#[tokio::test(start_paused = true)]
async fn what_a_hook_looks_at_comes_before_what_the_next_connection_brings() {
    let (permits, log) = (Arc::new(Semaphore::new(0)), Log::default());
    let configure = waiting(&permits, &log);
    let at_once = Backoff { min: Duration::ZERO, max: Duration::ZERO, ..Backoff::default() };
    let (_client, mut wire, mut events, mut dials) =
        connected(WsMessaging::new(), |builder| configure(builder.reconnect(at_once))).await;
    wire.emit("wait", json!([1])).await;
    settle().await;
    wire.drop_with(1012, "wse.restart").await;
    settle().await;
    assert!(events.so_far().is_empty(), "the end is told when all of the connection was heard");
    permits.add_permits(1);
    let (mut wire, _) = dials.accepted().await;
    events.next_like("ready").await;
    wire.emit("next", json!([2])).await;
    settle().await;
    assert_eq!(log.take(), ["1", "2"]);
}
