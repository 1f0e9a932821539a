//! Handlers that modules hand in as values, and the fallback, on a server.

use serde_json::{Value, json};
use std::time::Duration;
use wse::{
    Code, Conn, Handlers, RegisterError, RpError, Server,
    codec::{Envelope, Payload},
};
use wse_test_peers::{Log, enter, enter_messaging, events, log, messaging, server, settle};

/// The handlers of a module: writes down what it is told, and registers a procedure.
fn module(log: &Log, name: &'static str) -> Handlers<Conn> {
    let log = log.clone();
    Handlers::<Conn>::new()
        .on("say", async move |conn, what: Value| {
            log.add(format!("{name} {} {what}", conn.cid()));
            Ok(())
        })
        .register(name, async |conn, ()| Ok(conn.cid().to_string()))
}

#[tokio::test(start_paused = true)]
async fn each_module_hands_in_its_handlers_and_they_run_in_that_order() {
    let log = log();
    let own = log.clone();
    let server = server(|builder| {
        builder.handlers(module(&log, "chat")).handlers(module(&log, "audit")).on("say", async move |_, what: Value| {
            own.add(format!("own {what}"));
            Ok(())
        })
    });
    let mut peer = enter(&server, "ann").await;
    peer.say("say", json!(1)).await;
    assert_eq!(peer.call("chat", json!(null)).await, json!(["~wse:response", "ann"]));
    assert_eq!(peer.call("audit", json!(null)).await, json!(["~wse:response", "ann"]));
    assert_eq!(log.take(), ["chat ann 1", "audit ann 1", "own 1"]);
}

#[tokio::test(start_paused = true)]
async fn an_id_from_a_value_removes_its_handler_from_the_running_server() {
    let log = log();
    let (one, two) = (log.clone(), log.clone());
    let module = Handlers::<Conn>::new();
    let id = module.add("say", async move |_, what: Value| {
        one.add(format!("by id {what}"));
        Ok(())
    });
    let once = module.add_once("say", async move |_, what: Value| {
        two.add(format!("once {what}"));
        Ok(())
    });
    let all = Handlers::new();
    all.merge(module).unwrap();
    let server = server(|builder| builder.handlers(all));
    let other = wse_test_peers::server(|builder| builder.on("say", async |_, _: Value| Ok(())));
    let mut peer = enter(&server, "ann").await;
    peer.say("say", json!(1)).await;
    settle().await;
    assert_eq!(log.take(), ["by id 1", "once 1"]);
    assert!(!server.off(&once), "it has run");
    assert!(!other.off(&id), "another server has no handler of that id");
    assert!(server.off(&id));
    assert!(!server.off(&id));
    peer.say("say", json!(2)).await;
    settle().await;
    assert!(log.take().is_empty());
}

#[test]
#[should_panic(expected = "procedure \"audit\": registered already")]
fn a_builder_panics_over_a_procedure_that_two_modules_have() {
    let log = log();
    let _ = Server::builder().handlers(module(&log, "audit")).handlers(module(&log, "audit"));
}

#[test]
fn the_panic_of_a_builder_names_the_line_that_hands_the_handlers_in() {
    let place = std::sync::Arc::new(std::sync::Mutex::new(None));
    let seen = place.clone();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // Other tests of this process may panic on purpose meanwhile.
        match panic.location() {
            Some(location) if panic.to_string().contains("\"here\"") => *seen.lock().unwrap() = Some(location.line()),
            _ => usual(panic),
        }
    }));
    let log = log();
    let builder = Server::builder().handlers(module(&log, "here"));
    let line = line!() + 1;
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| builder.handlers(module(&log, "here"))));
    assert!(panicked.is_err());
    assert_eq!(*place.lock().unwrap(), Some(line));
}

#[test]
fn merging_a_procedure_that_is_there_is_an_error() {
    let log = log();
    let all = module(&log, "chat");
    assert_eq!(all.merge(module(&log, "audit")), Ok(()));
    let error = all.merge(module(&log, "audit")).unwrap_err();
    assert_eq!((error, error.code()), (RegisterError::AlreadyRegistered, "wse.server.rp.already-registered"));
    assert_eq!(format!("{all:?}"), r#"Handlers { messages: ["say"], procedures: ["audit", "chat"], fallback: false }"#);
}

/// A fallback with every way to answer; it writes down what it is given.
fn fallback(log: &Log) -> Handlers<Conn> {
    let log = log.clone();
    Handlers::<Conn>::new().fallback(async move |conn, envelope: Envelope<'static>| {
        log.add(format!("{} {} {}", conn.cid(), envelope.name, if envelope.is_call() { "call" } else { "message" }));
        tokio::task::yield_now().await;
        match &*envelope.name {
            "unknown" => Err(RpError::new(Code::RP_NOT_REGISTERED).message("not sent")),
            "no" => Err(RpError::new("mine")),
            "broken" => Err(std::io::Error::other("secret"))?,
            "panic" => panic!("secret"),
            "late" => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(envelope.payload)
            }
            _ => Ok(envelope.payload),
        }
    })
}

