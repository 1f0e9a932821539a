//! Handlers and procedures: added and removed before and while the server runs, in order, and every
//! way in which one fails costs one error and nothing else.

use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use wse::{Conn, Msg, RegisterError, Rp, RpError, Server, with};
use wse_test_peers::{Log, enter, events, log, server, settle};

const SAY: Msg<String> = Msg::new("say");
const ADD: Rp<(i64, i64), i64> = Rp::new("add");

/// A handler that writes down who it is and what it got.
fn noting(
    log: &Log,
    name: &'static str,
) -> impl FnOnce(Conn, Value) -> std::future::Ready<Result<(), RpError>> + Clone + Send + Sync + 'static {
    let log = log.clone();
    move |_, what: Value| {
        log.add(format!("{name} {what}"));
        std::future::ready(Ok(()))
    }
}

async fn say(peer: &mut wse_test_peers::RawClient, log: &Log, what: u64) -> Vec<String> {
    peer.say("say", json!(what)).await;
    settle().await;
    log.take()
}

#[tokio::test(start_paused = true)]
async fn several_handlers_of_a_type_run_one_after_the_other_in_their_order() {
    let log = log();
    let (slow, typed) = (log.clone(), log.clone());
    let server = server(|builder| {
        builder
            .on(SAY, async move |conn: Conn, what| {
                tokio::time::sleep(Duration::from_millis(10)).await;
                slow.add(format!("slow {} {what}", conn.cid()));
                Ok(())
            })
            .on("say", noting(&log, "second"))
            .on(SAY, async move |_, what| {
                typed.add(format!("third {what}"));
                Ok(())
            })
    });
    let mut peer = enter(&server, "ann").await;
    peer.say("say", json!("hello")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(log.take(), ["slow ann hello", "second \"hello\"", "third hello"]);
}

#[tokio::test(start_paused = true)]
async fn handlers_come_and_go_on_a_running_server() {
    let log = log();
    let (when, mut events) = events();
    let server =
        server(|builder| builder.when(when).on("say", noting(&log, "built")).once("say", noting(&log, "once")));
    let mut peer = enter(&server, "ann").await;
    events.take(2).await;
    let added = server.on("say", noting(&log, "added"));
    let once = server.once("say", noting(&log, "once more"));
    assert_eq!(say(&mut peer, &log, 1).await, ["built 1", "once 1", "added 1", "once more 1"]);
    assert_eq!(say(&mut peer, &log, 2).await, ["built 2", "added 2"]);
    assert!(server.off(&added));
    assert!(!server.off(&added), "off already");
    assert!(!server.off(&once), "it ran");
    assert_eq!(say(&mut peer, &log, 3).await, ["built 3"]);
    let never = server.once("say", noting(&log, "never"));
    assert!(server.off(&never));
    server.on("say", noting(&log, "last"));
    assert_eq!(say(&mut peer, &log, 4).await, ["built 4", "last 4"]);
    assert_eq!(server.off_all("say"), 2);
    assert_eq!(server.off_all("say"), 0);
    assert!(say(&mut peer, &log, 5).await.is_empty());
    assert_eq!(events.so_far(), ["ignored ann say 5"]);
}

#[tokio::test(start_paused = true)]
async fn a_once_handles_one_message_though_many_come_at_once() {
    let log = log();
    let server = server(|builder| builder.once("say", noting(&log, "once")));
    let (mut ann, mut bob) = (enter(&server, "ann").await, enter(&server, "bob").await);
    let burst: Vec<u8> =
        (1..=20).flat_map(|number| wse_test_peers::text(&json!(["say", number]).to_string())).collect();
    ann.write(&burst).await;
    bob.write(&burst).await;
    settle().await;
    assert_eq!(log.take().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_change_the_handlers() {
    let server = server(|builder| {
        builder.on("learn", async |conn: Conn, name: String| {
            conn.server().register(name.as_str(), async |_, ()| Ok("known"))?;
            conn.server().off_all("learn");
            Ok(())
        })
    });
    let mut peer = enter(&server, "ann").await;
    peer.say("learn", json!("trick")).await;
    assert_eq!(peer.call("trick", json!(null)).await, json!(["~wse:response", "known"]));
    assert_eq!(server.off_all("learn"), 0);
}

#[tokio::test(start_paused = true)]
async fn procedures_are_registered_once_and_unregistered_once() {
    let server = server(|builder| builder.register(ADD, async |_, (a, b)| Ok(a + b)));
    let mut peer = enter(&server, "ann").await;
    assert_eq!(peer.call("add", json!([2, 3])).await, json!(["~wse:response", 5]));
    let again = server.register(ADD, async |_, (a, _)| Ok(a)).unwrap_err();
    assert_eq!((again, again.code()), (RegisterError::AlreadyRegistered, "wse.server.rp.already-registered"));
    server.unregister("add").unwrap();
    let gone = server.unregister("add").unwrap_err();
    assert_eq!((gone, gone.code()), (RegisterError::NotRegistered, "wse.server.rp.not-registered"));
    let unknown = json!(["~wse:response-err", {"code": "wse.server.rp.not-registered", "details": {"rp": "add"}}]);
    assert_eq!(peer.call("add", json!([2, 3])).await, unknown);
    server.register(ADD, async |_, (a, b)| Ok(a * b)).unwrap();
    assert_eq!(peer.call("add", json!([2, 3])).await, json!(["~wse:response", 6]));
}

#[test]
#[should_panic(expected = "procedure \"add\": registered already")]
fn a_builder_panics_over_a_procedure_that_is_there_already() {
    let _ = Server::builder().register(ADD, async |_, (a, b)| Ok(a + b)).register(ADD, async |_, (a, b)| Ok(a - b));
}

#[tokio::test(start_paused = true)]
async fn a_result_of_nothing_is_null_and_state_is_bound_by_with() {
    struct App(i64);
    impl App {
        async fn plus(self: Arc<Self>, _: Conn, n: i64) -> Result<i64, RpError> {
            Ok(self.0 + n)
        }
    }
    let app = Arc::new(App(40));
    let server =
        server(|builder| builder.register("nothing", async |_, ()| Ok(())).register("plus", with(&app, App::plus)));
    let mut peer = enter(&server, "ann").await;
    peer.ask("nothing", json!(null), "s").await;
    assert_eq!(peer.text().await, r#"["~wse:response",null,"s"]"#);
    assert_eq!(peer.call("plus", json!(2)).await, json!(["~wse:response", 42]));
}

/// A server with every way to fail, as messages and as procedures.
fn failing(
    expose: bool,
    when: impl FnOnce(wse::Event) -> std::future::Ready<()> + Clone + Send + Sync + 'static,
) -> Server {
    async fn fail(_: Conn, how: String) -> Result<(), RpError> {
        match how.as_str() {
            "plain" => Err(std::io::Error::other("secret text"))?,
            "coded" => Err(RpError::new("no-money").message("pay first").details(&json!({"due": 5}))),
            "panic" => panic!("secret panic"),
            _ => Err(RpError::bare(&json!({"why": "bare"}))),
        }
    }
    server(|builder| {
        builder
            .expose_errors(expose)
            .when(when)
            .on("fail", fail)
            .register("fail", fail)
            .register("ok", async |_, _: Value| Ok("ok"))
    })
}

#[tokio::test(start_paused = true)]
async fn a_procedure_that_fails_answers_without_internal_text_and_is_reported_whole() {
    let (when, mut events) = events();
    let server = failing(false, when);
    let mut peer = enter(&server, "ann").await;
    events.take(2).await;
    let hidden = |payload: &str| json!({"code": "wse.server.rp.failed", "message": "RPC execution failed", "details": {"rp": "fail", "rpc": "fail", "payload": payload}});
    for (how, answer, reported) in [
        ("plain", hidden("plain"), "wse.server.rp.failed: secret text"),
        ("panic", hidden("panic"), "wse.server.rp.failed: panicked: secret panic"),
    ] {
        assert_eq!(peer.call("fail", json!(how)).await, json!(["~wse:response-err", answer]));
        assert_eq!(events.next().await, format!("error ann wse.server.rp.failed {reported}"));
    }
    // What it fails with on purpose is its answer, and nobody else's business.
    let coded = json!({"code": "no-money", "message": "pay first", "details": {"due": 5, "rp": "fail", "rpc": "fail", "payload": "coded"}});
    assert_eq!(peer.call("fail", json!("coded")).await, json!(["~wse:response-err", coded]));
    assert!(events.so_far().is_empty());
    // An argument that is not of its type says so, and nothing about the type.
    let answer = peer.call("fail", json!({"not": "a string"})).await;
    assert_eq!(answer[1]["code"], "wse.server.rp.failed");
    assert_eq!(answer[1]["message"], "the payload is not of the expected type");
    assert!(events.next().await.starts_with("error ann wse.server.rp.failed"));
    assert_eq!(peer.call("ok", json!(1)).await, json!(["~wse:response", "ok"]));
}

#[tokio::test(start_paused = true)]
async fn expose_errors_sends_the_text() {
    let (when, _events) = events();
    let server = failing(true, when);
    let mut peer = enter(&server, "ann").await;
    let answer = peer.call("fail", json!("plain")).await;
    assert_eq!(answer[1]["message"], "secret text");
    assert_eq!(answer[1]["details"]["origin"], json!({"name": "Error", "message": "secret text"}));
    assert!(peer.call("fail", json!("panic")).await[1]["message"].as_str().unwrap().contains("secret panic"));
}

#[tokio::test(start_paused = true)]
async fn a_message_handler_that_fails_is_reported_and_the_connection_stays() {
    let (when, mut events) = events();
    let server = failing(false, when);
    let mut peer = enter(&server, "ann").await;
    events.take(2).await;
    for (payload, reported) in [
        (json!("plain"), "secret text"),
        (json!("coded"), "no-money: pay first"),
        (json!("panic"), "panicked: secret panic"),
        (json!(17), "the payload is no"),
    ] {
        peer.say("fail", payload).await;
        let event = events.next().await;
        assert!(event.starts_with("error ann wse.server.msg-processing-error ") && event.contains(reported), "{event}");
    }
    assert_eq!(peer.call("ok", json!(1)).await, json!(["~wse:response", "ok"]), "nothing was sent for the failures");
    assert_eq!(server.conn_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_type_that_panics_while_it_is_read_or_written_costs_one_error() {
    struct Grenade;
    impl serde::Serialize for Grenade {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("written")
        }
    }
    impl<'de> serde::Deserialize<'de> for Grenade {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("read")
        }
    }
    let (when, mut events) = events();
    let server = server(|builder| {
        builder
            .when(when)
            .register("result", async |_, ()| Ok(Grenade))
            .register("argument", async |_, _: Grenade| Ok(()))
            .register("send", async |conn: Conn, ()| {
                conn.send("m", Grenade)?;
                Ok(())
            })
            .register("ok", async |conn: Conn, n: u8| {
                conn.send("m", n)?;
                Ok(())
            })
    });
    let mut peer = enter(&server, "ann").await;
    events.take(2).await;
    for (rp, why) in [("result", "written"), ("argument", "read"), ("send", "written")] {
        assert_eq!(peer.call(rp, json!(null)).await[1]["code"], "wse.server.rp.failed");
        assert_eq!(
            events.next().await,
            format!("error ann wse.server.rp.failed wse.server.rp.failed: panicked: {why}")
        );
        peer.ask("ok", json!(1), "s").await;
        assert_eq!(peer.text().await, r#"["m",1,null]"#);
        assert_eq!(peer.text().await, r#"["~wse:response",null,"s"]"#);
    }
}
