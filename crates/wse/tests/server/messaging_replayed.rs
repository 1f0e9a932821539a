//! The recordings of the real client of npm `ws-messaging`, replayed against our server: it must
//! answer what the real server answered, byte for byte and in order. Only what a JavaScript engine
//! says of text that is not JSON may differ.

use crate::replay::replay;
use serde_json::{Value, json};
use std::time::Duration;
use wse::{Conn, RpError, Server, ServerBuilder, Stranger, WsMessaging, codec::Payload};
use wse_test_peers::{Log, events, recordings, settle};

/// What the `note` of a recording demands of the application; `None` for an unknown scenario.
fn application(scenario: &str, builder: ServerBuilder, log: &Log) -> Option<Server> {
    let anybody = async |stranger: Stranger, _: Value| Ok(stranger.accept("one"));
    let log = log.clone();
    Some(match scenario.strip_prefix("ws-messaging/")? {
        "auth-timeout" | "connect-defaults" | "invalid-messages" | "ping" | "ping-timeout" => {
            builder.identify(anybody).build()
        }
        "connect" => builder
            .identify(async |stranger: Stranger, auth: Value| {
                Ok(stranger.accept("one").welcome(&json!({"user": auth["token"]})))
            })
            .build(),
        "refused" => builder
            .identify(async |stranger: Stranger, _: Value| Ok(stranger.refuse().reason("Error: Auth error")))
            .build(),
        "events-both-ways" => ["e0", "e1", "e2", "ea"]
            .iter()
            .fold(builder.identify(anybody), |builder, name| {
                let echo = async move |conn: Conn, what: Payload<'static>| {
                    conn.send(&*format!("echo-{name}"), what)?;
                    Ok(())
                };
                builder.on(*name, echo)
            })
            .build(),
        "invoke-both-ways" => builder
            .identify(anybody)
            .register("sum", async |_, (a, b): (i64, i64)| Ok(a + b))
            .register("nothing", async |_, ()| Ok(()))
            .register("boom", async move |conn: Conn, _: i64| -> Result<(), RpError> {
                tokio::spawn(async move {
                    settle().await;
                    let doubled: Result<i64, _> = conn.call("double", 21).await;
                    log.add(doubled.map_or_else(|error| error.to_string(), |doubled| doubled.to_string()));
                });
                Err(RpError::new("some-error").message("Some error"))
            })
            .build(),
        _ => return None,
    })
}

#[tokio::test(start_paused = true)]
async fn our_server_answers_every_recording_as_the_real_one_did() {
    let recordings = recordings::all_of("ws-messaging");
    assert!(recordings.len() >= 9, "{}", recordings.len());
    for recording in recordings {
        let (when, mut events) = events();
        let log = Log::default();
        let builder = Server::builder().protocols([WsMessaging::new().into()]).when(when);
        let Some(server) = application(&recording.scenario, builder, &log) else {
            panic!("no application for {}: {}", recording.scenario, recording.note);
        };
        let start = tokio::time::Instant::now();
        replay(&server, &recording).await;
        settle().await;
        let (seen, took): (&[&str], _) = match recording.scenario.as_str() {
            "ws-messaging/invoke-both-ways" => (&["42"], 0),
            "ws-messaging/auth-timeout" => (&[], 20),
            "ws-messaging/ping-timeout" => (&[], 40),
            "ws-messaging/ping" => (&[], 60),
            _ => (&[], 0),
        };
        let mut seen_here = log.take();
        seen_here.extend(
            events.so_far().into_iter().filter(|event| event.starts_with("ignored") || event.starts_with("error")),
        );
        assert_eq!(seen_here, seen, "{}", recording.scenario);
        assert_eq!(start.elapsed().as_secs(), took, "{}", recording.scenario);
        assert!(start.elapsed() - Duration::from_secs(took) < Duration::from_millis(50), "{}", recording.scenario);
        assert_eq!(server.conn_count(), 0, "{}", recording.scenario);
    }
}
