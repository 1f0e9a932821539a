//! The HTTP side: what an upgrade request is answered, on real sockets, and what it leaves to the
//! connection.
#![expect(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

use http::StatusCode;
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use wse::{Limits, Server, ServerBuilder, Stranger};
use wse_test_peers::{
    Got, RawClient, about, ask_upgrade, broke_protocol, dial, events, request, server, text, timed, upgrade,
};

const S: Duration = Duration::from_secs(1);

async fn serve(server: &Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = server.clone();
    tokio::spawn(async move { server.serve(listener).await });
    addr
}

/// A server whose welcome tells what identify saw of the request.
fn telling(builder: ServerBuilder) -> Server {
    builder
        .identify(async |stranger: Stranger, name: String| {
            let request = stranger.request();
            let agent = request.headers.get("user-agent").map(|value| value.to_str().unwrap_or_default());
            let seen = json!([request.uri.to_string(), agent, stranger.remote_addr()]);
            Ok(stranger.accept(name).welcome(&seen))
        })
        .build()
}

async fn status(addr: SocketAddr, headers: &[(&str, &str)]) -> u16 {
    dial(addr, request("/", headers)).await.status
}

#[tokio::test]
async fn a_request_that_is_no_upgrade_is_refused_by_its_status() {
    let addr = serve(&server(|builder| builder.path("/"))).await;
    assert_eq!(status(addr, &[]).await, 101);
    for (headers, expected) in [
        (("Connection", "close"), 426),
        (("Upgrade", "h2c"), 426),
        (("Upgrade", ""), 426),
        (("Sec-WebSocket-Version", "8"), 426),
        (("Sec-WebSocket-Version", ""), 426),
        (("Sec-WebSocket-Key", ""), 400),
        (("Sec-WebSocket-Key", "too short"), 400),
        (("Sec-WebSocket-Protocol", "other, another"), 400),
    ] {
        assert_eq!(status(addr, &[headers]).await, expected, "{headers:?}");
    }
    let post = request("/", &[]).replacen("GET", "POST", 1);
    assert_eq!(dial(addr, post).await.status, 405);
    assert_eq!(dial(addr, request("/other", &[])).await.status, 404);
    assert_eq!(dial(addr, request("/?query", &[])).await.status, 101);
    assert_eq!(dial(addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 426);
    assert_eq!(dial(addr, "garbage\r\n\r\n").await.status, 400);
}

#[tokio::test]
async fn the_answer_to_an_upgrade_is_that_of_the_rfc() {
    let addr = serve(&server(|builder| builder)).await;
    let answer = dial(addr, request("/", &[("Sec-WebSocket-Protocol", "other, wse-default-json")])).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.header("sec-websocket-protocol"), Some("wse-default-json"));
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    // Node's own WebSocket takes it for a refusal when more stands here.
    let connection: Vec<&str> =
        answer.head.lines().filter(|line| line.to_lowercase().starts_with("connection")).collect();
    assert_eq!(connection, ["connection: Upgrade"]);
    let refused = dial(addr, request("/", &[("Sec-WebSocket-Version", "8")])).await;
    assert_eq!(refused.header("sec-websocket-version"), Some("13"));
    // One request a connection: whoever was refused is not read again.
    assert_eq!(refused.rest().await, "WebSocket version 13 only\n");
}

#[tokio::test]
async fn without_a_path_every_path_is_served_and_no_subprotocol_is_a_protocol_error() {
    let addr = serve(&server(|builder| builder)).await;
    let mut peer = upgrade(addr, "/any/where?x=1").await;
    peer.enter("ann").await;
    let mut silent = dial(addr, request("/", &[("Sec-WebSocket-Protocol", "")])).await.upgraded();
    assert!(broke_protocol(&silent.closed().await));
}

#[tokio::test]
async fn an_origin_that_is_not_on_the_list_is_refused() {
    let addr = serve(&server(|builder| builder.origin("https://a.example").origin("https://b.example"))).await;
    assert_eq!(status(addr, &[("Origin", "https://b.example")]).await, 101);
    assert_eq!(status(addr, &[("Origin", "https://a.example.evil")]).await, 403);
    assert_eq!(status(addr, &[]).await, 403);
    let anybody = serve(&server(|builder| builder)).await;
    assert_eq!(status(anybody, &[("Origin", "https://a.example.evil")]).await, 101);
}

