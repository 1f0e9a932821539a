//! Devices of every wire on one server: the same handlers, and messages to many of them. What one
//! cannot be told, the others are.

use serde_json::{Value, json};
use wse::{Conn, Limits, SendError, Server, ServerBuilder, codec::Payload};
use wse_frame::Opcode;
use wse_test_peers::{Got, RawClient, attach_to, events, frame, log, messaging, settle};

/// A device of one of the wires.
struct Device {
    peer: RawClient,
    /// Of `ws-messaging`.
    messaging: bool,
    packed: bool,
}

impl Device {
    async fn enter(server: &Server, name: &str, messaging: bool, packed: bool) -> Self {
        let protocol = match (messaging, packed) {
            (true, _) => "ws-messaging",
            (false, true) => "wse-msgpack",
            (false, false) => "wse-default-json",
        };
        let (peer, _) = attach_to(server, protocol);
        let mut device = Device { peer, messaging, packed };
        let hi = if messaging { json!(name) } else { json!(["~wse:hi", {"identity": name, "meta": {}}, null]) };
        device.send(hi).await;
        let welcome =
            if messaging { json!({"name": "connect", "args": [null]}) } else { json!(["~wse:welcome", null, null]) };
        assert_eq!(device.next().await, welcome);
        device
    }

    async fn send(&mut self, value: Value) {
        if self.packed { self.peer.pack(value).await } else { self.peer.send(&value.to_string()).await }
    }

    async fn next(&mut self) -> Value {
        if self.packed { self.peer.unpack().await } else { self.peer.json().await }
    }

    /// Sends a message, with its arguments as `ws-messaging` has them.
    async fn say(&mut self, name: &str, payload: &Value) {
        let frame =
            if self.messaging { json!({"name": name, "args": args(payload)}) } else { json!([name, payload, null]) };
        self.send(frame).await;
    }

    async fn hears(&mut self, name: &str, payload: &Value) {
        let frame =
            if self.messaging { json!({"name": name, "args": args(payload)}) } else { json!([name, payload, null]) };
        assert_eq!(self.next().await, frame);
    }
}

/// A payload as a list of arguments.
fn args(payload: &Value) -> Value {
    if payload.is_array() { payload.clone() } else { json!([payload]) }
}

