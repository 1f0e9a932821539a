//! Strangers of the testbed as nothing but frames: who is late, and who says what no stranger says. It
//! runs the built program.

use serde_json::json;
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wse_test_peers::{Got, RawClient, broke_protocol, programs::Testbed, soon};

/// A stranger on that subprotocol who has said nothing yet.
pub(crate) async fn stranger(testbed: &Testbed, protocol: &str) -> RawClient<TcpStream> {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
    );
    let mut tcp = TcpStream::connect(&testbed.addr).await.expect("somebody listens");
    tcp.write_all(request.as_bytes()).await.expect("bytes are taken");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(tcp.read_u8()).await.expect("an answer"));
    }
    let head = String::from_utf8(head).expect("text");
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains(protocol), "{head}");
    RawClient::new(tcp)
}

#[tokio::test]
async fn whose_part_is_late_decides_how_the_auth_timeout_ends() {
    let testbed = Testbed::start(&["--auth-timeout", "250ms"]).await;
    let asking = Testbed::start(&["--auth-timeout", "250ms", "--challenge"]).await;
    let start = Instant::now();
    let mut silent = stranger(&testbed, "wse-default-json").await;
    let mut challenged = stranger(&asking, "wse-default-json").await;
    challenged.hi(json!("user-ann"), json!({})).await;
    assert_eq!(soon(challenged.json()).await[0], "~wse:challenge");
    let mut waiting = stranger(&testbed, "wse-default-json").await;
    waiting.hi(json!("never"), json!({})).await;
    let mut silent_messaging = stranger(&testbed, "ws-messaging").await;
    let mut waiting_messaging = stranger(&testbed, "ws-messaging").await;
    waiting_messaging.send(r#"{"identity":"never"}"#).await;
    for (who, end) in [
        (&mut silent, "1000 wse.auth-timeout"),
        (&mut challenged, "1000 wse.auth-timeout"),
        (&mut waiting, "1013 wse.later after=100"),
        (&mut silent_messaging, "4003 "),
        (&mut waiting_messaging, "1013 wse.later after=100"),
    ] {
        let Got::Close(Some((code, reason))) = soon(who.next()).await else { panic!("no close frame: {end}") };
        // The last digit of a turn depends on how many came before.
        let seen = format!("{code} {reason}");
        assert!(seen.starts_with(end) && seen.len() <= end.len() + 1, "{seen}");
    }
    assert!(start.elapsed() >= Duration::from_millis(250), "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(9), "the default is 10 s: {:?}", start.elapsed());
    testbed.terminate().await;
    asking.terminate().await;
}

#[tokio::test]
async fn an_auth_timeout_of_zero_is_none() {
    let testbed = Testbed::start(&["--auth-timeout", "0s"]).await;
    for (protocol, hi, welcome) in [
        ("wse-default-json", r#"["~wse:hi",{"identity":"user-ann"},null]"#, json!("~wse:welcome")),
        ("ws-messaging", r#"{"identity":"user-bob"}"#, json!(null)),
    ] {
        let mut silent = stranger(&testbed, protocol).await;
        silent.hears_nothing().await;
        silent.hears_nothing().await;
        silent.send(hi).await;
        let welcomed = soon(silent.json()).await;
        assert!(welcomed[0] == welcome && welcomed.to_string().contains("some data"), "{welcomed}");
    }
    testbed.terminate().await;
}

#[tokio::test]
async fn a_challenged_stranger_who_sends_anything_but_a_solution_is_closed_at_once() {
    let testbed = Testbed::start(&["--challenge", "--auth-timeout", "60s"]).await;
    for instead in [
        r#"["~wse:junk","nope",null]"#,
        r#"["echo",1,null]"#,
        r#"["add",[2,3],"stamp"]"#,
        r#"["~wse:hi",{"identity":"user-ann"},null]"#,
        "no frame",
    ] {
        let mut challenged = stranger(&testbed, "wse-default-json").await;
        challenged.hi(json!("user-ann"), json!({})).await;
        assert_eq!(soon(challenged.json()).await[0], "~wse:challenge");
        challenged.send(instead).await;
        assert!(broke_protocol(&soon(challenged.closed()).await), "{instead}");
    }
    let lines = testbed.terminate().await;
    assert!(lines.iter().all(|line| line["event"] == "error"), "none has joined: {lines:?}");
}
