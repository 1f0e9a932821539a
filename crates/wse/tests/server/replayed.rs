//! The recordings of the real npm client of 4.12, replayed against our server: fed what the client sent,
//! it must answer what the real server answered, byte for byte and in order. Only stamps that a
//! server draws and the stacks of JavaScript may differ.

use crate::replay::replay;
use serde::de::IgnoredAny;
use serde_json::{Value, json, value::RawValue};
use std::{
    future::{Ready, ready},
    pin::Pin,
    time::Duration,
};
use wse::{Conn, Event, Limits, Reason, RpError, Server, ServerBuilder, Stranger, Verdict};
use wse_test_peers::{Log, events, recordings, settle};

/// What the `note` of a recording demands of the application; `None` for an unknown scenario.
fn application(scenario: &str, builder: ServerBuilder, log: &Log) -> Option<Server> {
    let builder = builder.limits(Limits { conns_per_user: 2, ..Limits::default() });
    Some(match scenario {
        "wse/challenge-accepted" | "wse/challenge-failed" => builder.identify(challenged).build(),
        "wse/challenge-refused-halfway" => builder.identify(refused).build(),
        "wse/connect-defaults" => builder.identify(async |who: Stranger, _: String| Ok(who.accept("one"))).build(),
        "wse/jump" => builder.identify(async |who: Stranger, id: String| Ok(who.accept(id).welcome("srv"))).build(),
        "wse/connect-welcome"
        | "wse/connection-limit"
        | "wse/message-unhandled"
        | "wse/no-subprotocol"
        | "wse/protocol-error-after-welcome"
        | "wse/protocol-error-before-hi"
        | "wse/protocol-error-no-type"
        | "wse/protocol-error-not-hi"
        | "wse/refused" => builder.identify(secret).build(),
        "wse/drops" => builder.identify(secret).on("d", drops).build(),
        "wse/messages-both-ways" => {
            let echo = async |conn: Conn, what: Box<RawValue>| {
                conn.send("echo", what)?;
                Ok(())
            };
            builder.identify(secret).on("m", echo).build()
        }
        "wse/multi-device-fanout" => builder.identify(secret).on("hey", fan_out).build(),
        "wse/rpc-client-to-server" => builder
            .identify(secret)
            .register("add", async |_, sum: Value| Ok(sum["a"].as_i64().zip(sum["b"].as_i64()).map(|(a, b)| a + b)))
            .register("obj", async |_, _: IgnoredAny| Ok(json!({"ok": true})))
            .register("nil", async |_, ()| Ok(None::<u8>))
            .register("undef", async |_, _: u8| Ok(()))
            .register("slow", async |_, what: Value| {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(what)
            })
            .build(),
        "wse/rpc-disconnect" => {
            let banned = async |conn: Conn, ()| -> Result<(), RpError> {
                conn.drop("user-banned");
                std::future::pending().await
            };
            builder.identify(secret).register("t", banned).build()
        }
        "wse/rpc-error-custom" => {
            let details = json!({"code": "INVALID_USER", "test_field": "nope"});
            builder.identify(secret).register("boom", fails(move || RpError::bare(&details))).build()
        }
        "wse/rpc-error-vanilla" => {
            let vanilla = fails(|| std::io::Error::other("Vanilla error").into());
            builder.identify(secret).expose_errors(true).register("boom", vanilla).build()
        }
        "wse/rpc-error-wse" => {
            let coded = fails(|| RpError::new("test-err-code").details(&json!({"fun": 1})));
            builder.identify(secret).register("boom", coded).build()
        }
        "wse/rpc-error-from-client" => {
            builder.identify(secret).when(calls(log, &["e", "w", "o"], json!({"value": 1}))).build()
        }
        "wse/rpc-interleaved" => builder
            .identify(secret)
            .register("sleep", async |_, ms: u64| {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Ok(ms)
            })
            .build(),
        "wse/rpc-not-registered" => builder.identify(secret).when(calls(log, &["missing-on-client"], json!(1))).build(),
        "wse/rpc-server-to-client" => {
            builder.identify(secret).when(calls(log, &["double"], json!({"value": 21}))).build()
        }
        "wse/short-envelopes" => builder
            .identify(secret)
            .on("ping", async |conn: Conn, ()| {
                conn.send("pong", ())?;
                Ok(())
            })
            .build(),
        _ => return None,
    })
}