/// A server, and a device of every wire of the user `ann`.
async fn four(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (Server, Vec<Device>) {
    let limits = Limits { conns_per_user: 4, ..Limits::default() };
    let server = messaging(|builder| configure(builder.limits(limits)));
    let mut devices = Vec::new();
    for (messaging, packed) in [(false, false), (false, true), (true, false), (true, true)] {
        devices.push(Device::enter(&server, "ann", messaging, packed).await);
    }
    (server, devices)
}

/// A payload of every shape that no wire changes.
fn payloads() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(-5),
        json!(u64::MAX),
        json!(1.5),
        json!("text \"quoted\" ünï"),
        json!([]),
        json!([1, "two", null]),
        json!([[1, 2]]),
        json!([[]]),
        json!({}),
        json!({"a": [{"b": null}], "c": {"d": "e"}}),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_to_many_reaches_each_in_its_own_form() {
    let (server, mut devices) = four(|builder| builder).await;
    let mut other = Device::enter(&server, "bob", true, false).await;
    for payload in payloads() {
        assert_eq!(server.user("ann").send("m", &payload).unwrap().here, 4);
        assert_eq!(server.broadcast("all", &payload).unwrap().here, 5);
        assert_eq!(server.everyone().except_user("bob").send("most", &payload).unwrap().here, 4);
        let encoded = server.encode("once", &payload).unwrap();
        assert_eq!(server.user("ann").send_encoded(&encoded).here, 4);
        server.user("ann").conns()[3].send_encoded(&encoded).unwrap();
        for device in &mut devices {
            for name in ["m", "all", "most", "once"] {
                device.hears(name, &payload).await;
            }
        }
        devices[3].hears("once", &payload).await;
        other.hears("all", &payload).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_a_handler_passes_on_arrives_unchanged_everywhere() {
    let pass = async |conn: Conn, what: Payload<'static>| {
        conn.server().broadcast("passed", &what)?;
        Ok(conn.user().send("again", what).map(drop)?)
    };
    let (_server, mut devices) = four(|builder| builder.on("pass", pass)).await;
    for payload in payloads() {
        for from in 0..4 {
            devices[from].say("pass", &payload).await;
            for device in &mut devices {
                device.hears("passed", &payload).await;
                device.hears("again", &payload).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn json_that_is_passed_on_as_json_keeps_every_byte() {
    let pass = async |conn: Conn, what: Payload<'static>| Ok(conn.server().broadcast("passed", what).map(drop)?);
    let limits = Limits { conns_per_user: 4, ..Limits::default() };
    let server = messaging(|builder| builder.limits(limits).on("pass", pass));
    let mut wse = Device::enter(&server, "ann", false, false).await;
    let mut messaging = Device::enter(&server, "ann", true, false).await;
    for text in ["1.50", "1E2", r#"{"b": 1,"a":"\u0061"}"#, "123456789012345678901234567890", "1e400"] {
        wse.peer.send(&format!(r#"["pass",{text},null]"#)).await;
        messaging.peer.send(&format!(r#"{{"name":"pass","args":[{text}]}}"#)).await;
        for _ in 0..2 {
            assert_eq!(wse.peer.text().await, format!(r#"["passed",{text},null]"#));
            assert_eq!(messaging.peer.text().await, format!(r#"{{"name":"passed","args":[{text}]}}"#));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_stay_bytes_in_messagepack_and_are_lists_in_json() {
    let pass = async |conn: Conn, what: Payload<'static>| Ok(conn.server().broadcast("passed", what).map(drop)?);
    let (_server, mut devices) = four(|builder| builder.on("pass", pass)).await;
    for frame_of_pass in
        [&b"\x92\xa4pass\x81\xa1b\xc4\x02\x00\xff"[..], b"\x82\xa4name\xa4pass\xa4args\x91\x81\xa1b\xc4\x02\x00\xff"]
    {
        let from = usize::from(frame_of_pass[0] == 0x82) * 2 + 1;
        devices[from].peer.write(&frame(Opcode::Binary, frame_of_pass)).await;
        assert_eq!(devices[0].peer.text().await, r#"["passed",{"b":[0,255]},null]"#);
        assert_eq!(devices[1].peer.next().await, Got::Binary(b"\x93\xa6passed\x81\xa1b\xc4\x02\x00\xff\xc0".to_vec()));
        assert_eq!(devices[2].peer.text().await, r#"{"name":"passed","args":[{"b":[0,255]}]}"#);
        let passed = b"\x82\xa4name\xa6passed\xa4args\x91\x81\xa1b\xc4\x02\x00\xff".to_vec();
        assert_eq!(devices[3].peer.next().await, Got::Binary(passed));
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_no_form_for_some_of_them_reaches_the_others_and_is_told_once() {
    let (when, mut events) = events();
    let counts = log();
    let counting = counts.clone();
    let pass = async move |conn: Conn, what: Payload<'static>| {
        counting.add(conn.server().broadcast("passed", &what)?.here);
        let encoded = conn.server().encode("encoded", what)?;
        counting.add(conn.user().send_encoded(&encoded).here);
        Ok(())
    };
    let (server, mut devices) = four(|builder| builder.when(when).on("pass", pass)).await;
    let _second = Device::enter(&server, "bob", false, true).await;
    events.take(7).await;
    // A map whose key is a list has no form in JSON.
    devices[1].peer.write(&frame(Opcode::Binary, b"\x92\xa4pass\x81\x91\x01\x02")).await;
    let packed = [
        &b"\x93\xa6passed\x81\x91\x01\x02\xc0"[..],
        b"\x93\xa7encoded\x81\x91\x01\x02\xc0",
        b"\x82\xa4name\xa6passed\xa4args\x91\x81\x91\x01\x02",
        b"\x82\xa4name\xa7encoded\xa4args\x91\x81\x91\x01\x02",
    ];
    for (device, frames) in [(1, &packed[..2]), (3, &packed[2..])] {
        for bytes in frames {
            assert_eq!(devices[device].peer.next().await, Got::Binary(bytes.to_vec()));
        }
    }
    // A number that no double holds has none in MessagePack.
    devices[0].peer.send(r#"["pass",1e400,null]"#).await;
    for name in ["passed", "encoded"] {
        assert_eq!(devices[0].peer.text().await, format!(r#"["{name}",1e400,null]"#));
        assert_eq!(devices[2].peer.text().await, format!(r#"{{"name":"{name}","args":[1e400]}}"#));
    }
    assert_eq!(counts.take(), ["3", "2", "2", "2"], "those that got it, of five and of four");
    for event in events.take(4).await {
        let told = event.starts_with("error nobody wse.client.rp.invalid wse.client.rp.invalid: ");
        assert!(told || event.starts_with("error nobody wse.client.rp.invalid "), "{event}");
    }
    // A name that is none on any of the wires.
    assert!(matches!(server.broadcast("~wse:hi", 1), Err(SendError::Encode(_))));
    assert!(matches!(server.encode("", 1), Err(SendError::Encode(_))));
    for device in &mut devices {
        device.peer.hears_nothing().await;
    }
    assert!(events.so_far().is_empty(), "once a message, not once a device");
    assert_eq!(server.conn_count(), 5);
}

#[tokio::test(start_paused = true)]
async fn half_an_emoji_reaches_devices_of_messagepack_as_the_replacement_character() {
    let pass = async |conn: Conn, what: Payload<'static>| Ok(conn.server().broadcast("passed", what).map(drop)?);
    let (_server, mut devices) = four(|builder| builder.on("pass", pass)).await;
    devices[0].peer.send(r#"["pass",{"\ud83d":"a\ude00"},null]"#).await;
    assert_eq!(devices[0].peer.text().await, r#"["passed",{"\ud83d":"a\ude00"},null]"#);
    assert_eq!(devices[2].peer.text().await, r#"{"name":"passed","args":[{"\ud83d":"a\ude00"}]}"#);
    for device in [1, 3] {
        devices[device].hears("passed", &json!({"\u{fffd}": "a\u{fffd}"})).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_big_on_one_wire_only_reaches_the_others() {
    let (when, mut events) = events();
    let limits = Limits { queue_bytes: 1000, conns_per_user: 4, ..Limits::default() };
    let (server, mut devices) = four(|builder| builder.limits(limits).when(when)).await;
    events.take(5).await;
    // 600 bytes: as much in MessagePack, more than a queue as numbers of JSON.
    let bytes = [&[0xc5, 2, 88][..], &[255; 600]].concat();
    let payload = Payload::msgpack(&bytes).unwrap();
    assert_eq!(server.broadcast("bytes", &payload).unwrap().here, 2);
    for device in [1, 3] {
        assert!(matches!(devices[device].peer.next().await, Got::Binary(frame) if frame.len() > 600));
    }
    let event = events.next().await;
    assert!(event.starts_with("error nobody wse.client.rp.invalid") && event.contains("larger than the send queue"));
    for device in [0, 2] {
        devices[device].peer.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_device_calls_and_is_called_in_its_own_form() {
    let (server, mut devices) = four(|builder| {
        builder
            .register("add", async |_, (a, b): (i64, i64)| Ok(a + b))
            .register("echo", async |_, what: Payload<'static>| Ok(what))
    })
    .await;
    let conns = server.user("ann").conns();
    for (device, conn) in devices.iter_mut().zip(conns) {
        let calling = tokio::spawn({
            let conn = conn.clone();
            async move { conn.call::<_, Value>("its", ("a", 1)).await }
        });
        let call = device.next().await;
        let answer = if device.messaging {
            assert_eq!(call, json!({"name": "its", "args": ["a", 1], "id": 1}));
            device.send(json!({"name": "add", "args": [2, 3], "id": 9})).await;
            assert_eq!(device.next().await, json!({"id": 9, "result": 5}));
            device.send(json!({"name": "echo", "args": [[1]], "id": 10})).await;
            assert_eq!(device.next().await, json!({"id": 10, "result": [[1]]}), "arguments, not an argument");
            json!({"id": 1, "result": [true]})
        } else {
            assert_eq!((&call[0], &call[1]), (&json!("its"), &json!(["a", 1])));
            device.send(json!(["add", [2, 3], "s"])).await;
            assert_eq!(device.next().await, json!(["~wse:response", 5, "s"]));
            json!(["~wse:response", [true], call[2]])
        };
        device.send(answer).await;
        assert_eq!(calling.await.unwrap().unwrap(), json!([true]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_messaging_device_is_answered_in_the_format_of_its_first_frame_for_good() {
    let (server, mut devices) = four(|builder| builder).await;
    let packed = &mut devices[3];
    packed.peer.emit("text", json!([1])).await;
    assert_eq!(packed.peer.unpack().await["name"], "preprocessingError");
    packed.peer.write(&frame(Opcode::Binary, b"\xc1")).await;
    assert_eq!(packed.peer.unpack().await["name"], "preprocessingError");
    packed.send(json!({"name": "ping", "args": [], "id": 1})).await;
    assert_eq!(packed.next().await, json!({"id": 1, "result": null}));
    packed.send(json!({"name": "missing", "args": [], "id": 2})).await;
    assert_eq!(packed.next().await, json!({"id": 2, "error": "NoProcedureError"}));
    settle().await;
    assert_eq!(server.conn_count(), 4);
    // Its pings are in that format too.
    let mut pinged = Device::enter(&server, "bob", true, true).await;
    assert_eq!(pinged.next().await, json!({"name": "ping", "args": [], "id": 1}));
}
