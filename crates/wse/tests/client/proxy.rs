//! The proxy that the environment names: a tunnel through it, what it is told, and whose error it is.

use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use wse_test_peers::{programs::Program, server, soon};

/// What one proxy answers.
#[derive(Clone, Copy)]
enum Answers {
    /// Opens the tunnel.
    Open,
    /// Says this instead.
    Status(&'static str),
}

/// A proxy, and the heads of the requests that it gets.
async fn proxy(answers: Answers) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let (sender, heads) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
            let head = String::from_utf8(head).expect("a head is text");
            let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let _ = sender.send(head); // the test may have ended
            match answers {
                Answers::Status(status) => {
                    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
                Answers::Open => {
                    let mut target = TcpStream::connect(target).await.expect("the server");
                    stream.write_all(b"HTTP/1.1 200 Open\r\n\r\n").await.expect("the client");
                    tokio::spawn(async move { copy_bidirectional(&mut stream, &mut target).await });
                }
            }
        }
    });
    (addr, heads)
}

/// A server, by its address.
async fn serving() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let server = server(|builder| builder);
    tokio::spawn(async move { server.serve(listener).await });
    addr
}

/// What a client says whose environment is this.
async fn connected(to: SocketAddr, options: &[&str], env: &[(&str, &str)]) -> Value {
    let url = format!("ws://{to}/");
    let mut all = vec!["--url", &url, "--identity", "\"ann\""];
    all.extend(options);
    let clean: Vec<(&str, &str)> =
        ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"].map(|name| (name, "")).to_vec();
    let mut client = Program::start_in("testclient", &all, &[clean, env.to_vec()].concat());
    soon(client.ask(json!({"id": 1, "do": "connect"}))).await
}

fn message(told: &Value) -> &str {
    told["err"]["message"].as_str().unwrap_or_else(|| panic!("{told}"))
}

#[tokio::test]
async fn a_client_that_is_asked_to_goes_through_the_proxy_of_its_environment() {
    let (server, (proxy, mut heads)) = (serving().await, proxy(Answers::Open).await);
    let named = format!("http://ann:s%40cret@{proxy}");
    let told = connected(server, &["--proxy-from-env"], &[("HTTP_PROXY", &named)]).await;
    assert!(told["err"].is_null(), "{told}");
    let head = heads.recv().await.unwrap().to_ascii_lowercase();
    assert!(head.starts_with(&format!("connect {server} http/1.1\r\n")), "{head}");
    assert!(head.contains(&format!("\r\nhost: {server}\r\n")), "{head}");
    assert!(head.contains("\r\nproxy-authorization: basic yw5uonnay3jlda==\r\n"), "{head}"); // ann:s@cret
    // Not when it was not asked to, and not to what is exempt.
    for (options, exempt) in [(&[][..], ""), (&["--proxy-from-env"][..], "127.0.0.0/8")] {
        let told = connected(server, options, &[("HTTP_PROXY", &named), ("NO_PROXY", exempt)]).await;
        assert!(told["err"].is_null() && heads.try_recv().is_err(), "{told}");
    }
}

#[tokio::test]
async fn an_error_of_the_proxy_says_that_it_is_the_proxy_s_and_shows_no_password() {
    let server = serving().await;
    let (refusing, _heads) = proxy(Answers::Status("407 Proxy Authentication Required")).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (value, says) in [
        (format!("http://ann:hunter2@{refusing}"), format!("the proxy {refusing} refused the tunnel with status 407")),
        (format!("http://ann:hunter2@{free}"), format!("the proxy {free} is not reachable")),
        ("socks5://ann:hunter2@127.0.0.1".to_owned(), "ALL_PROXY is not the address of a proxy".to_owned()),
    ] {
        let told = connected(server, &["--proxy-from-env"], &[("ALL_PROXY", &value)]).await;
        assert!(message(&told).contains(&says) && !told.to_string().contains("hunter2"), "{told}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_busy_is_tried_again_and_one_that_refuses_is_not() {
    for (status, tries) in [("503 Busy", true), ("403 No", false)] {
        let (server, (proxy, mut heads)) = (serving().await, proxy(Answers::Status(status)).await);
        let url = format!("ws://{server}/");
        let options =
            ["--url", &url, "--proxy-from-env", "--reconnect", "--backoff-min", "1ms", "--backoff-max", "1ms"];
        let named = format!("http://{proxy}");
        let mut client = Program::start_in("testclient", &options, &[("http_proxy", named.as_str()), ("no_proxy", "")]);
        if tries {
            client.command(json!({"id": 1, "do": "connect"})).await;
            for _ in 0..3 {
                soon(heads.recv()).await.expect("it tries again");
            }
        } else {
            let told = soon(client.ask(json!({"id": 1, "do": "connect"}))).await;
            assert!(message(&told).contains("status 403"), "{told}");
        }
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn wss_goes_through_its_own_proxy_and_ends_at_the_server() {
    use crate::addresses::tls::{serving, told_with};
    let ((server, roots), (proxy, mut heads)) = (serving("its own").await, proxy(Answers::Open).await);
    let named = format!("http://{proxy}");
    let environment = [("HTTPS_PROXY", named.as_str()), ("https_proxy", ""), ("no_proxy", ""), ("NO_PROXY", "")];
    let told = told_with(server, &roots, &["--proxy-from-env"], &environment).await;
    assert!(told["err"].is_null(), "{told}");
    assert!(heads.recv().await.unwrap().starts_with(&format!("CONNECT localhost:{} ", server.port())));
}
