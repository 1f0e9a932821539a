//! What decides about a request before the verdict, and what its answer has: origins, headers, health, the
//! time of the hook, the bound of all connections.

use http::StatusCode;
use std::{future::pending, time::Duration};
use tokio::{io::DuplexStream, time::sleep};
use tracing_subscriber::fmt;
use wse::{Limits, Server, ServerBuilder};
use wse_test_peers::{Answer, PIPE, about, ask_upgrade, attach, request, secrets::Seen, server, settle, timed};

const S: Duration = Duration::from_secs(1);

async fn ask(server: &Server, request: impl AsRef<[u8]>) -> Answer<DuplexStream> {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let server = server.clone();
    tokio::spawn(async move { server.serve_stream(theirs, None).await });
    ask_upgrade(ours, request).await
}

fn plain(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

#[tokio::test(start_paused = true)]
async fn a_request_may_name_the_host_in_its_target_and_a_health_check_may_speak_http_1_0() {
    let server = server(healthy);
    for (target, status) in [("http://any.example/ws?a=1", 101), ("http://any.example/other", 404), ("*", 404)] {
        assert_eq!(ask(&server, request(target, &[])).await.status, status, "{target}");
    }
    for (before, status) in [(plain("GET", "/healthz"), 200), (request("/ws", &[]), 426)] {
        let answer = ask(&server, before.replace("HTTP/1.1", "HTTP/1.0")).await;
        assert_eq!((answer.status, answer.header("connection").is_some()), (status, true));
    }
}

#[tokio::test(start_paused = true)]
async fn origins_compare_without_case_and_default_port_and_two_are_one_too_many() {
    let listed = server(|builder| builder.origin("https://A.example:443").origin("http://b.example:8080"));
    for origin in ["https://a.example", "HTTPS://a.EXAMPLE", "https://a.example:443", "http://B.example:8080"] {
        assert_eq!(ask(&listed, request("/", &[("Origin", origin)])).await.status, 101, "{origin}");
    }
    for origin in ["http://a.example", "https://a.example:80", "http://b.example"] {
        assert_eq!(ask(&listed, request("/", &[("Origin", origin)])).await.status, 403, "{origin}");
    }
    let two = request("/", &[("Origin", "https://a.example\r\nOrigin: https://a.example")]);
    for server in [&listed, &server(|builder| builder)] {
        assert_eq!(ask(server, &two).await.status, 400);
    }
}

#[tokio::test(start_paused = true)]
async fn headers_of_the_application_stand_in_the_answer_that_grants_and_in_no_other() {
    let server = server(|builder| {
        builder
            .header("Set-Cookie", "node=a; Path=/")
            .header("set-cookie", "shard=7")
            .header("X-Node", "a")
            .origin("https://a.example")
    });
    let granted = ask(&server, request("/", &[("Origin", "https://a.example")])).await;
    let cookies: Vec<&str> = granted.head.lines().filter(|line| line.starts_with("set-cookie")).collect();
    assert_eq!(cookies, ["set-cookie: node=a; Path=/", "set-cookie: shard=7"]);
    assert_eq!(granted.header("x-node"), Some("a"));
    granted.upgraded().enter("ann").await;
    let refused = ask(&server, request("/", &[])).await;
    assert_eq!((refused.status, refused.header("x-node")), (403, None));
}

#[test]
fn no_header_of_the_application_can_break_the_handshake() {
    for (name, value) in [
        ("Connection", "close"),
        ("upgrade", "h2c"),
        ("Sec-WebSocket-Accept", "x"),
        ("Sec-WebSocket-Protocol", "x"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("Content-Length", "1"),
        ("Transfer-Encoding", "chunked"),
        ("X-Node", "a\r\nX-Other: b"),
        ("no name", "a"),
    ] {
        let set = std::panic::catch_unwind(|| Server::builder().header(name, value));
        assert!(set.is_err(), "{name}: {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_upgrade_hook_has_http_timeout_and_is_dropped_then() {
    let seen = Seen::default();
    let log = fmt().with_ansi(false).with_writer(seen.clone()).finish();
    let _log = tracing::subscriber::set_default(log);
    let server = server(|builder| {
        let limits = Limits { http_timeout: 3 * S, strangers: 1, ..Limits::default() };
        builder.limits(limits).upgrade(async |request| match request.uri.path() {
            "/never" => pending().await,
            "/slow" => {
                sleep(2 * S).await;
                Err(StatusCode::GONE)
            }
            _ => Ok(()),
        })
    });
    let (time, late) = timed(ask(&server, request("/never", &[]))).await;
    assert!(about(time, 3 * S), "{time:?}");
    assert_eq!((late.status, late.header("retry-after")), (503, Some("1")));
    assert_eq!(ask(&server, request("/slow", &[])).await.status, 410, "in time, and the place is free again");
    assert_eq!(ask(&server, request("/", &[])).await.status, 101);
    let told = seen.lines().iter().filter(|line| line.contains("upgrade hook was late")).count();
    assert_eq!(told, 1, "{:?}", seen.lines());
}

fn healthy(builder: ServerBuilder) -> ServerBuilder {
    builder.path("/ws").health("/healthz").limits(Limits { connections: 1, ..Limits::default() })
}

#[tokio::test(start_paused = true)]
async fn the_health_path_answers_also_when_the_server_is_full_and_503_while_it_drains() {
    let server = server(|builder| {
        healthy(builder).on("work", async |_, (): ()| {
            sleep(S).await;
            Ok(())
        })
    });
    let mut peer = ask(&server, request("/ws", &[])).await.upgraded();
    peer.enter("ann").await;
    assert_eq!(ask(&server, request("/ws", &[])).await.status, 503, "full");
    for (method, status, body) in
        [("GET", 200, "ok\n"), ("HEAD", 200, ""), ("POST", 405, "health is asked for by GET or HEAD\n")]
    {
        let health = ask(&server, plain(method, "/healthz?x=1")).await;
        assert_eq!(health.status, status, "{method}");
        assert_eq!(health.rest().await, body, "{method}");
    }
    assert_eq!(ask(&server, plain("GET", "/health")).await.status, 404);
    peer.send("[\"work\"]").await;
    settle().await;
    let stopping = server.clone();
    let down = tokio::spawn(async move { stopping.shutdown(9 * S).await });
    settle().await;
    for method in ["GET", "HEAD"] {
        assert_eq!(ask(&server, plain(method, "/healthz")).await.status, 503);
    }
    assert_eq!(peer.closed().await.0, 1012);
    down.await.expect("it does not panic");
    assert_eq!(ask(&server, plain("GET", "/healthz")).await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_bound_of_connections_a_request_is_answered_503_until_one_has_gone() {
    let server = server(|builder| builder.limits(Limits { connections: 2, conns_per_user: 9, ..Limits::default() }));
    let mut known = ask(&server, request("/", &[])).await.upgraded();
    known.enter("ann").await;
    let stranger = ask(&server, request("/", &[])).await.upgraded();
    let full = ask(&server, request("/", &[])).await;
    assert_eq!((full.status, full.header("retry-after")), (503, Some("1")));
    assert_eq!(ask(&server, request("/", &[("Upgrade", "h2c")])).await.status, 426, "that was never granted");
    drop(stranger);
    settle().await;
    let mut second = ask(&server, request("/", &[])).await.upgraded();
    second.enter("ann").await;
    assert_eq!(ask(&server, request("/", &[])).await.status, 503);
    // A stream that was attached counts, and is never refused.
    let mut attached = attach(&server);
    attached.enter("ann").await;
    known.leave().await;
    settle().await;
    assert_eq!(ask(&server, request("/", &[])).await.status, 503, "there are two still");
    second.leave().await;
    settle().await;
    assert_eq!(ask(&server, request("/", &[])).await.status, 101);
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_connection_does_not_count_and_comes_back_to_a_full_server() {
    let server = server(|builder| builder.limits(Limits { connections: 1, ..Limits::default() }));
    let mut peer = ask(&server, request("/", &[])).await.upgraded();
    peer.send(r#"["~wse:hi",{"identity":"ann","session":{}}]"#).await;
    assert_eq!(peer.json().await[0], "~wse:welcome");
    drop(peer);
    settle().await;
    assert_eq!(server.conn_count(), 1, "the session waits");
    ask(&server, request("/", &[])).await.upgraded().enter("ann").await;
}
