//! Codecs of the application's own, beside the default one: chosen by what a device offers, in text
//! or binary frames, with the same handlers behind.

use http::Request;
use serde_json::json;
use wse::{
    Conn, Protocol, Server, Stranger,
    codec::{CustomCodec, EncodeError, Envelope, Payload, ProtocolError},
};
use wse_frame::Opcode;
use wse_test_peers::{Got, RawClient, ask_upgrade, events, frame, request};

/// `name stamp payload`, separated by a byte that none of them holds.
struct Lines {
    binary: bool,
}

impl CustomCodec for Lines {
    fn name(&self) -> &str {
        if self.binary { "lines.binary" } else { "lines.text" }
    }

    fn binary(&self) -> bool {
        self.binary
    }

    fn write(&self, envelope: &Envelope<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if envelope.name == "unspeakable" {
            return Err(EncodeError::new("there is no word for it"));
        }
        let stamp = envelope.stamp.as_deref().unwrap_or_default();
        out.extend([envelope.name.as_bytes(), b"\n", stamp.as_bytes(), b"\n", envelope.payload.as_bytes()].concat());
        Ok(())
    }

    fn read<'a>(&self, frame: &'a [u8]) -> Result<Envelope<'a>, ProtocolError> {
        let text = std::str::from_utf8(frame).map_err(|_| ProtocolError::new("no text"))?;
        assert_ne!(text, "grenade");
        let mut parts = text.splitn(3, '\n');
        let (Some(name), Some(stamp), Some(payload)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ProtocolError::new("no three lines"));
        };
        Ok(Envelope { name: name.into(), payload: Payload::json(payload)?, stamp: Some(stamp.into()) })
    }
}

fn multilingual(when: impl FnOnce(wse::Event) -> std::future::Ready<()> + Clone + Send + Sync + 'static) -> Server {
    Server::builder()
        .protocols([Protocol::custom(Lines { binary: true }), Protocol::Wse, Protocol::custom(Lines { binary: false })])
        .when(when)
        .register("add", async |_, (a, b): (i64, i64)| Ok(a + b))
        .on("say", async |conn: Conn, what: String| {
            conn.server().broadcast("said", what)?;
            Ok(())
        })
        .identify(async |stranger: Stranger, name: String| Ok(stranger.accept(name).welcome("hello")))
        .build()
}

/// A device that speaks that protocol.
async fn device(server: &Server, protocols: &str, selected: &str) -> RawClient {
    let (ours, theirs) = tokio::io::duplex(wse_test_peers::PIPE);
    let server = server.clone();
    tokio::spawn(async move { server.serve_stream(theirs, None).await });
    let answer = ask_upgrade(ours, request("/", &[("Sec-WebSocket-Protocol", protocols)])).await;
    assert_eq!(answer.header("sec-websocket-protocol"), Some(selected));
    answer.upgraded()
}

fn binary(text: &str) -> Got {
    Got::Binary(text.as_bytes().to_vec())
}

