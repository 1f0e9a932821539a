//! One failure is one line in the log, and the line says what is wrong.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tracing_subscriber::{filter::LevelFilter, fmt};
use wse::{CallError, Conn, Limits, Protocol, Rp, RpError, Server, Stranger, WsMessaging};
use wse_frame::Opcode;
use wse_test_peers::{
    PIPE, ask_upgrade, attach, attach_to, enter, enter_messaging, pipe_to, request, secrets::Seen, settle,
};

#[derive(Deserialize)]
struct Position {
    lat: f64,
}

const WHOAMI: Rp<(), String> = Rp::new("whoami");

/// A server that fails in every way.
fn server(exposed: bool) -> Server {
    let limits = Limits {
        queue_bytes: 30_000,
        queue_bytes_max: 30_000,
        auth_timeout: Duration::from_secs(5),
        ..Limits::default()
    };
    Server::builder()
        .limits(limits)
        .expose_errors(exposed)
        .protocols([Protocol::Wse, Protocol::WseMsgpack, WsMessaging::new().into()])
        .identify(async |stranger: Stranger, who: Value| match who["name"].as_str().or(who.as_str()) {
            Some("late") => std::future::pending().await,
            Some("broken") => Ok(stranger.accept(std::fs::read_to_string("/no such file")?)),
            Some("refused") => Ok(stranger.refuse()),
            Some("typed") => {
                let position: Position = serde_json::from_value(who)?;
                Ok(stranger.accept(position.lat.to_string()))
            }
            Some(name) => Ok(stranger.accept(name)),
            None => Ok(stranger.refuse()),
        })
        .upgrade(async |request| match request.uri.path() {
            "/panics" => panic!("the hook is broken"),
            _ => Ok(()),
        })
        .on("position", async |_, _: Position| Ok(()))
        .on("panics", async |_, (): ()| panic!("a bug"))
        .on("purpose", async |_, (): ()| Err(RpError::new("no")))
        .register("position", async |_, _: Position| Ok(()))
        .register("breaks", async |_, (): ()| Ok(std::fs::read_to_string("/no such file")?))
        .register("purpose", async |_, (): ()| -> Result<(), _> { Err(RpError::new("no")) })
        .register("large", async |_, (): ()| Ok("x".repeat(100_000)))
        .register("asks", async |conn: Conn, (): ()| Ok(conn.call(WHOAMI, ()).await?))
        .register("passes on", async |conn: Conn, (): ()| conn.call(WHOAMI, ()).await.map_err(CallError::pass_on))
        .build()
}

/// Everything that is logged by the library until it is dropped.
struct Log {
    seen: Seen,
    _logging: tracing::subscriber::DefaultGuard,
}

impl Log {
    fn new() -> Self {
        let seen = Seen::default();
        let log = fmt().with_ansi(false).without_time().with_max_level(LevelFilter::TRACE).with_writer(seen.clone());
        Self { seen, _logging: tracing::subscriber::set_default(log.finish()) }
    }

    /// The one line since the last one was taken.
    async fn line(&mut self) -> String {
        settle().await;
        let lines = self.lines();
        assert_eq!(lines.len(), 1, "one line: {lines:#?}");
        lines.into_iter().next().unwrap_or_default()
    }

    fn lines(&mut self) -> Vec<String> {
        let lines = self.seen.take().into_iter().filter(|line| line.contains("wse::"));
        lines.map(|line| line.trim().to_owned()).collect()
    }
}

