//! A client that speaks `wse-msgpack`, against a scripted server: what it says, and what it does not
//! take for a frame.

use serde_json::{Value, json};
use wse::{Backoff, Client, ClientBuilder, ConnectError, Protocol, Status};
use wse_frame::Opcode;
use wse_test_peers::{Dials, Events, Got, RawServer, broke_protocol, events, scripted, soon};

fn packed() -> (ClientBuilder, Dials) {
    let (builder, dials) = scripted();
    (builder.protocol(Protocol::WseMsgpack), dials)
}

/// A client that is connected and would come back after what is not final.
async fn connected() -> (Client, RawServer, Events, Dials) {
    let ((when, mut events), (builder, mut dials)) = (events(), packed());
    let client = builder.identity("ann").when(when).reconnect(Backoff::default()).resume(false).build();
    let connecting = tokio::spawn({
        let client = client.clone();
        async move { client.connect().await }
    });
    let mut wire = dials.agreed().await;
    assert_eq!(wire.unpack().await, json!(["~wse:hi", {"identity": "ann", "meta": {}}, null]));
    wire.pack(json!(["~wse:welcome", {"hey": 1}])).await;
    soon(connecting).await.expect("it does not panic").expect("it is let in");
    assert_eq!(events.next_like("ready").await, r#"ready {"hey":1}"#);
    (client, wire, events, dials)
}

#[tokio::test(start_paused = true)]
async fn without_an_identity_it_says_the_empty_string_as_on_json() {
    let (builder, mut dials) = packed();
    let client = builder.build();
    let connecting = tokio::spawn(async move { client.connect().await });
    let request = dials.next().await.request().await;
    assert_eq!(request.header("sec-websocket-protocol"), Some("wse-msgpack"));
    let mut wire = request.upgrade_with("Sec-WebSocket-Protocol: wse-msgpack\r\n").await;
    assert_eq!(wire.next().await, Got::Binary(b"\x93\xa7~wse:hi\x82\xa8identity\xa0\xa4meta\x80\xc0".to_vec()));
    wire.drop_with(1000, "wse.not-authorized").await;
    let error = soon(connecting).await.unwrap().unwrap_err();
    assert!(matches!(&error, ConnectError::Refused(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn its_frames_are_binary_and_its_pings_those_of_websocket() {
    let (client, mut wire, mut events, _dials) = connected().await;
    client.send("m", [1]).unwrap();
    assert_eq!(wire.next().await, Got::Binary(b"\x93\xa1m\x91\x01\xc0".to_vec()));
    let calling = tokio::spawn({
        let client = client.clone();
        async move { client.call::<_, i64>("add", (1, 2)).await }
    });
    let call = wire.unpack().await;
    assert_eq!((&call[0], &call[1]), (&json!("add"), &json!([1, 2])));
    wire.pack(json!(["~wse:response", 3, call[2]])).await;
    assert_eq!(soon(calling).await.unwrap().unwrap(), 3);
    wire.pack(json!(["m", {"a": 1}])).await;
    assert_eq!(events.next().await, r#"ignored m {"a":1}"#);
    wire.pack(json!(["missing", null, "s"])).await;
    let missing = json!({"code": "wse.server.rp.not-registered", "details": {"rp": "missing"}});
    assert_eq!(wire.unpack().await, json!(["~wse:response-err", missing, "s"]));
    assert!(matches!(wire.next().await, Got::Ping(_)));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_frame_of_it_ends_it_for_good() {
    let deep = [b"\x92\xa1m".to_vec(), vec![0x91; 128], vec![0xc0]].concat();
    for (opcode, bytes) in [
        (Opcode::Text, &br#"["m",1,null]"#[..]),
        (Opcode::Binary, b""),
        (Opcode::Binary, b"\xc1"),
        (Opcode::Binary, b"\x91\xa1m\x00"),
        (Opcode::Binary, b"\xdd\xff\xff\xff\xff\xa1m"),
        (Opcode::Binary, b"\x92\xa1m\xdf\xff\xff\xff\xff"),
        (Opcode::Binary, b"\x92\xa1m\xc6\xff\xff\xff\xff"),
        (Opcode::Binary, &deep),
    ] {
        let (client, mut wire, mut events, mut dials) = connected().await;
        wire.frame(opcode, bytes).await;
        let shown = &bytes[..bytes.len().min(12)];
        assert_eq!(wire.closed().await, (1000, "wse.protocol-error".into()), "{shown:x?}");
        assert_eq!(events.next().await, "closed 1000 wse.protocol-error", "{shown:x?}");
        dials.none_within(std::time::Duration::from_secs(600)).await;
        assert_eq!(client.status(), Status::Offline);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_in_text_is_not_one_of_its_kind() {
    let (builder, mut dials) = packed();
    let client = builder.build();
    let connecting = tokio::spawn({
        let client = client.clone();
        async move { client.connect().await }
    });
    let mut wire = dials.agreed().await;
    wire.unpack().await;
    wire.say("~wse:welcome", json!(null)).await;
    assert!(broke_protocol(&wire.closed().await));
    let error = soon(connecting).await.unwrap().unwrap_err();
    assert!(matches!(&error, ConnectError::Closed(closed) if closed.is_protocol_error()), "{error}");
    assert!(client.welcome::<Value>().is_err() || client.status() == Status::Offline);
}