#[tokio::test(start_paused = true)]
async fn devices_of_several_codecs_share_one_server() {
    let (when, _events) = events();
    let server = multilingual(when);
    let mut bin = device(&server, "lines.binary", "lines.binary").await;
    bin.write(&frame(Opcode::Binary, b"~wse:hi\n\n{\"identity\":\"bin\"}")).await;
    assert_eq!(bin.next().await, binary("~wse:welcome\n\n\"hello\""));
    let mut txt = device(&server, "other, lines.text", "lines.text").await;
    txt.send("~wse:hi\n\n{\"identity\":\"txt\"}").await;
    assert_eq!(txt.next().await, Got::Text("~wse:welcome\n\n\"hello\"".into()));
    let mut json = device(&server, "wse-default-json", "wse-default-json").await;
    json.enter("json").await;

    bin.write(&frame(Opcode::Binary, b"add\nstamp\n[2,3]")).await;
    assert_eq!(bin.next().await, binary("~wse:response\nstamp\n5"));
    txt.send("add\nstamp\n[2,\"x\"]").await;
    let Got::Text(error) = txt.next().await else { panic!("no text") };
    assert!(error.starts_with("~wse:response-err\nstamp\n{\"code\":\"wse.server.rp.failed\""), "{error}");

    // What one says is heard by all, each in its own codec, encoded once a codec.
    txt.send("say\n\n\"hi all\"").await;
    assert_eq!(bin.next().await, binary("said\n\n\"hi all\""));
    assert_eq!(txt.next().await, Got::Text("said\n\n\"hi all\"".into()));
    assert_eq!(json.text().await, r#"["said","hi all",null]"#);
    let encoded = server.encode("later", 7).unwrap();
    assert_eq!(server.everyone().except_user("txt").send_encoded(&encoded).here, 2);
    assert_eq!(bin.next().await, binary("later\n\n7"));
    assert_eq!(json.text().await, r#"["later",7,null]"#);
}

#[tokio::test(start_paused = true)]
async fn the_server_calls_through_a_codec_of_its_own() {
    let (when, _events) = events();
    let server = multilingual(when);
    let mut peer = device(&server, "lines.text", "lines.text").await;
    peer.send("~wse:hi\n\n{\"identity\":\"ann\"}").await;
    peer.next().await;
    let conn = server.user("ann").conns().remove(0);
    let call = tokio::spawn(async move { conn.call::<_, u32>("double", 21).await });
    let asked = peer.text().await;
    let stamp = asked.split('\n').nth(1).unwrap();
    assert_eq!(asked, format!("double\n{stamp}\n21"));
    peer.send(&format!("~wse:response\n{stamp}\n42")).await;
    assert_eq!(call.await.unwrap().unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn a_probe_and_its_answer_pass_through_a_codec() {
    let (when, _events) = events();
    let server = multilingual(when);
    let mut peer = device(&server, "lines.text", "lines.text").await;
    peer.send("~wse:hi\n\n{\"identity\":\"ann\"}").await;
    assert_eq!(peer.text().await, "~wse:welcome\n\n\"hello\"");
    peer.send("~wse:ping\nS\nnull").await;
    assert_eq!(peer.text().await, "~wse:response\nS\nnull");
}

#[tokio::test(start_paused = true)]
async fn in_a_session_a_codec_of_its_own_announces_a_large_batch_in_the_place_of_the_stamp() {
    let (when, _events) = events();
    let server = multilingual(when);
    let mut peer = device(&server, "lines.text", "lines.text").await;
    peer.send("~wse:hi\n\n{\"identity\":\"ann\",\"session\":{}}").await;
    assert!(peer.text().await.starts_with("~wse:welcome\n{\"session\":"));
    server.broadcast("news", "x".repeat(20_000)).unwrap();
    let announced = peer.text().await;
    assert_eq!(announced, format!("~wse:ack\n{}\n0", peer.text().await.len() + 4));
}

#[tokio::test(start_paused = true)]
async fn the_servers_order_decides_among_what_a_device_offers() {
    let (when, _events) = events();
    let server = multilingual(when);
    device(&server, "lines.text, wse-default-json, lines.binary", "lines.binary").await;
    device(&server, "lines.text, wse-default-json", "wse-default-json").await;
    let only = Server::builder()
        .protocols([Protocol::custom(Lines { binary: false })])
        .identify(async |stranger: Stranger, name: String| Ok(stranger.accept(name)))
        .build();
    let (ours, theirs) = tokio::io::duplex(wse_test_peers::PIPE);
    let serving = only.clone();
    tokio::spawn(async move { serving.serve_stream(theirs, None).await });
    assert_eq!(ask_upgrade(ours, request("/", &[])).await.status, 400, "the default is spoken only when it was added");
    // An attached stream without the header speaks the first codec.
    let (mut peer, _) = wse_test_peers::attach_with(&only, wse_test_peers::PIPE, Request::new(()));
    peer.send("~wse:hi\n\n{\"identity\":\"ann\"}").await;
    assert_eq!(peer.text().await, "~wse:welcome\n\nnull");
}

#[tokio::test(start_paused = true)]
async fn what_a_codec_cannot_read_ends_the_connection_and_what_it_cannot_write_does_not() {
    let (when, mut events) = events();
    let server = multilingual(when);
    for (opcode, bad) in [(Opcode::Binary, &b"two\nlines"[..]), (Opcode::Text, b"a\n\n1"), (Opcode::Binary, b"\n\n1")] {
        let mut peer = device(&server, "lines.binary", "lines.binary").await;
        peer.write(&frame(Opcode::Binary, b"~wse:hi\n\n{\"identity\":\"ann\"}")).await;
        peer.next().await;
        let conn = server.user("ann").conns().remove(0);
        assert!(matches!(conn.send("unspeakable", 1), Err(wse::SendError::Encode(_))));
        assert!(server.broadcast("unspeakable", 1).is_err());
        conn.send("fine", json!({"a": 1})).unwrap();
        assert_eq!(peer.next().await, binary("fine\n\n{\"a\":1}"));
        peer.write(&frame(opcode, bad)).await;
        assert_eq!(peer.closed().await, (1000, "wse.protocol-error".into()));
        assert!(events.take(4).await[3].ends_with("1000 wse.protocol-error"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_codec_that_panics_ends_that_connection_only() {
    let (when, mut events) = events();
    let server = multilingual(when);
    let mut bystander = device(&server, "wse-default-json", "wse-default-json").await;
    bystander.enter("bob").await;
    let mut peer = device(&server, "lines.text", "lines.text").await;
    peer.send("~wse:hi\n\n{\"identity\":\"ann\"}").await;
    peer.next().await;
    let conn = server.user("ann").conns().remove(0);
    let call = tokio::spawn(async move { conn.call::<_, ()>("rp", ()).await });
    peer.next().await;
    peer.send("grenade").await;
    assert_eq!(peer.next().await, Got::End);
    assert!(matches!(call.await.unwrap(), Err(wse::CallError::Disconnected { .. })));
    assert_eq!(events.take(6).await[4..], ["disconnected ann 2 1006", "left ann 1006"]);
    assert_eq!(bystander.call("add", json!([1, 2])).await, json!(["~wse:response", 3]));
    let (_, closed) = tokio::join!(server.shutdown(std::time::Duration::from_secs(5)), bystander.closed());
    assert_eq!(closed.0, 1012);
}
