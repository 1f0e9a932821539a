//! Messages as bytes: carried from one server to another, and what comes in their place.

use proptest::prelude::*;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wse::{Encoded, Limits, Protocol, SendError, Server, WsMessaging, codec::Payload};
use wse_test_peers::{RawClient, attach_to, enter, enter_messaging, log, messaging, server};

fn packed(protocols: impl IntoIterator<Item = Protocol>) -> Server {
    server(|builder| builder.protocols(protocols))
}

async fn packer(server: &Server, name: &str) -> RawClient {
    let (mut peer, _) = attach_to(server, "wse-msgpack");
    peer.pack(json!(["~wse:hi", {"identity": name}])).await;
    peer.unpack().await;
    peer
}

fn bytes(name: &str, payload: Value) -> Vec<u8> {
    server(|builder| builder).encode(name, payload).expect("it encodes").to_bytes().expect("it has bytes")
}

#[tokio::test(start_paused = true)]
async fn a_message_is_carried_to_another_server_and_reaches_the_devices_of_every_wire_there() {
    let elsewhere = messaging(|builder| builder);
    let (mut plain, _) = attach_to(&elsewhere, "wse-default-json");
    plain.enter("ann").await;
    let (mut packer, mut sitter) = (packer(&elsewhere, "bob").await, enter_messaging(&elsewhere, "cat").await);
    let payload = json!({"text": "häß", "n": [1, 2.5, null]});
    for from in [
        packed([Protocol::Wse]),
        packed([Protocol::WseMsgpack]),
        packed([Protocol::Wse, Protocol::WseMsgpack]),
        messaging(|builder| builder),
    ] {
        let carried = from.encode("news", &payload).unwrap().to_bytes().unwrap();
        let message = Encoded::from_bytes(&elsewhere, &carried).unwrap();
        assert_eq!(elsewhere.everyone().send_encoded(&message).here, 3);
        elsewhere.user("ann").conns()[0].send_encoded(&message).unwrap();
        for _ in 0..2 {
            assert_eq!(plain.json().await, json!(["news", payload, null]));
        }
        assert_eq!(packer.unpack().await, json!(["news", payload, null]));
        assert_eq!(sitter.json().await, json!({"name": "news", "args": [payload]}));
        let again = message.to_bytes().unwrap();
        assert!(Encoded::from_bytes(&elsewhere, &again).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn binary_data_stays_binary_where_the_sender_knew_a_wire_for_it() {
    let mut data = vec![0x92, 0xa1];
    data.extend(b"m\xc4\x03\x00\xff\x01");
    let payload = Payload::msgpack(&data[3..]).unwrap();
    let from = packed([Protocol::Wse, Protocol::WseMsgpack]);
    let to = packed([Protocol::WseMsgpack]);
    let mut peer = packer(&to, "ann").await;
    let carried = from.encode("m", &payload).unwrap().to_bytes().unwrap();
    to.everyone().send_encoded(&Encoded::from_bytes(&to, &carried).unwrap());
    let wse_test_peers::Got::Binary(frame) = peer.next().await else { panic!("a binary frame") };
    assert!(frame.windows(5).any(|window| window == b"\xc4\x03\x00\xff\x01"), "{frame:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hook_sees_a_carried_message_and_a_reserved_name_stays_no_matter_of_the_other_wires() {
    let log = log();
    let seen = log.clone();
    let server = messaging(|builder| {
        builder.on_send(move |conn, envelope| {
            seen.add(format!("{} {} {}", conn.cid(), envelope.name, envelope.payload.decode::<Value>()?));
            Ok(())
        })
    });
    let (mut plain, _) = attach_to(&server, "wse-default-json");
    plain.enter("ann").await;
    let mut packer = packer(&server, "bob").await;
    let mut sitter = enter_messaging(&server, "cat").await;
    let message = Encoded::from_bytes(&server, &bytes("error", json!([1]))).unwrap();
    assert_eq!(server.everyone().send_encoded(&message).here, 2);
    assert!(matches!(server.user("cat").conns()[0].send_encoded(&message), Err(SendError::Encode(_))));
    let mut lines = log.take();
    lines.sort();
    assert_eq!(lines, ["ann error [1]", "bob error [1]"]);
    assert_eq!(plain.text().await, r#"["error",[1],null]"#);
    assert_eq!(packer.unpack().await, json!(["error", [1], null]));
    sitter.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_name_that_no_wire_of_the_sender_has_a_place_for_is_carried_to_a_server_that_has_one() {
    let from = packed([WsMessaging::new().into()]);
    let to = server(|builder| builder);
    let mut peer = enter(&to, "ann").await;
    let message = from.encode("error", json!([1])).unwrap();
    assert_eq!(from.everyone().send_encoded(&message).here, 0);
    let carried = message.to_bytes().unwrap();
    assert_eq!(to.everyone().send_encoded(&Encoded::from_bytes(&to, &carried).unwrap()).here, 1);
    assert_eq!(peer.text().await, r#"["error",[1],null]"#);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_of_an_application_is_an_error() {
    let limits = Limits { queue_bytes: 1000, ..Limits::default() };
    let server = server(|builder| builder.limits(limits));
    let _peer = enter(&server, "ann").await;
    let from = |bytes: &[u8]| Encoded::from_bytes(&server, bytes).map(drop).map_err(|error| error.to_string());
    let nested = |depth: usize| format!("\x01[\"m\",{}{},null]", "[".repeat(depth), "]".repeat(depth));
    for (bad, why) in [
        (&b""[..], "version"),
        (b"\x00[\"m\",1,null]", "version"),
        (b"\x03[\"m\",1,null]", "version"),
        (b"[\"m\",1,null]", "version"),
        (b"\x01", "error at"),
        (b"\x01[\"m\",1,null] x", "error at"),
        (b"\x01[\"m\",1,\"stamp\"]", "application"),
        (b"\x01[\"~wse:welcome\",1,null]", "application"),
        (b"\x01[\"\",1,null]", "empty"),
        (b"\x01[7,1,null]", "error at"),
        (b"\x01[\"\xff\",1,null]", "UTF-8"),
        (b"\x01\x93\xa1m\x01\xc0", "UTF-8"),
        (b"\x02[\"m\",1,null]", ""),
        (b"\x02\x92\xa1m\xdd\xff\xff\xff\xff", "announced"),
        (b"\x02\x92\xa1m\xc6\xff\xff\xff\xff", ""),
        (b"\x02\xdd\xff\xff\xff\xff", ""),
        (nested(200).as_bytes(), "nested deeper"),
        (&[b"\x01[\"m\",\"", &b"x".repeat(990)[..], b"\",null]"].concat(), "larger than a queue"),
        (&[b"\x02", &b"\x91".repeat(999)[..]].concat(), "nested deeper"),
    ] {
        let error = from(bad).unwrap_err();
        assert!(error.contains(why), "{:?}: {error}", String::from_utf8_lossy(bad));
    }
    let (good, fits) = (nested(120), [b"\x01[\"m\",\"", &b"x".repeat(970)[..], b"\",null]"].concat());
    assert!(from(good.as_bytes()).is_ok() && from(&fits).is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_was_carried_and_fits_into_no_queue_reaches_no_device_and_harms_none() {
    let server = server(|builder| builder.limits(Limits { queue_bytes: 1000, ..Limits::default() }));
    let mut peer = enter(&server, "ann").await;
    // As MessagePack it is short enough; as JSON each of the numbers is longer.
    let numbers = Payload::encode(wse::codec::Format::MessagePack, &vec![0.125_f32; 190]).unwrap();
    let from = packed([Protocol::WseMsgpack]);
    let carried = from.encode("m", &numbers).unwrap().to_bytes().unwrap();
    assert!(carried.len() < 1000, "{}", carried.len());
    let message = Encoded::from_bytes(&server, &carried).unwrap();
    let conn = server.user("ann").conns().remove(0);
    assert!(matches!(conn.send_encoded(&message), Err(SendError::TooBig(size)) if size > 1000));
    assert_eq!(server.everyone().send_encoded(&message).total(), 0);
    conn.send("m", "small").unwrap();
    assert_eq!(peer.text().await, r#"["m","small",null]"#);
}

/// Counts how often it is serialized.
struct Counting(AtomicUsize);

impl Serialize for Counting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.fetch_add(1, Relaxed) as u64)
    }
}

#[tokio::test(start_paused = true)]
async fn a_payload_is_serialized_once_for_each_codec_that_a_receiver_speaks_and_once_a_format_to_be_kept() {
    let server = messaging(|builder| builder.limits(Limits { conns_per_user: 3, ..Limits::default() }));
    let mut peers = Vec::new();
    for _ in 0..3 {
        let (mut peer, _) = attach_to(&server, "wse-default-json");
        peer.enter("ann").await;
        peers.push(peer);
    }
    let payload = Counting(AtomicUsize::new(0));
    assert_eq!(server.broadcast("m", &payload).unwrap().here, 3);
    assert_eq!(payload.0.swap(0, Relaxed), 1, "no other wire is spoken");
    peers.push(enter_messaging(&server, "ann").await); // in the place of the oldest
    peers.push(packer(&server, "bob").await);
    assert_eq!(server.broadcast("m", &payload).unwrap().here, 4);
    assert_eq!(payload.0.swap(0, Relaxed), 3);
    let message = server.encode("m", &payload).unwrap();
    assert_eq!(server.everyone().send_encoded(&message).here, 4);
    message.to_bytes().unwrap();
    assert_eq!(payload.0.swap(0, Relaxed), 2, "as JSON and as MessagePack");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn garbage_in_the_place_of_a_message_is_an_error_or_a_message_and_never_a_panic(
        version in 0_u8..4,
        garbage: Vec<u8>,
        place: prop::sample::Index,
        byte: u8,
        packed_too: bool,
    ) {
        let server = messaging(|builder| builder);
        let from = if packed_too { messaging(|builder| builder) } else { packed([Protocol::Wse]) };
        let mut flipped = from.encode("news", json!({"a": [1, "x", -2.5]})).unwrap().to_bytes().unwrap();
        let cut = flipped[..place.index(flipped.len())].to_vec();
        prop_assert!(Encoded::from_bytes(&server, &cut).is_err());
        let place = place.index(flipped.len());
        flipped[place] = byte;
        for bytes in [[&[version][..], &garbage].concat(), flipped] {
            if let Ok(message) = Encoded::from_bytes(&server, &bytes) {
                let again = message.to_bytes().expect("what was read can be written");
                prop_assert!(Encoded::from_bytes(&server, &again).is_ok());
            }
        }
    }
}
