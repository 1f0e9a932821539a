//! Handlers that modules hand in as values, and the fallback, on a client.

use serde_json::{Value, json};
use wse::{Client, Code, Handlers, RpError, codec::Envelope};
use wse_test_peers::{Log, events, scripted, settle};

/// The handlers of a module: writes down what it is told, and registers a procedure.
fn module(log: &Log, name: &'static str) -> Handlers<Client> {
    let log = log.clone();
    Handlers::<Client>::new()
        .on("say", async move |_, what: Value| {
            log.add(format!("{name} {what}"));
            Ok(())
        })
        .register(name, async |client, ()| Ok(client.url()))
}

#[tokio::test(start_paused = true)]
async fn each_module_hands_in_its_handlers_and_their_ids_stay_valid() {
    let log = Log::default();
    let by_id = log.clone();
    let module_with_id = module(&log, "b");
    let id = module_with_id.add("say", async move |_, what: Value| {
        by_id.add(format!("by id {what}"));
        Ok(())
    });
    let (builder, mut dials) = scripted();
    let client = builder.handlers(module(&log, "a")).handlers(module_with_id).build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    wire.say("say", json!(1)).await;
    assert_eq!(wire.call("a", json!(null)).await, json!(["~wse:response", "ws://a.test/"]));
    assert_eq!(wire.call("b", json!(null)).await, json!(["~wse:response", "ws://a.test/"]));
    assert_eq!(log.take(), ["a 1", "b 1", "by id 1"]);
    assert!(client.off(&id));
    assert!(!client.off(&id));
    wire.say("say", json!(2)).await;
    settle().await;
    assert_eq!(log.take(), ["a 2", "b 2"]);
}

#[test]
#[should_panic(expected = "procedure \"a\": registered already")]
fn a_builder_panics_over_a_procedure_that_two_modules_have() {
    let log = Log::default();
    let _ = Client::builder("ws://a/").handlers(module(&log, "a")).handlers(module(&log, "a"));
}

#[tokio::test(start_paused = true)]
async fn the_fallback_gets_the_messages_and_calls_of_the_server_that_have_no_handler_of_their_own() {
    let log = Log::default();
    let seen = log.clone();
    let (when, mut events) = events();
    let any = Handlers::<Client>::new().fallback(async move |_, envelope: Envelope<'static>| {
        seen.add(format!("{} {}", envelope.name, if envelope.is_call() { "call" } else { "message" }));
        match &*envelope.name {
            "unknown" => Err(RpError::new(Code::RP_NOT_REGISTERED)),
            _ => Ok(envelope.payload),
        }
    });
    let (builder, mut dials) = scripted();
    let client = builder.when(when).handlers(module(&log, "known")).handlers(any).build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    events.next_like("ready").await;
    wire.say("say", json!(1)).await;
    wire.say("any", json!(2)).await;
    assert_eq!(wire.call("known", json!(null)).await, json!(["~wse:response", "ws://a.test/"]));
    wire.send(r#"["any",{"x": 1.50},"s"]"#).await;
    assert_eq!(wire.text().await, r#"["~wse:response",{"x": 1.50},"s"]"#, "undecoded");
    let unknown = json!(["~wse:response-err", {"code": "wse.server.rp.not-registered", "details": {"rp": "unknown"}}]);
    assert_eq!(wire.call("unknown", json!(1)).await, unknown);
    assert_eq!(log.take(), ["known 1", "any message", "any call", "unknown call"]);
    settle().await;
    assert!(events.so_far().is_empty(), "nothing is ignored, and an answer is not reported");
}
