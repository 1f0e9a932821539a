//! One failure of a client is one line in its log, or one error of its own, and names the field that is wrong.

use serde::Deserialize;
use serde_json::json;
use tracing_subscriber::{filter::LevelFilter, fmt};
use wse::{Backoff, CallError, Client, ConnectError};
use wse_test_peers::{RawServer, scripted, secrets::Seen, settle, soon};

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "it is never read")]
struct Position {
    lat: f64,
}

const FIELD: &str = "the payload is no `client::logged::Position`, at `lat`: expected f64, got a string";

/// The lines of the library since they were asked for last.
async fn lines(seen: &Seen) -> Vec<String> {
    settle().await;
    seen.take().into_iter().filter(|line| line.contains("wse::")).collect()
}

fn logging() -> (Seen, tracing::subscriber::DefaultGuard) {
    let seen = Seen::default();
    let log = fmt().with_ansi(false).without_time().with_max_level(LevelFilter::TRACE).with_writer(seen.clone());
    (seen, tracing::subscriber::set_default(log.finish()))
}

async fn connected() -> (Client, RawServer) {
    let (builder, mut dials) = scripted();
    let client = builder.on("position", async |_, _: Position| Ok(())).build();
    let (connected, wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.expect("it connects");
    (client, wire)
}

#[tokio::test(start_paused = true)]
async fn a_wrong_payload_is_one_line_and_a_wrong_answer_or_welcome_is_the_callers() {
    let (client, mut wire) = connected().await;
    let (seen, _logging) = logging();
    wire.say("position", json!({"lat": "a secret"})).await;
    let told = lines(&seen).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("handler failed") && told[0].contains(FIELD), "{told:?}");

    let calling = tokio::spawn(async move { (client.call::<_, Position>("where", ()).await, client) });
    let call = wire.json().await;
    wire.respond(&call, json!({"lat": "a secret"})).await;
    let (answer, client) = soon(calling).await.unwrap();
    assert!(matches!(&answer, Err(CallError::Decode(error)) if error.to_string() == FIELD), "{answer:?}");
    let welcome = client.welcome::<Position>().unwrap_err();
    assert!(welcome.to_string().ends_with("expected struct Position, got null"), "{welcome}");
    assert_eq!(lines(&seen).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_breaks_the_protocol_is_one_line() {
    let (_client, mut wire) = connected().await;
    let (seen, _logging) = logging();
    wire.send("no envelope").await;
    assert_eq!(wire.closed().await, (1000, "wse.protocol-error".into()));
    let told = lines(&seen).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("protocol error") && told[0].contains("not an envelope"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn before_the_welcome_connect_fails_with_what_was_expected_and_nothing_is_logged() {
    let (seen, _logging) = logging();
    let (builder, mut dials) = scripted();
    let connecting = tokio::spawn(builder.reconnect(Backoff::default()).connect());
    let mut wire = dials.upgraded().await;
    wire.json().await;
    wire.send("no envelope").await;
    let error = soon(connecting).await.unwrap().unwrap_err();
    assert!(matches!(error, ConnectError::Closed(_)), "{error}");
    let expected = r#"expected ["~wse:welcome",PAYLOAD,null] in a text frame"#;
    assert!(error.to_string().ends_with(expected), "{error}");
    assert_eq!(lines(&seen).await, [""; 0]);
}