fn has(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part} is in {line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_is_one_line_and_a_wrong_payload_names_its_field() {
    let server = server(false);
    let mut peer = enter(&server, "ann").await;
    let mut log = Log::new();
    let field = "the payload is no `server::logged::Position`, at `lat`: expected f64, got a string";
    let wrong = json!({"lat": "a secret"});
    peer.say("position", wrong.clone()).await;
    has(&log.line().await, &["WARN", "handler failed", "name=\"position\"", "cid=\"ann\"", field]);
    peer.call("position", wrong).await;
    has(&log.line().await, &["WARN", "handler failed", "code=\"wse.server.rp.failed\"", field]);
    for (name, told) in [("panics", "panicked: a bug"), ("purpose", "error=no")] {
        peer.say(name, json!(null)).await;
        has(&log.line().await, &["WARN", "handler failed", told]);
    }
    for (name, told) in [("breaks", "No such file"), ("large", "larger than the send queue")] {
        peer.call(name, json!(null)).await;
        has(&log.line().await, &["WARN", "handler failed", told]);
    }
    // What a procedure fails with on purpose is its answer.
    peer.call("purpose", json!(null)).await;
    assert_eq!(log.lines(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_passed_on_is_an_answer_and_what_is_not_is_one_line() {
    let server = server(false);
    let mut peer = enter(&server, "ann").await;
    let mut log = Log::new();
    for (name, code, message) in
        [("asks", "wse.server.rp.failed", Some("RPC execution failed")), ("passes on", "shy", None)]
    {
        peer.ask(name, json!(null), "s").await;
        let call = peer.json().await;
        let error = json!({"code": "shy", "details": {"why": 5, "rp": "whoami", "payload": null}});
        peer.send(&json!(["~wse:response-err", error, call[2]]).to_string()).await;
        let answer = peer.json().await;
        assert_eq!((&answer[0], &answer[1]["code"]), (&json!("~wse:response-err"), &json!(code)));
        assert_eq!(answer[1]["message"].as_str(), message);
        let why = if message.is_none() { json!(5) } else { Value::Null };
        assert_eq!((&answer[1]["details"]["rp"], &answer[1]["details"]["why"]), (&json!(name), &why));
        match message {
            Some(_) => has(&log.line().await, &["handler failed", "shy"]),
            None => assert_eq!(log.lines(), [""; 0]),
        }
    }
    // A timeout is a failure of this handler, and its code is not the caller's.
    peer.ask("passes on", json!(null), "s").await;
    peer.json().await;
    tokio::time::sleep(Duration::from_secs(21)).await;
    let answer = loop {
        let next = peer.json().await;
        if next[0] == "~wse:response-err" {
            break next;
        }
    };
    assert_eq!(answer[1]["code"], "wse.server.rp.failed");
    has(&log.line().await, &["handler failed", "no answer in time"]);
}

#[tokio::test(start_paused = true)]
async fn the_field_is_told_to_the_peer_where_errors_are_exposed_on_every_wire() {
    let server = server(true);
    let field = "at `lat`: expected f64, got a string";
    let mut peer = enter(&server, "ann").await;
    let answer = peer.call("position", json!({"lat": "a secret"})).await;
    has(answer[1]["message"].as_str().unwrap(), &[field]);
    let mut binary = attach_to(&server, "wse-msgpack").0;
    binary.pack(json!(["~wse:hi", {"identity": "bob"}, null])).await;
    binary.unpack().await;
    binary.pack(json!(["position", {"lat": "a secret"}, "s"])).await;
    has(binary.unpack().await[1]["message"].as_str().unwrap(), &[field]);
    let mut other = enter_messaging(&server, "eve").await;
    other.invoke("position", json!([{"lat": "a secret"}]), 7).await;
    has(&other.text().await, &[field]);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_that_is_not_let_in_is_one_line_that_says_why() {
    let server = server(false);
    let mut log = Log::new();
    let hi = |identity: Value| json!(["~wse:hi", {"identity": identity}, null]).to_string();
    for (first, parts) in [
        ("no envelope".to_owned(), &["DEBUG", "protocol error", "not an envelope"][..]),
        (json!(["chat", 1, null]).to_string(), &["DEBUG", "protocol error", "the first envelope is not a hi"]),
        (r#"{"c":"hi","dat":{}}"#.to_owned(), &["DEBUG", "protocol error", "a frame of npm wse 2"]),
        ("2probe".to_owned(), &["DEBUG", "protocol error", "a frame of Socket.IO"]),
        (hi(json!("broken")), &["WARN", "handler failed", "wse.not-authorized", "No such file"]),
        (hi(json!("refused")), &["DEBUG", "unauthenticated connection closed", "1000 wse.not-authorized"]),
        (hi(json!("late")), &["WARN", "identify was late"]),
    ] {
        let mut peer = attach(&server);
        peer.send(&first).await;
        peer.closed().await;
        has(&log.line().await, parts);
    }
    let mut peer = attach(&server);
    peer.frame(Opcode::Binary, b"\xff").await;
    peer.closed().await;
    has(&log.line().await, &["protocol error", "a frame of the wrong kind"]);

    let (mut bare, _) = attach_to(&server, "unknown");
    let (code, reason) = bare.closed().await;
    let told = "wse.protocol-error: expected a subprotocol: wse-default-json, wse-msgpack, ws-messaging";
    assert_eq!((code, reason.as_str()), (1000, told));
    has(&log.line().await, &["unauthenticated connection closed", told]);

    let mut other = attach_to(&server, "ws-messaging").0;
    other.send("{no envelope").await;
    other.closed().await;
    has(&log.line().await, &["protocol error"]);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_breaks_the_protocol_is_one_line_whatever_it_broke() {
    let server = server(false);
    let broken: [(&[u8], &str); 4] = [
        (b"no envelope", "not an envelope"),
        (br#"["~wse:welcome",1,null]"#, "~wse:welcome in an open conversation"),
        (br#"["~wse:ack",1,null]"#, "~wse:ack in an open conversation"),
        (b"", "not an envelope"),
    ];
    for (frame, why) in broken {
        let mut peer = enter(&server, "ann").await;
        let mut log = Log::new();
        peer.frame(Opcode::Text, frame).await;
        assert_eq!(peer.closed().await, (1000, "wse.protocol-error".into()), "as npm wse closes a peer that it knows");
        has(&log.line().await, &["DEBUG", "protocol error", "cid=\"ann\"", why]);
    }
    let mut peer = enter(&server, "ann").await;
    let mut log = Log::new();
    peer.write(&[0xf1, 0x80, 0, 0, 0, 0]).await;
    assert_eq!(peer.closed().await.0, 1002);
    has(&log.line().await, &["DEBUG", "protocol error", "cid=\"ann\""]);

    let mut other = enter_messaging(&server, "eve").await;
    other.send("{no envelope").await;
    other.text().await;
    has(&log.line().await, &["DEBUG", "protocol error", "cid=\"eve\""]);
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_hook_that_panics_is_one_line_and_a_500() {
    let server = server(false);
    let mut log = Log::new();
    let answer = ask_upgrade(pipe_to(server, PIPE), request("/panics", &[])).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR.as_u16());
    has(&log.line().await, &["ERROR", "upgrade hook panicked", "the hook is broken"]);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_closed_as_slow_is_one_line() {
    let server = server(false);
    let _peer = enter(&server, "ann").await;
    let mut log = Log::new();
    let conn = server.user("ann").conns().remove(0);
    while conn.send("m", "x".repeat(9000)).is_ok() {}
    has(&log.line().await, &["DEBUG", "slow device closed", "1013 wse.slow", "cid=\"ann\""]);
}