#[tokio::test(start_paused = true)]
async fn the_fallback_gets_the_messages_and_calls_that_have_no_handler_of_their_own() {
    let log = log();
    let (when, mut events) = events();
    let server = server(|builder| {
        builder
            .when(when)
            .handlers(fallback(&log))
            .on("known", async |_, _: Value| Ok(()))
            .register("known", async |_, _: Value| Ok("its own"))
    });
    let mut peer = enter(&server, "ann").await;
    events.take(2).await;
    peer.say("known", json!(1)).await;
    peer.say("any", json!(1)).await;
    assert_eq!(peer.call("known", json!(1)).await, json!(["~wse:response", "its own"]));
    peer.send(r#"["any",{"x": 1.50},"s"]"#).await;
    assert_eq!(peer.text().await, r#"["~wse:response",{"x": 1.50},"s"]"#, "undecoded");
    assert_eq!(log.take(), ["ann any message", "ann any call"]);
    server.off_all("known");
    server.unregister("known").unwrap();
    peer.say("known", json!(1)).await;
    assert_eq!(peer.call("known", json!(2)).await, json!(["~wse:response", 2]));
    assert_eq!(log.take(), ["ann known message", "ann known call"]);
    settle().await;
    assert!(events.so_far().is_empty(), "nothing is ignored");
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_fails_is_an_error_of_that_name() {
    let log = log();
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when).handlers(fallback(&log)));
    let mut peer = enter(&server, "ann").await;
    events.take(2).await;
    let no = json!({"code": "mine", "details": {"rp": "no", "rpc": "no", "payload": null}});
    assert_eq!(peer.call("no", json!(null)).await, json!(["~wse:response-err", no]));
    for (name, text) in [("broken", "secret"), ("panic", "panicked: secret")] {
        let answer = peer.call(name, json!(null)).await;
        assert_eq!((&answer[1]["code"], &answer[1]["details"]["rpc"]), (&json!("wse.server.rp.failed"), &json!(name)));
        assert_eq!(events.next().await, format!("error ann wse.server.rp.failed wse.server.rp.failed: {text}"));
    }
    peer.say("no", json!(null)).await;
    assert_eq!(events.next().await, "error ann wse.server.msg-processing-error mine");
}

#[tokio::test(start_paused = true)]
async fn a_fallback_may_say_that_a_procedure_does_not_exist_and_the_answer_is_the_usual_one() {
    let log = log();
    let (when, mut events) = events();
    let with = messaging(|builder| builder.when(when).handlers(fallback(&log)));
    let without = messaging(|builder| builder);
    let mut answers = Vec::new();
    for server in [&with, &without] {
        let (mut ann, _) = wse_test_peers::attach_to(server, "wse-default-json");
        ann.enter("ann").await;
        ann.ask("unknown", json!([1]), "s").await;
        let mut bob = enter_messaging(server, "bob").await;
        bob.invoke("unknown", json!([1]), 7).await;
        answers.push([ann.text().await, bob.text().await]);
    }
    assert_eq!(
        answers[0][0],
        r#"["~wse:response-err",{"code":"wse.server.rp.not-registered","details":{"rp":"unknown"}},"s"]"#
    );
    assert_eq!(answers[0], answers[1]);
    settle().await;
    assert!(events.so_far().iter().all(|event| !event.starts_with("error")), "an answer is not reported");
}

#[tokio::test(start_paused = true)]
async fn a_fallback_answers_in_the_format_of_the_call() {
    let server = server(|builder| {
        builder.protocols([wse::Protocol::WseMsgpack]).handlers(Handlers::<Conn>::new().fallback(
            async |_, envelope| match &*envelope.name {
                "pass" => Ok(envelope.payload),
                _ => Ok(Payload::json(r#"{"from":"json"}"#)?.into_owned()),
            },
        ))
    });
    let (mut peer, _) = wse_test_peers::attach_to(&server, "wse-msgpack");
    peer.pack(json!(["~wse:hi", {"identity": "ann"}])).await;
    peer.unpack().await;
    peer.pack(json!(["pass", [1, "two"], "s"])).await;
    assert_eq!(peer.unpack().await, json!(["~wse:response", [1, "two"], "s"]));
    peer.pack(json!(["other", null, "s"])).await;
    assert_eq!(peer.unpack().await, json!(["~wse:response", {"from": "json"}, "s"]));
}

#[tokio::test(start_paused = true)]
async fn a_fallback_takes_a_handlers_place_and_starts_in_order() {
    let log = log();
    let limits = wse::Limits { handlers_per_conn: 1, ..wse::Limits::default() };
    let server = server(|builder| builder.limits(limits).handlers(fallback(&log)));
    let mut peer = enter(&server, "ann").await;
    for name in ["late", "next"] {
        peer.ask(name, json!(name), name).await;
    }
    settle().await;
    assert_eq!(log.take(), ["ann late call"]);
    assert_eq!(peer.text().await, r#"["~wse:response","late","late"]"#);
    assert_eq!(peer.text().await, r#"["~wse:response","next","next"]"#);
    assert_eq!(log.take(), ["ann next call"]);
}
