//! The call by which a device asks whether the server is there: answered at once, whatever the
//! application does, and never shown to it.

use http::Request;
use serde_json::{Value, json};
use std::{future::pending, time::Duration};
use tokio::time::sleep;
use wse::{CallError, Conn, Handlers, Limits, RegisterError, SendError, Server, ServerBuilder, codec::Payload};
use wse_frame::Opcode;
use wse_test_peers::{
    Got, attach_to, attach_with, begin, enter, events, frame, log, messaging, offering, on_net, pack, resent, resume,
    server, settle, unpack,
};

const S: Duration = Duration::from_secs(1);

const PROBE: &str = "~wse:ping";

#[tokio::test(start_paused = true)]
async fn a_probe_is_answered_though_no_handler_or_hook_or_listener_comes_to_an_end() {
    type Busy = fn(ServerBuilder) -> ServerBuilder;
    let busy: [(&str, Busy); 4] = [
        ("all handlers run", |builder| builder.on("m", async |_, _: Value| pending().await)),
        ("a hook runs", |builder| builder.on_receive(async |_, _| pending().await)),
        ("the listener of `Connected` runs", |builder| builder.when(async |_| pending().await)),
        ("messages wait", |builder| {
            let limits = Limits { handlers_per_conn: 1, ..Limits::default() };
            builder.limits(limits).on("m", async |_, _: Value| pending().await)
        }),
    ];
    for (what, busy) in busy {
        let server = server(busy);
        let mut device = enter(&server, "ann").await;
        for _ in 0..100 {
            device.say("m", json!(1)).await;
        }
        assert_eq!(device.call(PROBE, Value::Null).await, json!(["~wse:response", null]), "{what}");
        let stopping = server.clone();
        tokio::spawn(async move { stopping.shutdown(99 * S).await });
        settle().await;
        if ["all handlers run", "messages wait"].contains(&what) {
            assert_eq!(device.call(PROBE, json!([1])).await, json!(["~wse:response", null]), "{what}, in a shutdown");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_application_never_sees_a_probe() {
    let seen = log();
    let (by_hook, by_fallback, by_handler) = (seen.clone(), seen.clone(), seen.clone());
    let (when, mut events) = events();
    let server = server(|builder| {
        builder
            .when(when)
            .on_receive(async move |_: Conn, envelope| {
                by_hook.add(format!("hook {}", envelope.name));
                Ok(())
            })
            .on(PROBE, async move |_, _: Value| {
                by_handler.add("handler");
                Ok(())
            })
            .handlers(Handlers::<Conn>::new().fallback(async move |_, envelope| {
                by_fallback.add(format!("fallback {}", envelope.name));
                Ok(envelope.payload)
            }))
    });
    let mut device = enter(&server, "ann").await;
    assert_eq!(events.take(2).await, ["joined ann", "connected ann 1"]);
    assert_eq!(device.call(PROBE, json!("any")).await, json!(["~wse:response", null]));
    device.say(PROBE, Value::Null).await;
    device.hears_nothing().await;
    assert_eq!((seen.take(), events.so_far(), server.conn_count()), (Vec::<String>::new(), Vec::<String>::new(), 1));
}

#[tokio::test(start_paused = true)]
async fn in_a_session_a_probe_and_its_answer_count_as_every_call_does() {
    let server = server(|builder| builder);
    for seen in [0, 1] {
        let (mut device, granted) = begin(&server, "ann", json!({})).await;
        device.ask(PROBE, Value::Null, "S").await;
        assert_eq!(device.text().await, r#"["~wse:response",null,"S"]"#);
        drop(device);
        settle().await;
        let (mut device, granted) = resume(&server, "ann", &granted["session"], seen).await;
        assert_eq!((&granted["resumed"], &granted["seen"]), (&json!(true), &json!(1)), "the probe was counted");
        let again = resent(&mut device).await;
        assert_eq!(again, vec![json!(["~wse:response", null, "S"]); 1 - seen as usize], "and so was the answer");
        device.leave().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_answered_on_every_wire_of_wse_and_ignored_before_the_welcome() {
    let server = messaging(|builder| builder);
    let (mut device, _) = attach_with(&server, wse_test_peers::PIPE, offering("wse-msgpack"));
    device.write(&frame(Opcode::Binary, &pack(&json!(["~wse:hi", {"identity": "ann"}])))).await;
    let Got::Binary(_welcome) = device.next().await else { panic!("a welcome") };
    device.write(&frame(Opcode::Binary, &pack(&json!([PROBE, null, "S"])))).await;
    let Got::Binary(answer) = device.next().await else { panic!("an answer") };
    assert_eq!(unpack(&answer), json!(["~wse:response", null, "S"]));

    // It has another ping.
    let (mut device, _) = attach_to(&server, "ws-messaging");
    device.auth(json!("bob")).await;
    device.invoke(PROBE, json!([]), 1).await;
    assert!(device.text().await.contains("preprocessingError"));

    let server = Server::builder()
        .identify(async |stranger: wse::Stranger, name: String| {
            sleep(S).await;
            Ok(stranger.accept(name))
        })
        .build();
    let (mut device, _) = attach_with(&server, wse_test_peers::PIPE, Request::new(()));
    device.hi(json!("ann"), json!({})).await;
    device.ask(PROBE, Value::Null, "early").await;
    assert_eq!(device.json().await[0], "~wse:welcome");
    device.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_behind_a_full_inbox_is_answered_when_the_socket_is_read_again() {
    let limits = Limits { handlers_per_conn: 1, inbox_bytes: 1000, ..Limits::default() };
    let server = server(|builder| {
        builder.limits(limits).on("m", async |_, _: Value| {
            sleep(S).await;
            Ok(())
        })
    });
    let mut device = enter(&server, "ann").await;
    device.say("m", json!("x".repeat(1000))).await;
    device.say("m", json!("x".repeat(1000))).await;
    device.ask(PROBE, Value::Null, "S").await;
    device.hears_nothing().await;
    sleep(S).await;
    assert_eq!(device.text().await, r#"["~wse:response",null,"S"]"#);
}

#[tokio::test(start_paused = true)]
async fn its_name_can_neither_be_registered_nor_sent_nor_called() {
    let server = server(|builder| builder.register("add", async |_, (a, b): (i64, i64)| Ok(a + b)));
    let client = on_net(&[("a", &server)]).identity("ann").connect().await.expect("the server lets it in");
    let conn = server.user("ann").conns().remove(0);
    for name in [PROBE, "~wse:hi", "~wse:call"] {
        let reserved = [
            server.register(name, async |_, (): ()| Ok(())),
            client.register(name, async |_, (): ()| Ok(())),
            Handlers::<Conn>::new().try_register(name, async |_, (): ()| Ok(())),
        ];
        assert_eq!(reserved, [Err(RegisterError::Reserved); 3], "{name}");
        assert!(matches!(conn.send(name, 1), Err(SendError::Encode(_))));
        assert!(matches!(client.send(name, 1), Err(SendError::Encode(_))));
        assert!(matches!(server.broadcast(name, 1), Err(SendError::Encode(_))));
        assert!(matches!(conn.call::<_, Payload<'static>>(name, 1).await, Err(CallError::Send(_))));
        assert!(matches!(client.call::<_, Payload<'static>>(name, 1).await, Err(CallError::Send(_))));
    }
    assert_eq!(RegisterError::Reserved.code(), "wse.client.rp.invalid");
    assert_eq!(client.call::<_, i64>("add", (2, 3)).await.expect("the connection stays"), 5);
}
