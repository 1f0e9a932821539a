//! What a client asks for in HTTP, and what it makes of the answer.

use serde_json::json;
use std::{io::ErrorKind::InvalidData, time::Duration};
use tokio::task::JoinHandle;
use wse::{Backoff, Client, ConnectError};
use wse_test_peers::{Got, UpgradeRequest, dials, scripted, soon};

#[tokio::test(start_paused = true)]
async fn the_request_asks_for_the_upgrade_as_the_standard_says() {
    let (dial, mut dials) = dials();
    let builder = Client::builder("ws://user:secret@a.test:81/some/path?x=1").dial(dial);
    tokio::spawn(builder.header("Origin", "https://a.example").header("Cookie", "a=b").connect());
    let request = dials.next().await.request().await;
    assert!(request.head.starts_with("GET /some/path?x=1 HTTP/1.1\r\n"), "{}", request.head);
    for (name, value) in [
        ("host", "a.test:81"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "wse-default-json"),
        ("origin", "https://a.example"),
        ("cookie", "a=b"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    assert!(!request.head.contains("secret"), "{}", request.head);
}

#[tokio::test(start_paused = true)]
async fn every_request_has_a_key_of_its_own_and_the_address_names_the_host() {
    let mut keys = Vec::new();
    for (url, host) in [("ws://a.test", "a.test"), ("ws://[::1]:9/", "[::1]:9"), ("wss://b.test/x", "b.test")] {
        let (dial, mut dials) = dials();
        tokio::spawn(Client::builder(url).dial(dial).connect());
        let request = dials.next().await.request().await;
        assert_eq!(request.header("host"), Some(host));
        keys.push(request.header("sec-websocket-key").unwrap().to_owned());
    }
    // 16 bytes in base64.
    assert!(keys.iter().all(|key| key.len() == 24 && key.ends_with("==")), "{keys:?}");
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
}

type Connecting = JoinHandle<Result<Client, ConnectError>>;

/// A client with reconnect that has asked for the upgrade.
async fn asking() -> (Connecting, UpgradeRequest, wse_test_peers::Dials) {
    let (builder, mut dials) = scripted();
    let connecting = tokio::spawn(builder.reconnect(Backoff::default()).connect());
    let request = dials.next().await.request().await;
    (connecting, request, dials)
}

#[tokio::test(start_paused = true)]
async fn a_status_that_refuses_fails_connect_for_good() {
    for status in [200, 301, 400, 401, 403, 404, 426] {
        let (connecting, request, mut dials) = asking().await;
        let _wire = request.answer(&format!("{status} No"), "Content-Length: 0\r\n").await;
        let error = soon(connecting).await.unwrap().unwrap_err();
        assert!(matches!(error, ConnectError::UpgradeRefused { status: told, .. } if told == status), "{error}");
        dials.none_within(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_that_passes_is_tried_again_with_reconnect_only() {
    for status in [408, 429, 500, 502, 503, 504] {
        let (connecting, request, mut dials) = asking().await;
        let _wire = request.answer(&format!("{status} Later"), "Content-Length: 0\r\n").await;
        let _wire = dials.welcomed().await;
        soon(connecting).await.unwrap().unwrap();
    }
    let (builder, mut dials) = scripted();
    let connecting = tokio::spawn(builder.connect());
    let request = dials.next().await.request().await;
    let _wire = request.answer("503 Later", "Content-Length: 0\r\n").await;
    assert!(matches!(soon(connecting).await.unwrap(), Err(ConnectError::UpgradeRefused { status: 503, .. })));
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_another_key_fails_connect_and_leaves() {
    for accept in ["Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", ""] {
        let (connecting, request, mut dials) = asking().await;
        let headers = format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{accept}");
        let mut wire = request.answer("101 Switching Protocols", &headers).await;
        let error = soon(connecting).await.unwrap().unwrap_err();
        assert!(matches!(&error, ConnectError::Unreachable(error) if error.kind() == InvalidData), "{error}");
        assert_eq!(wire.next().await, Got::End, "no identity is sent");
        dials.none_within(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_subprotocol_that_was_not_offered_fails_connect_and_leaves() {
    let (connecting, request, mut dials) = asking().await;
    let mut wire = request.upgrade_with("Sec-WebSocket-Protocol: mqtt\r\n").await;
    let error = soon(connecting).await.unwrap().unwrap_err();
    assert!(matches!(&error, ConnectError::Unreachable(error) if error.kind() == InvalidData), "{error}");
    assert_eq!(wire.next().await, Got::End, "no identity is sent");
    dials.none_within(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_names_no_subprotocol_is_talked_to() {
    let (connecting, request, _dials) = asking().await;
    let mut wire = request.upgrade_with("").await;
    assert_eq!(wire.json().await[0], "~wse:hi");
    wire.say("~wse:welcome", json!(1)).await;
    let client = soon(connecting).await.unwrap().unwrap();
    assert_eq!(client.welcome::<u8>().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_instead_of_answering_is_a_failed_dial() {
    let (connecting, request, mut dials) = asking().await;
    drop(request);
    let _wire = dials.welcomed().await;
    soon(connecting).await.unwrap().unwrap();

    let (builder, mut dials) = scripted();
    let connecting = tokio::spawn(builder.connect());
    drop(dials.next().await);
    assert!(matches!(soon(connecting).await.unwrap(), Err(ConnectError::Unreachable(_))));
}

#[tokio::test(start_paused = true)]
async fn frames_that_come_with_the_answer_are_not_lost() {
    let (connecting, request, _dials) = asking().await;
    let accept = request.accept();
    let headers = format!("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n");
    let mut answer = format!("HTTP/1.1 101 Switching Protocols\r\n{headers}").into_bytes();
    let Ok(()) = wse_frame::put_frame(&mut answer, wse_frame::Opcode::Text, None, |out| {
        out.extend(br#"["~wse:welcome",7,null]"#);
        Ok::<_, std::convert::Infallible>(())
    });
    let mut io = request.io;
    tokio::io::AsyncWriteExt::write_all(&mut io, &answer).await.unwrap();
    let client = soon(connecting).await.unwrap().unwrap();
    assert_eq!(client.welcome::<u8>().unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_speaks_no_http_is_given_up_for_good() {
    // It speaks first, as most such servers do, or only when it is spoken to.
    for first in [true, false] {
        let (builder, mut dials) = scripted();
        let connecting = tokio::spawn(builder.reconnect(Backoff::default()).connect());
        let mut dialed = dials.next().await;
        if !first {
            wse_test_peers::settle().await;
        }
        tokio::io::AsyncWriteExt::write_all(&mut dialed.io, b"SSH-2.0-x\r\n").await.unwrap();
        let error = soon(connecting).await.unwrap().unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable(_)), "{error}");
        dials.none_within(Duration::from_secs(60)).await;
    }
}
