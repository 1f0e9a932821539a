//! `wse-msgpack` from our client to our server and by hand: messages, calls, errors, the challenge,
//! binary data, and what is no frame of it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor};
use serde_json::{Value, json};
use std::fmt;
use tokio::sync::mpsc;
use wse::{
    CallError, Client, ClientBuilder, Conn, Msg, Protocol, Rp, RpError, Server, Stranger,
    codec::{Format, Payload},
};
use wse_frame::Opcode;
use wse_test_peers::{Got, RawClient, attach_to, broke_protocol, end, events, frame, log, messaging, pack};

/// Bytes that serialise as such.
#[derive(Clone, Debug, PartialEq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsBytes;
        impl Visitor<'_> for AsBytes {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(AsBytes)
    }
}

const ADD: Rp<(i64, i64), i64> = Rp::new("add");
const BLOB: Msg<Bytes> = Msg::new("blob");
const REVERSE: Rp<Bytes, Bytes> = Rp::new("reverse");

fn client(server: &Server) -> ClientBuilder {
    let server = server.clone();
    Client::builder("ws://in.memory/").protocol(Protocol::WseMsgpack).identity("ann").dial(async move |_| {
        let (ours, theirs) = tokio::io::duplex(wse_test_peers::PIPE);
        tokio::spawn(async move { server.serve_stream(theirs, None).await });
        Ok(ours)
    })
}

fn conn(server: &Server) -> Conn {
    server.user("ann").conns().remove(0)
}

/// A raw peer that was let in.
async fn enter(server: &Server) -> RawClient {
    let (mut peer, _) = attach_to(server, "wse-msgpack");
    peer.pack(json!(["~wse:hi", {"identity": "raw", "meta": {}}, null])).await;
    assert_eq!(peer.unpack().await, json!(["~wse:welcome", null, null]));
    peer
}

#[tokio::test(start_paused = true)]
async fn messages_and_calls_cross_both_ways() {
    let server = messaging(|builder| {
        builder
            .on("echo", async |conn: Conn, what: Value| {
                conn.send("echoed", what)?;
                Ok(())
            })
            .register(ADD, async |_, (a, b)| Ok(a + b))
    });
    let (sender, mut heard) = mpsc::unbounded_channel();
    let client = client(&server)
        .meta(&json!({"device": [1, null]}))
        .on("echoed", async move |_, what: Value| {
            sender.send(what)?;
            Ok(())
        })
        .register("double", async |_, number: f64| Ok(2.0 * number))
        .connect()
        .await
        .unwrap();
    assert_eq!(conn(&server).meta::<Value>().unwrap(), json!({"device": [1, null]}));
    assert_eq!(conn(&server).protocol(), "wse-msgpack");
    for what in [
        json!(null),
        json!([1, [2.5, "ü"], {}]),
        json!({"a": {"b": u64::MAX, "c": i64::MIN}}),
        json!("x".repeat(70_000)),
    ] {
        client.send("echo", &what).unwrap();
        assert_eq!(heard.recv().await.unwrap(), what);
    }
    assert_eq!(client.call(ADD, (2, 3)).await.unwrap(), 5);
    assert_eq!(conn(&server).call::<_, f64>("double", 1.25).await.unwrap(), 2.5);
    let missing = [client.call::<_, Value>("missing", ()).await, conn(&server).call::<_, Value>("missing", ()).await];
    for missing in missing {
        assert!(
            matches!(&missing, Err(CallError::NotRegistered(error)) if error.rp().as_deref() == Some("missing")),
            "{missing:?}"
        );
    }
    client.close("done").await;
}

