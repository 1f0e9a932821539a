//! The application's handlers on a client: messages, procedures, while building and while
//! connected, and what they may do.

use serde_json::{Value, json};
use std::time::Duration;
use wse::{Client, HandlerId, Msg, RegisterError, Rp, RpError, Status};
use wse_test_peers::{Log, events, on_net, scripted, server, settle, soon, timed};

const SAY: Msg<String> = Msg::new("say");
const DOUBLE: Rp<i64, i64> = Rp::new("double");

type Handler = std::pin::Pin<Box<dyn Future<Output = Result<(), RpError>> + Send>>;

/// A handler that writes down what it hears, after a moment.
fn writes(log: &Log, name: &'static str) -> impl FnOnce(Client, String) -> Handler + Clone + Send + Sync + 'static {
    let log = log.clone();
    move |_, text| {
        Box::pin(async move {
            tokio::task::yield_now().await;
            log.add(format!("{name} {text}"));
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn handlers_of_the_builder_and_of_the_running_client_run_in_the_order_they_were_added() {
    let log = Log::default();
    let (builder, mut dials) = scripted();
    let client =
        builder.on(SAY, writes(&log, "a")).once(SAY, writes(&log, "once")).on("say", writes(&log, "b")).build();
    let client = &client;
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    client.on(SAY, writes(&log, "c"));
    client.once("say", writes(&log, "late"));
    for text in ["1", "2"] {
        wire.say("say", json!(text)).await;
        settle().await;
    }
    assert_eq!(log.take(), ["a 1", "once 1", "b 1", "c 1", "late 1", "a 2", "b 2", "c 2"]);
}

#[tokio::test(start_paused = true)]
async fn off_takes_one_handler_off_and_off_all_those_of_the_builder_too() {
    let log = Log::default();
    let (when, mut events) = events();
    let (builder, mut dials) = scripted();
    let client = builder.on(SAY, writes(&log, "a")).when(when).build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    let second: HandlerId = client.on(SAY, writes(&log, "b"));
    client.on(SAY, writes(&log, "c"));
    assert!(client.off(&second));
    assert!(!client.off(&second));
    wire.say("say", json!("1")).await;
    settle().await;
    assert_eq!(log.take(), ["a 1", "c 1"]);
    assert_eq!((client.off_all("say"), client.off_all("say")), (2, 0));
    wire.say("say", json!("2")).await;
    assert_eq!(events.next_like("ignored").await, "ignored say \"2\"");
    assert!(log.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn procedures_come_and_go_while_connected() {
    let (builder, mut dials) = scripted();
    let client = builder.register(DOUBLE, async |_, n| Ok(2 * n)).build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    assert_eq!(wire.call("double", json!(21)).await, json!(["~wse:response", 42]));
    assert_eq!(client.register(DOUBLE, async |_, n| Ok(n)), Err(RegisterError::AlreadyRegistered));
    client.unregister("double").unwrap();
    assert_eq!(client.unregister("double"), Err(RegisterError::NotRegistered));
    let missing = json!(["~wse:response-err", {"code": "wse.server.rp.not-registered", "details": {"rp": "double"}}]);
    assert_eq!(wire.call("double", json!(21)).await, missing);
    client.register("nothing", async |_, ()| Ok(())).unwrap();
    assert_eq!(wire.call("nothing", json!(null)).await, json!(["~wse:response", null]));
}

#[test]
#[should_panic(expected = "double")]
fn a_name_registered_twice_while_building_is_a_mistake_of_the_application() {
    let _ = Client::builder("ws://a/").register(DOUBLE, async |_, n| Ok(n)).register("double", async |_, ()| Ok(()));
}

#[tokio::test(start_paused = true)]
async fn handlers_stay_over_a_reconnect_and_a_jump() {
    let log = Log::default();
    let (builder, mut dials) = scripted();
    let client = builder.on(SAY, writes(&log, "a")).reconnect(wse::Backoff::default()).build();
    let (connected, wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    drop(wire);
    let mut wire = dials.welcomed().await;
    wire.say("say", json!("reconnected")).await;
    settle().await;
    let (jumped, mut wire) = tokio::join!(client.jump("ws://b/"), dials.welcomed());
    jumped.unwrap();
    wire.say("say", json!("jumped")).await;
    settle().await;
    assert_eq!(log.take(), ["a reconnected", "a jumped"]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_or_panics_is_one_error_event_and_nothing_else() {
    let (when, mut events) = events();
    let (builder, mut dials) = scripted();
    let client = builder
        .when(when)
        .on("fails", async |_, ()| Err(RpError::new("mine")))
        .on("fails", async |_, ()| Err(std::io::Error::other("vanilla"))?)
        .on("panics", async |_, ()| panic!("oh no"))
        .on("number", async |_, _: u8| Ok(()))
        .register("panics", async |_, ()| -> Result<(), RpError> { panic!("oh dear") })
        .build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    events.next_like("ready").await;
    for (name, payload) in [("fails", json!(null)), ("panics", json!(null)), ("number", json!("x"))] {
        wire.say(name, payload).await;
    }
    let answer = wire.call("panics", json!(null)).await;
    assert_eq!(answer[1]["code"], "wse.server.rp.failed");
    assert!(!answer.to_string().contains("oh dear"), "{answer}");
    settle().await;
    let events = events.so_far();
    let expected = [
        "error wse.server.msg-processing-error: mine",
        "error wse.server.msg-processing-error: wse.server.rp.failed: vanilla",
        "error wse.server.msg-processing-error: wse.server.rp.failed: panicked: oh no",
        "error wse.server.msg-processing-error: wse.server.rp.failed: ",
        "error wse.server.rp.failed: wse.server.rp.failed: panicked: oh dear",
    ];
    assert_eq!(events.len(), expected.len(), "{events:?}");
    for (event, expected) in events.iter().zip(expected) {
        assert!(event.starts_with(expected), "{event}");
    }
    assert_eq!(client.status(), Status::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_procedure_that_fails_on_purpose_is_an_answer_and_no_error_event() {
    let (when, mut events) = events();
    let (builder, mut dials) = scripted();
    let client = builder
        .when(when)
        .register("coded", async |_, ()| -> Result<(), RpError> { Err(RpError::new("mine").message("why")) })
        .register("vanilla", async |_, ()| -> Result<(), RpError> { Err(std::io::Error::other("secret text"))? })
        .build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    events.next_like("ready").await;
    let coded = json!({"code": "mine", "message": "why", "details": {"rp": "coded", "rpc": "coded", "payload": null}});
    assert_eq!(wire.call("coded", json!(null)).await, json!(["~wse:response-err", coded]));
    settle().await;
    assert!(events.so_far().is_empty());
    let vanilla = wire.call("vanilla", json!(null)).await;
    assert!(!vanilla.to_string().contains("secret"), "{vanilla}");
    assert_eq!(events.next().await, "error wse.server.rp.failed: wse.server.rp.failed: secret text");
}

#[tokio::test(start_paused = true)]
async fn a_message_handler_may_close_the_client() {
    let log = Log::default();
    let (builder, mut dials) = scripted();
    let done = log.clone();
    let handler = async move |client: Client, reason: String| {
        client.close(reason).await;
        done.add(client.status());
        Ok(())
    };
    let client = builder.on("leave", handler).build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    wire.say("leave", json!("asked to")).await;
    assert_eq!(wire.closed().await, (1000, "asked to".to_owned()));
    settle().await;
    assert_eq!((log.take(), client.status()), (vec!["OFFLINE".to_owned()], Status::Offline));
}

#[tokio::test(start_paused = true)]
async fn a_message_handler_may_jump_to_where_the_server_sends_it() {
    let log = Log::default();
    let (builder, mut dials) = scripted();
    let done = log.clone();
    let handler = async move |client: Client, url: String| {
        client.jump(&url).await?;
        done.add(client.call::<_, String>("where", ()).await.unwrap());
        Ok(())
    };
    let client = builder.on("move", handler).build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    wire.say("move", json!("ws://b.test/")).await;
    assert_eq!(wire.closed().await, (4000, "jump".to_owned()));
    let mut wire = dials.welcomed().await;
    let call = wire.json().await;
    wire.respond(&call, json!("here")).await;
    settle().await;
    assert_eq!((log.take(), client.url().as_str()), (vec!["here".to_owned()], "ws://b.test/"));
}

#[tokio::test(start_paused = true)]
async fn a_procedure_may_call_the_server_back() {
    let server = server(|builder| {
        let there_and_back = async |conn: wse::Conn, n: u64| Ok(conn.call::<_, u64>("back", n).await.unwrap() + 1);
        builder.register("there", there_and_back).register("twice", async |_, n: u64| Ok(2 * n))
    });
    let client = on_net(&[("a", &server)])
        .identity("ann")
        .register("back", async |client: Client, n: u64| Ok(client.call::<_, u64>("twice", n).await.unwrap() + 100))
        .connect()
        .await
        .unwrap();
    assert_eq!(soon(client.call::<_, u64>("there", 5)).await.unwrap(), 111);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_began_is_finished_after_the_connection_has_ended() {
    let log = Log::default();
    let (when, mut events) = events();
    let (builder, mut dials) = scripted();
    let done = log.clone();
    let handler = async move |_, name: String| {
        tokio::time::sleep(Duration::from_secs(5)).await;
        done.add(name);
        Ok(())
    };
    let client = builder.on("slow", handler).when(when).build();
    for (end, reconnects) in [("by the server", false), ("by the client", true)] {
        let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
        connected.unwrap();
        wire.say("slow", json!(end)).await;
        settle().await;
        let closing = client.clone();
        if reconnects {
            let (closed, _) = tokio::join!(timed(closing.close("enough")), wire.closed());
            assert!(closed.0 < Duration::from_secs(1), "close does not wait for the handler: {closed:?}");
        } else {
            wire.drop_with(1000, "enough").await;
        }
        let (time, _) = timed(events.next_like("closed 1000 enough")).await;
        assert!(time < Duration::from_secs(1), "the event does not wait for the handler: {time:?}");
        assert!(log.take().is_empty());
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(log.take(), [end]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_payload_of_any_type_reaches_the_handler_as_it_was() {
    let log = Log::default();
    let (builder, mut dials) = scripted();
    let seen = log.clone();
    let client = builder
        .on("any", async move |_, what: Value| {
            seen.add(what);
            Ok(())
        })
        .build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    for text in [r#"["any"]"#, r#"["any",1]"#, r#"["any",{"a":[1,2]},""]"#, r#"[ "any" , "ünï" , null ]"#] {
        wire.send(text).await;
    }
    settle().await;
    assert_eq!(log.take(), ["null", "1", r#"{"a":[1,2]}"#, "\"ünï\""]);
}