pub(crate) async fn secret(stranger: Stranger, identity: String) -> Result<Verdict, RpError> {
    let meta: Value = stranger.meta()?;
    let cid = meta["user_id"].as_str().unwrap_or("u1").to_owned();
    Ok(if identity == "valid-secret" {
        stranger.accept(cid).welcome(&json!({"hey": "some data"}))
    } else {
        stranger.refuse()
    })
}

pub(crate) async fn challenged(stranger: Stranger, identity: String) -> Result<Verdict, RpError> {
    Ok(match stranger.answer::<Value, Value>()? {
        None => stranger.challenge(&json!({"a": 1, "b": 2})),
        Some((quest, answer)) if quest == json!({"a": 1, "b": 2}) && answer == json!(3) => {
            stranger.accept(identity).welcome("hello")
        }
        Some(_) => stranger.refuse(),
    })
}

async fn refused(stranger: Stranger, _: String) -> Result<Verdict, RpError> {
    Ok(stranger.refuse())
}

async fn drops(conn: Conn, how: u8) -> Result<(), RpError> {
    match how {
        0 => conn.drop(Reason::default()),
        1 => conn.drop("custom-reason"),
        2 => _ = conn.user().drop("BECAUSE"),
        _ => _ = conn.server().drop_user(conn.cid(), Reason::default()),
    }
    Ok(())
}

async fn fan_out(conn: Conn, (): ()) -> Result<(), RpError> {
    conn.user().send("both", ())?;
    conn.send("only", ())?;
    conn.server().user("UID1").send("by-id", 1)?;
    conn.server().broadcast("all", json!({"n": 1}))?;
    Ok(())
}

pub(crate) fn fails(
    error: impl Fn() -> RpError + Clone + Send + Sync + 'static,
) -> impl FnOnce(Conn, Value) -> Ready<Result<(), RpError>> + Clone + Send + Sync + 'static {
    move |_: Conn, _: Value| ready(Err(error()))
}

/// Calls these procedures of every device that connects, one after the other, and writes down what
/// came of it.
pub(crate) fn calls(
    log: &Log,
    procedures: &'static [&'static str],
    payload: Value,
) -> impl FnOnce(Event) -> Pin<Box<dyn Future<Output = ()> + Send>> + Clone + Send + Sync + 'static {
    let log = log.clone();
    move |event| {
        Box::pin(async move {
            let Event::Connected(conn) = event else { return };
            for rp in procedures {
                let outcome: Result<Value, _> = conn.call(*rp, payload.clone()).await;
                log.add(outcome.map_or_else(|error| error.code().to_owned(), |result| result.to_string()));
            }
        })
    }
}

/// What the application must have seen of a scenario, besides what crossed the wire.
fn seen(scenario: &str) -> &'static [&'static str] {
    match scenario {
        "wse/message-unhandled" => &["ignored u1 nobody-listens {\"value\":42}"],
        "wse/rpc-error-from-client" => &["wse.server.rp.failed", "test-err-code", "wse.server.rp.failed"],
        "wse/rpc-not-registered" => &["wse.server.rp.not-registered"],
        "wse/rpc-server-to-client" => &["42"],
        _ => &[],
    }
}

#[tokio::test(start_paused = true)]
async fn our_server_answers_every_recording_as_the_real_one_did() {
    let recordings = recordings::all();
    assert!(recordings.len() >= 27, "{}", recordings.len());
    for recording in recordings {
        let (when, mut events) = events();
        let log = Log::default();
        let builder = Server::builder().when(when);
        let Some(server) = application(&recording.scenario, builder, &log) else {
            panic!("no application for {}: {}", recording.scenario, recording.note);
        };
        replay(&server, &recording).await;
        settle().await;
        let events = events.so_far().into_iter().filter(|event| event.starts_with("ignored"));
        let seen_here: Vec<String> = log.take().into_iter().chain(events).collect();
        assert_eq!(seen_here, seen(&recording.scenario), "{}", recording.scenario);
        assert_eq!(server.conn_count(), 0, "{}", recording.scenario);
    }
}
