//! Every wire over nodes: devices that speak what their node has and another has not, and payloads that some wires
//! cannot carry.

use crate::nodes::{Node, READY, limits, node_with};
use http::Request;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use tokio::time::sleep;
use wse::{
    CallError, Conn, Protocol, ServerBuilder, WsMessaging,
    codec::{CustomCodec, EncodeError, Envelope, Format, Payload, ProtocolError},
};
use wse_test::Bus;
use wse_test_peers::{Got, PIPE, RawClient, attach_to, attach_with, enter, enter_messaging, offering, settle, unpack};

/// A wire of the application: the type, the stamp and the payload in lines.
struct Lines;

impl CustomCodec for Lines {
    fn name(&self) -> &str {
        "lines"
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
        let mut lines = text.splitn(3, '\n');
        let (Some(name), Some(stamp), Some(payload)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(ProtocolError::new("no three lines"));
        };
        Ok(Envelope { name: name.into(), payload: Payload::json(payload)?, stamp: Some(stamp.into()) })
    }
}

fn all_wires() -> [Protocol; 4] {
    [Protocol::Wse, Protocol::WseMsgpack, WsMessaging::new().into(), Protocol::custom(Lines)]
}

/// One that speaks only the first wire, and one that speaks all.
async fn poor_and_rich(bus: &Bus, configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> [Node; 2] {
    let poor = node_with(bus.node("poor"), "poor", |builder| builder.limits(limits(9)));
    let rich = |builder: ServerBuilder| configure(builder.limits(limits(9)).protocols(all_wires()));
    let rich = node_with(bus.node("rich"), "rich", rich);
    sleep(READY).await;
    assert_eq!(poor.names().len(), 2);
    [poor, rich]
}

struct Devices {
    json: RawClient,
    msgpack: RawClient,
    messaging: RawClient,
    lines: RawClient,
}

async fn devices(node: &Node) -> Devices {
    let json = attach_with(&node.server, PIPE, Request::new(())).0;
    let (mut msgpack, _) = attach_to(&node.server, "wse-msgpack");
    msgpack.pack(json!(["~wse:hi", {"identity": "bob"}])).await;
    assert_eq!(msgpack.unpack().await[0], "~wse:welcome");
    let mut lines = attach_with(&node.server, PIPE, offering("lines")).0;
    lines.send("~wse:hi\n\n{\"identity\":\"bob\"}").await;
    assert!(lines.text().await.starts_with("~wse:welcome"));
    let mut devices = Devices { json, msgpack, messaging: enter_messaging(&node.server, "bob").await, lines };
    devices.json.enter("bob").await;
    settle().await;
    devices
}

#[tokio::test(start_paused = true)]
async fn devices_of_every_wire_get_what_a_node_sends_that_has_only_one_of_them() {
    let bus = Bus::new();
    let [poor, rich] = poor_and_rich(&bus, |builder| builder).await;
    let mut to = devices(&rich).await;
    for from in [&poor, &rich] {
        assert_eq!(from.server.user("bob").send("say", (1, "x")).unwrap().total(), 4);
        assert_eq!(to.json.json().await, json!(["say", [1, "x"], null]));
        assert_eq!(to.msgpack.unpack().await, json!(["say", [1, "x"], null]));
        assert_eq!(to.messaging.json().await, json!({"name": "say", "args": [1, "x"]}));
        assert_eq!(to.lines.text().await, "say\n\n[1,\"x\"]");
    }
    // And the other way round.
    let mut ann = enter(&poor.server, "ann").await;
    settle().await;
    assert_eq!(rich.server.broadcast("say", 7).unwrap().elsewhere, 1);
    assert_eq!(ann.json().await, json!(["say", 7, null]));
}

#[tokio::test(start_paused = true)]
async fn calls_and_errors_are_translated_for_the_wire_of_the_device_and_back() {
    let bus = Bus::new();
    let [poor, rich] = poor_and_rich(&bus, |builder| builder).await;
    let mut to = devices(&rich).await;
    let asking = tokio::spawn(poor.server.user("bob").ask::<_, Value>("add", (1, 2)).all());
    let call = to.json.json().await;
    to.json.send(&json!(["~wse:response", "json", call[2]]).to_string()).await;
    let call = to.msgpack.unpack().await;
    assert_eq!(call[1], json!([1, 2]));
    to.msgpack.pack(json!(["~wse:response", {"of": "msgpack"}, call[2]])).await;
    let call = to.messaging.json().await;
    assert_eq!((&call["name"], &call["args"]), (&json!("add"), &json!([1, 2])));
    to.messaging.send(&json!({"id": call["id"], "error": {"code": "no", "message": "messaging"}}).to_string()).await;
    let call = to.lines.text().await;
    let stamp = call.lines().nth(1).expect("a stamp");
    to.lines.send(&format!("~wse:response\n{stamp}\n[3]")).await;
    let mut answers: Vec<String> = asking
        .await
        .unwrap()
        .into_iter()
        .map(|(_, answer)| match answer {
            Ok(result) => result.to_string(),
            Err(CallError::Failed(error)) => format!("{:?}", error.decode_details::<Value>().unwrap()),
            Err(other) => panic!("{other:?}"),
        })
        .collect();
    answers.sort();
    assert_eq!(answers.len(), 4);
    assert_eq!((&*answers[0], &*answers[2], &*answers[3]), (r#""json""#, "[3]", r#"{"of":"msgpack"}"#));
    assert!(answers[1].contains("messaging"), "{answers:?}");
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_told_on_its_wire_is_left_out_and_its_node_says_so() {
    let bus = Bus::new();
    let [poor, mut rich] = poor_and_rich(&bus, |builder| builder).await;
    let mut to = devices(&rich).await;
    rich.told();
    poor.server.broadcast("unspeakable", 1).unwrap();
    assert_eq!(to.json.json().await[0], "unspeakable");
    assert_eq!(to.messaging.json().await["name"], "unspeakable");
    to.lines.hears_nothing().await;
    let told = rich.told();
    assert!(told.iter().any(|line| line.contains("unspeakable")), "{told:?}");
    // A name that only ws-messaging has taken.
    poor.server.broadcast("retry", 1).unwrap();
    assert_eq!(to.json.json().await[0], "retry");
    to.messaging.hears_nothing().await;
    // What only MessagePack can say, from a node that has it and from one that has not.
    let keyed: HashMap<(u8, u8), u8> = [((1, 2), 3)].into();
    to.msgpack.unpack().await;
    to.msgpack.unpack().await;
    assert_eq!(poor.server.user("bob").send("keyed", &keyed).unwrap().elsewhere, 4);
    let Got::Binary(frame) = to.msgpack.next().await else { panic!("a message") };
    assert!(frame.windows(5).any(|bytes| bytes == [0x81, 0x92, 1, 2, 3]), "{frame:?}");
    to.json.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn the_hook_sees_payloads_in_the_format_of_each_device() {
    let (bus, seen) = (Bus::new(), Arc::new(Mutex::new(Vec::new())));
    let hook = {
        let seen = seen.clone();
        move |conn: &Conn, envelope: &Envelope<'_>| {
            let payload: Value = envelope.payload.decode()?;
            let format = matches!(envelope.payload.format(), Format::MessagePack);
            seen.lock().unwrap().push((conn.protocol().to_owned(), format, payload));
            Ok(())
        }
    };
    let [poor, rich] = poor_and_rich(&bus, |builder| builder.on_send(hook)).await;
    let mut to = devices(&rich).await;
    poor.server.user("bob").send("m", [5]).unwrap();
    assert_eq!(
        unpack(&match to.msgpack.next().await {
            Got::Binary(frame) => frame,
            other => panic!("{other:?}"),
        })[1],
        json!([5])
    );
    assert_eq!(to.messaging.json().await["args"], json!([5]));
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_by_key(|(protocol, ..)| protocol.clone());
    let formats: Vec<_> = seen.iter().map(|(protocol, format, _)| (protocol.as_str(), *format)).collect();
    let expected = [("lines", false), ("ws-messaging", false), ("wse-default-json", false), ("wse-msgpack", true)];
    let mut expected = expected.to_vec();
    expected.sort();
    let mut formats = formats;
    formats.sort();
    assert_eq!(formats, expected);
    assert!(seen.iter().all(|(.., payload)| *payload == json!([5])), "{seen:?}");
}
