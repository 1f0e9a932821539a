//! A server behind proxies that send a PROXY header, on real sockets.
#![expect(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

use serde_json::json;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};
use tracing_subscriber::fmt;
use wse::{Limits, Server, ServerBuilder, Stranger};
use wse_test_peers::{ask_upgrade, dial, request, secrets::Seen, server, soon};

/// A server whose welcome tells the address, behind proxies of that network.
async fn behind(network: &str, configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (Server, SocketAddr) {
    let builder = Server::builder().proxy_protocol(true).trusted_proxy(network.parse().unwrap());
    let server = configure(builder)
        .identify(async |stranger: Stranger, name: String| {
            let addr = stranger.remote_addr();
            Ok(stranger.accept(name).welcome(&addr))
        })
        .build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = server.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    (server, addr)
}

/// The address that a device has which sends this before its request.
async fn told(addr: SocketAddr, header: &[u8], headers: &[(&str, &str)]) -> serde_json::Value {
    let bytes = [header, request("/", headers).as_bytes()].concat();
    let mut peer = dial(addr, bytes).await.upgraded();
    peer.hi(json!("ann"), json!({})).await;
    peer.json().await[1].clone()
}

fn block(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family, 0, body.len() as u8][..], body].concat()
}

/// What a server answers that hangs up.
async fn hung_up(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    let _ = tcp.write_all(bytes).await; // it may have hung up already
    let mut answer = Vec::new();
    let _ = soon(tcp.read_to_end(&mut answer)).await; // unread bytes make it a reset
    answer
}

const LINE: &[u8] = b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 443\r\n";

#[tokio::test]
async fn the_header_of_a_trusted_proxy_names_the_device_in_both_versions() {
    let (_server, addr) = behind("127.0.0.0/8", |builder| builder).await;
    assert_eq!(told(addr, LINE, &[]).await, "198.51.100.7");
    let four = block(0x21, 0x11, &[198, 51, 100, 7, 192, 0, 2, 1, 1, 2, 3, 4, 4, 0, 2, 9, 9]);
    assert_eq!(told(addr, &four, &[]).await, "198.51.100.7");
    let six = [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]; 2].concat();
    assert_eq!(told(addr, &block(0x21, 0x21, &[&six[..], &[0; 4]].concat()), &[]).await, "2001:db8::7");
    // The proxy itself.
    for own in [&b"PROXY UNKNOWN\r\n"[..], &block(0x20, 0, &[]), &block(0x21, 0, &[1, 2, 3])] {
        assert_eq!(told(addr, own, &[]).await, "127.0.0.1");
    }
    // A device may write headers itself; a proxy behind the proxy is believed.
    let forwarded = [("X-Forwarded-For", "203.0.113.5")];
    assert_eq!(told(addr, LINE, &forwarded).await, "198.51.100.7");
    let chain = b"PROXY TCP4 127.0.0.9 192.0.2.1 4711 443\r\n";
    assert_eq!(told(addr, chain, &forwarded).await, "203.0.113.5");
}

#[tokio::test]
async fn from_anybody_else_it_is_plain_http_and_a_header_is_no_request() {
    let (_server, addr) = behind("10.0.0.0/8", |builder| builder).await;
    assert_eq!(told(addr, b"", &[]).await, "127.0.0.1");
    assert!(hung_up(addr, LINE).await.starts_with(b"HTTP/1.1 400"));
}

#[tokio::test]
async fn a_trusted_proxy_that_sends_none_is_hung_up_on_and_that_is_logged_once() {
    let seen = Seen::default();
    let log = fmt().with_ansi(false).with_writer(seen.clone()).finish();
    let _log = tracing::subscriber::set_default(log);
    let (server, addr) = behind("127.0.0.0/8", |builder| builder).await;
    for _ in 0..3 {
        assert_eq!(hung_up(addr, request("/", &[]).as_bytes()).await, b"");
        assert_eq!(hung_up(addr, &block(0x41, 0x11, &[0; 12])).await, b"");
        assert_eq!(hung_up(addr, format!("PROXY UNKNOWN {}", "x".repeat(5000)).as_bytes()).await, b"");
    }
    let told: Vec<String> = seen.lines().into_iter().filter(|line| line.contains("unreadable")).collect();
    assert!(told.len() == 1 && told[0].contains(r#"kind="PROXY protocol" proxy=127.0.0.1"#), "{told:?}");
    assert_eq!(server.conn_count(), 0);
}

#[tokio::test]
async fn a_header_that_does_not_come_is_given_up_after_http_timeout() {
    let limits = Limits { http_timeout: Duration::from_millis(300), ..Limits::default() };
    let (_server, addr) = behind("127.0.0.0/8", |builder| builder.limits(limits)).await;
    for start in [&b""[..], b"PROXY TCP4 198", &block(0x21, 0x11, &[0; 12])[..20]] {
        let mut tcp = TcpStream::connect(addr).await.unwrap();
        tcp.write_all(start).await.unwrap();
        assert_eq!(soon(tcp.read_to_end(&mut Vec::new())).await.unwrap_or(0), 0);
    }
}

#[tokio::test]
async fn of_the_connections_without_their_header_the_oldest_goes_where_there_are_too_many() {
    let limits = Limits { strangers: 1, http_timeout: Duration::from_secs(600), ..Limits::default() };
    let (_server, addr) = behind("127.0.0.0/8", |builder| builder.limits(limits)).await;
    let mut silent = Vec::new();
    for _ in 0..65 {
        silent.push(TcpStream::connect(addr).await.unwrap());
    }
    assert_eq!(soon(silent[0].read(&mut [0])).await.unwrap(), 0, "it is hung up on");
    assert_eq!(told(addr, LINE, &[]).await, "198.51.100.7");
}

#[tokio::test]
async fn a_proxy_on_a_unix_socket_sends_the_header_too() {
    let path = std::env::temp_dir().join(format!("wse-{}-proxied", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let server = server(|builder| builder.proxy_protocol(true));
    let listener = UnixListener::bind(&path).unwrap();
    let serving = server.clone();
    tokio::spawn(async move { serving.serve_unix(listener).await });
    let bytes = [LINE, request("/", &[]).as_bytes()].concat();
    ask_upgrade(UnixStream::connect(&path).await.unwrap(), bytes).await.upgraded().enter("ann").await;
    assert_eq!(server.user("ann").conns()[0].remote_addr(), "198.51.100.7".parse().ok());
    let mut plain = UnixStream::connect(&path).await.unwrap();
    plain.write_all(request("/", &[]).as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = soon(plain.read_to_end(&mut answer)).await; // unread bytes make it a reset
    assert_eq!(answer, b"");
    server.shutdown(Duration::from_secs(5)).await;
    assert!(path.exists(), "the file of a socket that was handed in stays");
    std::fs::remove_file(&path).unwrap();
}