#[tokio::test(start_paused = true)]
async fn errors_cross_with_code_text_and_details() {
    let fail = |how: String| -> Result<(), RpError> {
        Err(match how.as_str() {
            "coded" => RpError::new("my-code").message("why").details(&json!({"fun": 1})),
            "bare" => RpError::bare(&json!({"a": [1]})),
            _ => std::io::Error::other("a secret").into(),
        })
    };
    let server = messaging(|builder| builder.register("fail", async move |_, how| fail(how)));
    let client = client(&server).register("fail", async move |_, how| fail(how)).connect().await.unwrap();
    for (how, code, message, details) in [
        ("coded", "my-code", Some("why"), json!({"fun": 1, "rp": "fail", "rpc": "fail", "payload": "coded"})),
        (
            "bare",
            "wse.server.rp.failed",
            Some("RPC execution failed"),
            json!({"a": [1], "rp": "fail", "rpc": "fail", "payload": "bare"}),
        ),
        (
            "plain",
            "wse.server.rp.failed",
            Some("RPC execution failed"),
            json!({"rp": "fail", "rpc": "fail", "payload": "plain"}),
        ),
    ] {
        for outcome in [client.call::<_, ()>("fail", how).await, conn(&server).call::<_, ()>("fail", how).await] {
            let Err(CallError::Failed(error)) = outcome else { panic!("{outcome:?}") };
            assert_eq!((error.code.as_str(), error.message.as_deref()), (code, message));
            assert_eq!(error.decode_details::<Value>().unwrap().unwrap(), details);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_challenge_and_a_welcome_are_values_of_messagepack() {
    let server = Server::builder()
        .protocols([Protocol::WseMsgpack])
        .identify(async |stranger: Stranger, token: Bytes| {
            Ok(match stranger.answer::<Bytes, Bytes>()? {
                None => stranger.challenge(&token),
                Some((quest, answer)) if quest == token && answer.0 == [3, 2, 1] => {
                    stranger.accept("ann").welcome(&Bytes(vec![0xff]))
                }
                Some(_) => stranger.refuse(),
            })
        })
        .build();
    let solving = async |_, quest: Bytes| Ok(Bytes(quest.0.into_iter().rev().collect()));
    let done = client(&server).identity(&Bytes(vec![1, 2, 3])).challenge(solving).connect().await.unwrap();
    assert_eq!(done.welcome::<Bytes>().unwrap(), Bytes(vec![0xff]));
    let (mut peer, _) = attach_to(&server, "wse-msgpack");
    peer.write(&frame(Opcode::Binary, b"\x92\xa7~wse:hi\x81\xa8identity\xc4\x02\x01\x02")).await;
    assert_eq!(peer.next().await, Got::Binary(b"\x93\xae~wse:challenge\xc4\x02\x01\x02\xc0".to_vec()));
    peer.write(&frame(Opcode::Binary, b"\x92\xae~wse:challenge\xc4\x01\x00")).await;
    assert_eq!(peer.closed().await, (1000, "wse.not-authorized".into()));
}

#[tokio::test(start_paused = true)]
async fn binary_data_crosses_as_binary() {
    let blob = Bytes((0..=255).cycle().take(1000).collect());
    let server = messaging(|builder| {
        builder
            .on(BLOB, async |conn: Conn, blob| {
                conn.send(BLOB, blob)?;
                Ok(())
            })
            .on("any", async |conn: Conn, any: Payload<'static>| {
                conn.send("any", any)?;
                Ok(())
            })
            .register(REVERSE, async |_, Bytes(mut bytes)| {
                bytes.reverse();
                Ok(Bytes(bytes))
            })
    });
    let (sender, mut heard) = mpsc::unbounded_channel();
    let client = client(&server)
        .on(BLOB, async move |_, blob| {
            sender.send(blob)?;
            Ok(())
        })
        .connect()
        .await
        .unwrap();
    client.send(BLOB, blob.clone()).unwrap();
    assert_eq!(heard.recv().await.unwrap(), blob);
    let reversed = Bytes(blob.0.iter().rev().copied().collect());
    assert_eq!(client.call(REVERSE, blob).await.unwrap(), reversed);

    let mut peer = enter(&server).await;
    peer.write(&frame(Opcode::Binary, b"\x92\xa4blob\xc4\x03\x00\xff\x80")).await;
    assert_eq!(peer.next().await, Got::Binary(b"\x93\xa4blob\xc4\x03\x00\xff\x80\xc0".to_vec()));
    // A handler that passes payloads on keeps what JSON has no form for: a float32, an extension, keys that are numbers.
    for value in [&b"\xca\x3f\x80\x00\x00"[..], b"\xd4\x05\x07", b"\x82\x01\x02\xc0\x03"] {
        peer.write(&frame(Opcode::Binary, &[b"\x92\xa3any", value].concat())).await;
        assert_eq!(peer.next().await, Got::Binary([b"\x93\xa3any", value, b"\xc0"].concat()));
    }
    let mut messaging = wse_test_peers::enter_messaging(&server, "json").await;
    server.broadcast(BLOB, Bytes(vec![0, 255])).unwrap();
    assert_eq!(peer.next().await, Got::Binary(b"\x93\xa4blob\xc4\x02\x00\xff\xc0".to_vec()));
    assert_eq!(messaging.text().await, r#"{"name":"blob","args":[0,255]}"#, "JSON has no bytes: a list, spread");
}

#[tokio::test(start_paused = true)]
async fn structs_are_maps_and_short_envelopes_are_taken() {
    #[derive(Serialize)]
    struct Point {
        x: u8,
    }
    let log = log();
    let here = log.clone();
    let server = messaging(|builder| {
        builder.on("m", async move |_: Conn, what: Option<u8>| {
            here.add(format!("{what:?}"));
            Ok(())
        })
    });
    let mut peer = enter(&server).await;
    for bytes in
        [&b"\x91\xa1m"[..], b"\x92\xa1m\x07", b"\x93\xa1m\x07\xc0", b"\x93\xa1m\x07\xa0", b"\xdc\x00\x01\xd9\x01m"]
    {
        peer.write(&frame(Opcode::Binary, bytes)).await;
    }
    wse_test_peers::settle().await;
    assert_eq!(log.take(), ["None", "Some(7)", "Some(7)", "Some(7)", "None"]);
    server.broadcast("p", Point { x: 1 }).unwrap();
    assert_eq!(peer.next().await, Got::Binary(b"\x93\xa1p\x81\xa1x\x01\xc0".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_frame_of_it_is_a_protocol_error_and_nobody_else_notices() {
    let (when, mut events) = events();
    let server = messaging(|builder| builder.when(when));
    let mut bystander = enter(&server).await;
    events.take(2).await;
    let deep = |depth: usize| [b"\x92\xa1m".to_vec(), vec![0x91; depth], vec![0xc0]].concat();
    let mut bad: Vec<(Opcode, Vec<u8>)> = [
        &b""[..],
        b"\xc1",
        b"\x90",
        b"\x94\xa1m\xc0\xc0\xc0",
        b"\x91\xa1m\x00",
        b"\x92\xa1m",
        b"\x91\x01",
        b"\x91\xa0",
        b"\x91\xc4\x01m",
        b"\x91\xa1\xff",
        b"\x93\xa1m\xc0\x01",
        b"\x81\xa1m\xc0",
        b"\xdd\xff\xff\xff\xff\xa1m",
        b"\x92\xa1m\xdd\xff\xff\xff\xff",
        b"\x92\xa1m\xdf\x7f\xff\xff\xff",
        b"\x92\xa1m\xc6\xff\xff\xff\xff",
        b"\x92\xa1m\xdb\xff\xff\xff\xff",
        b"\x92\xa1m\xc9\xff\xff\xff\xff\x01",
    ]
    .iter()
    .map(|bytes| (Opcode::Binary, bytes.to_vec()))
    .collect();
    bad.push((Opcode::Binary, deep(128)));
    bad.push((Opcode::Binary, deep(100_000)));
    bad.push((Opcode::Text, br#"["m",1,null]"#.to_vec()));
    bad.push((Opcode::Text, b"\x91\x01".to_vec().into_iter().filter(u8::is_ascii).collect()));
    bad.push((Opcode::Binary, pack(&json!(["~wse:hi", {"identity": "x"}, null]))));
    for (opcode, bytes) in bad {
        let (mut peer, ended) = attach_to(&server, "wse-msgpack");
        peer.pack(json!(["~wse:hi", {"identity": "ann"}])).await;
        peer.unpack().await;
        peer.write(&frame(opcode, &bytes)).await;
        let shown = &bytes[..bytes.len().min(20)];
        assert_eq!(peer.closed().await, (1000, "wse.protocol-error".into()), "{shown:x?}");
        assert_eq!(end(ended).await, "1000 wse.protocol-error", "{shown:x?}");
        assert_eq!(events.take(4).await[3], "left ann 1000 wse.protocol-error");
    }
    let mut peer = enter(&server).await;
    assert_eq!(bystander.closed().await.1, "wse.clients-concurrency");
    events.take(2).await;
    peer.write(&frame(Opcode::Binary, &deep(127))).await;
    let event = events.next().await;
    assert!(event.starts_with("ignored raw m [[["), "as deep as allowed: {event}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_hi_is_a_protocol_error_too() {
    let server = messaging(|builder| builder);
    for bytes in [&b"\x91\xa1m"[..], b"\xc1", b"\x92\xa7~wse:hi\xc0", b"\x92\xa7~wse:hi\xdf\xff\xff\xff\xff", b"\x80"] {
        let (mut peer, _) = attach_to(&server, "wse-msgpack");
        peer.write(&frame(Opcode::Binary, bytes)).await;
        assert!(broke_protocol(&peer.closed().await), "{bytes:x?}");
    }
    let (mut peer, _) = attach_to(&server, "wse-msgpack");
    peer.hi(json!("ann"), json!({})).await;
    assert!(broke_protocol(&peer.closed().await), "text");
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_has_no_form_is_an_error_of_its_sender() {
    let server = messaging(|builder| builder);
    let _peer = enter(&server).await;
    let client = client(&server).connect().await.unwrap();
    let nested = (0..200).fold(json!([]), |inner, _| json!([inner]));
    assert!(client.send("m", &nested).is_err());
    assert!(server.broadcast("m", &nested).is_err());
    let keyed_by_pairs = std::collections::HashMap::from([((1, 2), 3)]);
    client.send("m", &keyed_by_pairs).unwrap();
    assert!(Payload::encode(Format::Json, &keyed_by_pairs).is_err());
    client.call::<_, Value>("missing", 1).await.unwrap_err();
}