#[tokio::test]
async fn a_head_that_is_too_big_is_refused() {
    let addr = serve(&server(|builder| builder)).await;
    assert_eq!(status(addr, &[("Cookie", &"x".repeat(12 << 10))]).await, 101);
    assert_eq!(status(addr, &[("Cookie", &"x".repeat(20 << 10))]).await, 431);
}

#[tokio::test]
async fn the_upgrade_hook_refuses_with_its_status() {
    let server = server(|builder| {
        builder.upgrade(async |request| match request.uri.path() {
            "/teapot" => Err(StatusCode::IM_A_TEAPOT),
            "/continue" => Err(StatusCode::CONTINUE),
            _ if request.headers.contains_key("authorization") => Ok(()),
            _ => Err(StatusCode::UNAUTHORIZED),
        })
    });
    let addr = serve(&server).await;
    assert_eq!(status(addr, &[]).await, 401);
    assert_eq!(dial(addr, request("/teapot", &[])).await.status, 418);
    assert_eq!(dial(addr, request("/continue", &[])).await.status, 403, "not left waiting for a second answer");
    let mut peer = dial(addr, request("/", &[("Authorization", "Bearer x")])).await.upgraded();
    peer.enter("ann").await;
}

#[tokio::test]
async fn an_upgrade_hook_that_panics_harms_that_request_only_and_keeps_no_place() {
    let limits = Limits { strangers: 1, ..Limits::default() };
    let addr = serve(&server(|builder| {
        builder.limits(limits).upgrade(async |request| match request.uri.path() {
            "/panic" => panic!("the hook broke"),
            _ => Ok(()),
        })
    }))
    .await;
    for _ in 0..3 {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(request("/panic", &[]).as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 101"));
    }
    until_let_in(addr).await.enter("ann").await;
}

#[tokio::test]
async fn identify_sees_the_request_and_the_address() {
    let trusted = "127.0.0.0/8".parse().unwrap();
    for (server, addr_seen) in
        [(telling(Server::builder()), "127.0.0.1"), (telling(Server::builder().trusted_proxy(trusted)), "198.51.100.7")]
    {
        let addr = serve(&server).await;
        let headers = [("User-Agent", "test"), ("X-Forwarded-For", "1.1.1.1, 198.51.100.7, 127.0.0.9")];
        let mut peer = dial(addr, request("/ws?room=7", &headers)).await.upgraded();
        peer.hi(json!("ann"), json!({})).await;
        assert_eq!(peer.json().await[1], json!(["/ws?room=7", "test", addr_seen]));
        let conn = server.user("ann").conns().remove(0);
        assert_eq!(conn.remote_addr().unwrap().to_string(), addr_seen);
    }
}

#[tokio::test]
async fn strangers_of_one_address_are_counted_until_they_are_known_or_gone() {
    let limits = Limits { strangers_per_address: 2, conns_per_user: 9, ..Limits::default() };
    let trusted = "127.0.0.0/8".parse().unwrap();
    let addr = serve(&server(|builder| builder.limits(limits).trusted_proxy(trusted))).await;
    let mut known = upgrade(addr, "/").await;
    let leaving = upgrade(addr, "/").await;
    let refused = dial(addr, request("/", &[])).await;
    assert_eq!(refused.status, 503);
    let after: u32 = refused.header("retry-after").expect("Retry-After").parse().unwrap();
    assert!(after > 0);
    refused.rest().await;
    // Another address has places of its own.
    assert_eq!(status(addr, &[("X-Forwarded-For", "198.51.100.7")]).await, 101);
    // Accepted: no stranger any more.
    known.enter("ann").await;
    let mut third = upgrade(addr, "/").await;
    assert_eq!(status(addr, &[]).await, 503);
    // Gone: its place is free, as soon as the server knows.
    leaving.leave().await;
    let _fourth = until_let_in(addr).await;
    assert_eq!(status(addr, &[]).await, 503);
    third.send("no hi").await;
    assert_eq!(third.closed().await.0, 1000);
    until_let_in(addr).await;
}

/// Upgrades as soon as there is a place.
async fn until_let_in(addr: SocketAddr) -> RawClient<TcpStream> {
    let wait = async {
        loop {
            let answer = dial(addr, request("/", &[])).await;
            if answer.status == 101 {
                return answer.upgraded();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(60 * S, wait).await.expect("the place is never freed")
}

#[tokio::test]
async fn strangers_of_the_whole_server_are_counted_and_requests_refused_leave_no_trace() {
    let limits = Limits { strangers: 1, ..Limits::default() };
    let server = server(|builder| {
        builder.limits(limits).upgrade(async |request| match request.uri.path() {
            "/no" => Err(StatusCode::FORBIDDEN),
            _ => Ok(()),
        })
    });
    let addr = serve(&server).await;
    for _ in 0..3 {
        assert_eq!(dial(addr, request("/no", &[])).await.status, 403);
        assert_eq!(status(addr, &[("Upgrade", "h2c")]).await, 426);
    }
    let mut peer = upgrade(addr, "/").await;
    let refused = dial(addr, request("/", &[])).await;
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    peer.enter("ann").await;
    until_let_in(addr).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_has_five_seconds_however_slowly_it_comes() {
    let server = server(|builder| builder);
    for (head, drip) in [("", ""), ("GE", ""), ("GET / HTTP/1.1\r\n", "X-Drip: 1\r\n")] {
        let (mut ours, theirs) = tokio::io::duplex(wse_test_peers::PIPE);
        let dripping = async {
            ours.write_all(head.as_bytes()).await.unwrap();
            loop {
                tokio::time::sleep(S * 2 / 3).await;
                ours.write_all(drip.as_bytes()).await.unwrap();
            }
        };
        let (time, ()) = timed(async {
            tokio::select! {
                () = dripping => {}
                () = server.serve_stream(theirs, None) => {}
            }
        })
        .await;
        assert!(about(time, 5 * S), "{head:?}: {time:?}");
    }
}

#[tokio::test]
async fn frames_sent_in_the_segment_of_the_request_are_not_lost() {
    let (when, mut events) = events();
    let addr = serve(&server(|builder| builder.when(when).register("echo", async |_, what: Value| Ok(what)))).await;
    let mut bytes = request("/", &[]).into_bytes();
    bytes.extend(text(r#"["~wse:hi",{"identity":"ann"}]"#));
    bytes.extend(text(r#"["m",1]"#));
    let call = text(&json!(["echo", "x".repeat(10_000), "s"]).to_string());
    let (now, later) = call.split_at(5000);
    bytes.extend(now);
    let mut peer = dial(addr, bytes).await.upgraded();
    assert_eq!(peer.json().await[0], "~wse:welcome");
    peer.write(later).await;
    assert_eq!(peer.json().await[1], "x".repeat(10_000));
    assert_eq!(events.take(3).await, ["joined ann", "connected ann 1", "ignored ann m 1"]);
}

#[tokio::test(start_paused = true)]
async fn the_auth_deadline_runs_from_the_upgrade() {
    let server = server(|builder| builder);
    let (ours, theirs) = tokio::io::duplex(wse_test_peers::PIPE);
    tokio::spawn(async move { server.serve_stream(theirs, None).await });
    tokio::time::sleep(3 * S).await;
    let mut peer = ask_upgrade(ours, request("/", &[])).await.upgraded();
    let (time, got) = timed(peer.next()).await;
    assert_eq!(got, Got::Close(Some((1000, "wse.auth-timeout".into()))));
    assert!(about(time, 10 * S), "{time:?}");
}

#[tokio::test]
async fn a_whole_conversation_over_tcp_ends_as_over_a_pipe() {
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when).register("echo", async |_, what: Value| Ok(what)));
    let addr = serve(&server).await;
    for (number, how) in ["leave", "vanish", "drop"].into_iter().enumerate() {
        let id = number + 1;
        let mut peer = upgrade(addr, "/").await;
        peer.enter("ann").await;
        let big = json!("x".repeat(500_000));
        assert_eq!(peer.call("echo", big.clone()).await, json!(["~wse:response", big]));
        let end = match how {
            "leave" => {
                peer.leave().await;
                "1000 wse.by-client"
            }
            "vanish" => {
                drop(peer);
                "1006"
            }
            _ => {
                server.drop_user("ann", "bye");
                assert_eq!(peer.closed().await, (1000, "bye".into()));
                "1000 bye"
            }
        };
        let told = events.take(4).await;
        assert_eq!(told[2], format!("disconnected ann {id} {end}"));
        assert_eq!(told[3], format!("left ann {end}"));
    }
}

#[tokio::test]
async fn listen_binds_serves_and_says_when_it_cannot() {
    let server = server(|builder| builder);
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap();
    assert!(matches!(server.listen(addr).await, Err(wse::ServeError::Listen(_))));
    drop(taken);
    let listening = server.clone();
    let listening = tokio::spawn(async move { listening.listen(addr).await });
    let mut stream = loop {
        match TcpStream::connect(addr).await {
            Ok(stream) => break stream,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 426"), "{answer}");
    server.shutdown(S).await;
    listening.await.unwrap().unwrap();
}
