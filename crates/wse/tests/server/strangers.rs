//! What those may cost and cause whom nobody has let in, and what the server knows of them.

use http::Request;
use serde_json::{Value, json};
use std::{net::IpAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use wse::{Limits, Server, Stranger, service::RemoteAddr};
use wse_frame::Opcode;
use wse_test_peers::{
    Got, PIPE, RawClient, ask_upgrade, attach, attach_with, broke_protocol, frame, log, request, server, settle, text,
};

#[tokio::test(start_paused = true)]
async fn a_client_that_offers_no_subprotocol_is_never_identified_even_if_its_hi_comes_along() {
    let log = log();
    let asked = log.clone();
    let server = Server::builder()
        .identify(async move |stranger: Stranger, name: String| {
            asked.add(&name);
            Ok(stranger.accept(name))
        })
        .build();
    let (ours, theirs) = tokio::io::duplex(PIPE);
    tokio::spawn(async move { server.serve_stream(theirs, None).await });
    let mut bytes = request("/", &[("Sec-WebSocket-Protocol", "")]).into_bytes();
    bytes.extend(text(r#"["~wse:hi",{"identity":"ann"}]"#));
    let mut peer = ask_upgrade(ours, bytes).await.upgraded(); // 101
    assert!(broke_protocol(&peer.closed().await));
    settle().await;
    assert_eq!(log.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_attached_has_the_address_that_a_trusted_proxy_tells() {
    for (peer, trusted, seen) in [
        ("10.0.0.1", Some("10.0.0.0/8"), "198.51.100.7"),
        ("192.0.2.1", Some("10.0.0.0/8"), "192.0.2.1"),
        ("10.0.0.1", None, "10.0.0.1"),
    ] {
        let server = server(|builder| match trusted {
            Some(network) => builder.trusted_proxy(network.parse().expect("a network")),
            None => builder,
        });
        let mut request = Request::new(());
        request.extensions_mut().insert(RemoteAddr(peer.parse().unwrap()));
        request.headers_mut().insert("x-forwarded-for", "198.51.100.7".parse().unwrap());
        let (mut raw, _ended) = attach_with(&server, PIPE, request);
        raw.enter("ann").await;
        let expected: IpAddr = seen.parse().unwrap();
        assert_eq!(server.user("ann").conns()[0].remote_addr(), Some(expected), "{peer} {trusted:?}");
    }
}

/// Reads pongs until none come any more; gives their bytes.
async fn pongs(peer: &mut RawClient) -> usize {
    let mut bytes = 0;
    while let Ok(got) = timeout(Duration::from_millis(100), peer.next()).await {
        let Got::Pong(payload) = got else { panic!("no pong: {got:?}") };
        bytes += 2 + payload.len();
    }
    bytes
}

#[tokio::test(start_paused = true)]
async fn a_stranger_that_floods_pings_and_does_not_read_makes_the_server_keep_a_few_kib() {
    const SMALL_PIPE: usize = 1 << 10;
    let server = server(|builder| builder.register("echo", async |_, what: Value| Ok(what)));
    let (mut peer, _ended) = attach_with(&server, SMALL_PIPE, Request::new(()));
    let ping = frame(Opcode::Ping, &[7; 125]);
    for welcomed in [false, true] {
        if welcomed {
            peer.enter("ann").await;
        }
        // Half a MiB: less than the queue would take.
        for _ in 0..4000 {
            peer.write(&ping).await;
        }
        settle().await;
        let kept = pongs(&mut peer).await;
        assert!((SMALL_PIPE..SMALL_PIPE + (8 << 10)).contains(&kept), "{kept}, welcomed: {welcomed}");
        // It is not held against the peer, and the next ping is answered again.
        peer.write(&frame(Opcode::Ping, b"still there?")).await;
        assert_eq!(peer.next().await, Got::Pong(b"still there?".to_vec()));
    }
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]));
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_ping_is_answered_before_and_after_the_welcome() {
    let server = server(|builder| builder);
    let mut peer = attach(&server);
    for payload in [&b""[..], b"a", &[7; 125]] {
        peer.write(&frame(Opcode::Ping, payload)).await;
        assert_eq!(peer.next().await, Got::Pong(payload.to_vec()));
    }
    peer.enter("ann").await;
    for payload in [&b""[..], b"a", &[7; 125]] {
        peer.write(&frame(Opcode::Ping, payload)).await;
        assert_eq!(peer.next().await, Got::Pong(payload.to_vec()));
    }
}

#[tokio::test(start_paused = true)]
async fn of_the_streams_whose_request_has_not_come_the_oldest_goes_and_those_let_in_stay() {
    let server = server(|builder| builder.limits(Limits { strangers: 65, ..Limits::default() }));
    let stream = || {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let server = server.clone();
        tokio::spawn(async move { server.serve_stream(theirs, None).await });
        ours
    };
    let mut inside = ask_upgrade(stream(), request("/", &[])).await.upgraded();
    inside.enter("ann").await;
    let (mut oldest, patient) = (stream(), stream());
    oldest.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let others: Vec<_> = (0..63).map(|_| stream()).collect();
    let mut newest = stream();
    let mut nothing = Vec::new();
    oldest.read_to_end(&mut nothing).await.unwrap();
    assert_eq!(nothing, b"", "it is hung up on before its time");
    ask_upgrade(patient, request("/", &[])).await.upgraded().enter("bob").await;
    let waited = tokio::time::Instant::now();
    let _ = newest.read_to_end(&mut nothing).await; // in time, or by hyper's own 408
    assert_eq!(waited.elapsed().as_secs(), 5, "there is a place again, so this one has its time");
    inside.say("unheard", json!(1)).await;
    inside.leave().await;
    drop(others);
}
