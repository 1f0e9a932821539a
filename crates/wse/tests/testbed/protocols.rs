//! The testbed on several wires: the options that are about them, and devices of all of them that
//! reach each other. It runs the built programs.

use crate::strangers::stranger;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use wse::{CallError, Client, ClientBuilder, ConnectError, Protocol, RpError, WsMessaging};
use wse_test_peers::{
    Events, broke_protocol,
    programs::{Program, Testbed},
    soon,
};

fn protocols() -> [Protocol; 4] {
    [Protocol::Wse, Protocol::WseMsgpack, WsMessaging::new().into(), WsMessaging::new().messagepack().into()]
}

fn builder(testbed: &Testbed, protocol: Protocol, name: &str) -> ClientBuilder {
    // The form in which clients of `ws-messaging` say who they are; the other wires take it too.
    Client::builder(&testbed.url("/")).protocol(protocol).identity(&json!({"identity": name}))
}

async fn enter(testbed: &Testbed, protocol: Protocol, name: &str) -> (Client, Events) {
    let (when, events) = wse_test_peers::events();
    let client = soon(builder(testbed, protocol, name).when(when).connect()).await.expect("it is let in");
    assert_eq!(client.welcome::<Value>().expect("a value"), json!({"hey": "some data"}));
    (client, events)
}

async fn heard(events: &mut Events) -> String {
    soon(events.next_like("ignored")).await
}

#[tokio::test]
async fn protocols_are_all_three_by_default_and_else_those_that_are_named() {
    let all = "wse-default-json,wse-msgpack,ws-messaging";
    for (options, spoken) in [
        (&[][..], all),
        (&["--protocols", all], all),
        (&["--protocols", "ws-messaging"], "ws-messaging"),
        (&["--protocols", "wse-msgpack,wse-default-json"], "wse-msgpack,wse-default-json"),
    ] {
        let testbed = Testbed::start(options).await;
        for protocol in protocols() {
            let speaks = spoken.split(',').any(|name| name == protocol.name());
            match soon(builder(&testbed, protocol.clone(), "user-ann").connect()).await {
                Ok(client) => {
                    assert!(speaks, "{options:?} {protocol:?}");
                    client.close("done").await;
                }
                Err(error) => {
                    assert!(
                        !speaks && matches!(error, ConnectError::UpgradeRefused { status: 400, .. }),
                        "{options:?} {error}"
                    );
                }
            }
        }
        testbed.terminate().await;
    }
}

#[tokio::test]
async fn a_protocol_that_it_does_not_know_is_a_mistake() {
    let (status, lines) =
        Program::start("testbed", &["--port", "0", "--protocols", "wse-default-json,unknown"]).ended().await;
    assert_ne!(status, Some(0));
    assert!(lines.is_empty());
}

#[tokio::test]
async fn messages_and_procedures_are_the_same_on_every_wire() {
    let testbed = Testbed::start(&[]).await;
    for (number, protocol) in protocols().into_iter().enumerate() {
        let (client, mut events) = enter(&testbed, protocol.clone(), &format!("user-{number}")).await;
        client
            .register("fail", async |_, _: Value| -> Result<(), RpError> {
                Err(RpError::new("its-code").message("its text"))
            })
            .unwrap();
        client.register("double", async |_, number: i64| Ok(2 * number)).unwrap();
        assert_eq!(soon(client.call::<_, i64>("add", (2, 3))).await.unwrap(), 5);
        assert_eq!(soon(client.call::<_, i64>("add", json!({"a": 2, "b": 3}))).await.unwrap(), 5);
        assert_eq!(soon(client.call::<_, Value>("obj", ())).await.unwrap(), json!({"ok": true}));
        assert_eq!(soon(client.call::<_, Value>("nil", ())).await.unwrap(), json!(null));
        assert_eq!(soon(client.call::<_, u64>("sleep", 10)).await.unwrap(), 10);
        assert_eq!(soon(client.call::<_, String>("big", 70_000)).await.unwrap().len(), 70_000);
        assert_eq!(soon(client.call::<_, u64>("devices", ())).await.unwrap(), 1);
        assert!(matches!(soon(client.call::<_, Value>("missing", ())).await, Err(CallError::NotRegistered(_))));
        let messaging = protocol.name() == "ws-messaging";
        for (how, code, text) in [
            ("plain", "wse.server.rp.failed", "Error: RPC execution failed"),
            ("coded", "test-err-code", "Error: test-err-code"),
            ("bare", "wse.server.rp.failed", "Error: RPC execution failed"),
            ("panic", "wse.server.rp.failed", "Error: RPC execution failed"),
        ] {
            let Err(CallError::Failed(error)) = soon(client.call::<_, Value>("fail", how)).await else {
                panic!("{how}")
            };
            if messaging {
                assert_eq!(error.decode_details::<String>().unwrap().unwrap(), text, "{how}");
            } else {
                assert_eq!(error.code, code, "{how}");
            }
        }
        for payload in [json!(null), json!([]), json!([[1]]), json!([1, "two"]), json!({"a": [1.5]})] {
            client.send("echo", &payload).unwrap();
            assert_eq!(heard(&mut events).await, format!("ignored echo {payload}"));
        }
        client.send("count", json!({"count": 1})).unwrap();
        assert_eq!(heard(&mut events).await, r#"ignored count {"count":2}"#);
        client.send("hey", ()).unwrap();
        assert_eq!(heard(&mut events).await, "ignored both null");
        assert_eq!(heard(&mut events).await, "ignored only null");
        client.send("call-me", json!({"rp": "double", "payload": 21})).unwrap();
        assert_eq!(heard(&mut events).await, r#"ignored called {"ok":42}"#);
        client.send("call-me", json!({"rp": "fail", "payload": null})).unwrap();
        let called: Value = serde_json::from_str(&heard(&mut events).await["ignored called ".len()..]).unwrap();
        let expected = if messaging { "wse.server.rp.failed" } else { "its-code" };
        assert_eq!(called["err"]["code"], expected, "{called}");
        client.send("who", ()).unwrap();
        let who: Value = serde_json::from_str(&heard(&mut events).await["ignored who ".len()..]).unwrap();
        assert_eq!((&who["cid"], &who["meta"]), (&json!(format!("user-{number}")), &json!({})));
        client.send("drop", json!({"what": "conn", "reason": "BECAUSE"})).unwrap();
        let code = if messaging { 4003 } else { 1000 };
        assert_eq!(soon(events.next_like("closed")).await, format!("closed {code} BECAUSE"));
    }
    testbed.terminate().await;
}

#[tokio::test]
async fn devices_of_every_wire_reach_each_other_by_to_user_and_to_all() {
    let testbed = Testbed::start(&[]).await;
    let mut devices = Vec::new();
    for (number, protocol) in protocols().into_iter().enumerate() {
        devices.push(enter(&testbed, protocol, &format!("user-{number}")).await);
    }
    for payload in
        [json!(null), json!("text"), json!([1, "two", null]), json!([]), json!([[1]]), json!({"a": {"b": [1.5]}})]
    {
        for from in 0..devices.len() {
            for to in 0..devices.len() {
                let what = json!({"cid": format!("user-{to}"), "type": "for-you", "payload": payload});
                devices[from].0.send("to-user", what).unwrap();
                assert_eq!(heard(&mut devices[to].1).await, format!("ignored for-you {payload}"), "{from} to {to}");
            }
            devices[from].0.send("to-all", json!({"type": "for-all", "payload": payload})).unwrap();
            for (_, events) in &mut devices {
                assert_eq!(heard(events).await, format!("ignored for-all {payload}"), "from {from}");
            }
        }
    }
    testbed.terminate().await;
}

#[tokio::test]
async fn the_test_client_speaks_every_protocol_too() {
    let testbed = Testbed::start(&["--conns-per-user", "9"]).await;
    let mut programs = Vec::new();
    for protocol in ["wse-default-json", "wse-msgpack", "ws-messaging"] {
        let url = testbed.url("/");
        let options = ["--url", &url, "--identity", r#"{"identity":"user-ann"}"#, "--protocol", protocol];
        let mut program = Program::start("testclient", &options);
        let answer = program.ask(json!({"id": 1, "do": "connect"})).await;
        assert_eq!(answer, json!({"id": 1, "ok": {"hey": "some data"}}), "{protocol}");
        programs.push(program);
    }
    let all = json!({"id": 2, "do": "send", "type": "to-all", "payload": {"type": "m", "payload": [1, {"a": "b"}]}});
    assert_eq!(programs[2].ask(all).await, json!({"id": 2, "ok": null}));
    for program in &mut programs {
        let message = program.event("message").await;
        assert_eq!(message, json!({"event": "message", "type": "m", "payload": [1, {"a": "b"}]}));
        let sum = program.ask(json!({"id": 3, "do": "call", "rp": "add", "payload": [2, 3]})).await;
        assert_eq!(sum, json!({"id": 3, "ok": 5}));
    }
    testbed.terminate().await;
}

#[tokio::test]
async fn custom_is_the_json_of_the_default_wire_behind_a_word() {
    let testbed = Testbed::start(&["--protocols", "custom,wse-default-json"]).await;
    let mut raw = stranger(&testbed, "testbed-custom").await;
    for (said, heard) in [
        (r#"CUSTOM:["~wse:hi",{"identity":"user-raw"},null]"#, r#"CUSTOM:["~wse:welcome",{"hey":"some data"},null]"#),
        (r#"CUSTOM:["obj",null,"a"]"#, r#"CUSTOM:["~wse:response",{"ok":true},"a"]"#),
        (r#"CUSTOM:["echo",[1]]"#, r#"CUSTOM:["echo",[1],null]"#),
        (r#"CUSTOM:["hey"]"#, r#"CUSTOM:["both",null,null]"#),
    ] {
        raw.send(said).await;
        assert_eq!(soon(raw.text()).await, heard);
    }
    for junk in [r#"["~wse:hi",{"identity":"user-raw"},null]"#, "CUSTOM:", "CUSTOM:[1]", r#"CUSTOM:["~wse:hi",{},7]"#] {
        let mut raw = stranger(&testbed, "testbed-custom").await;
        raw.send(junk).await;
        assert!(broke_protocol(&soon(raw.closed()).await), "{junk}");
    }
    testbed.terminate().await;
}

#[tokio::test]
async fn custom_carries_messages_calls_and_sessions_to_and_from_the_test_client() {
    let mut testbed = Testbed::start(&["--protocols", "wse-default-json,custom"]).await;
    let (ann, mut at_ann) = enter(&testbed, Protocol::Wse, "user-ann").await;
    let url = testbed.url("/");
    let options = ["--url", &url, "--identity", r#""user-bob""#, "--protocol", "custom", "--resume"];
    let mut bob = Program::start("testclient", &[&options[..], &["--backoff-min", "1ms"]].concat());
    assert_eq!(bob.ask(json!({"id": 1, "do": "connect"})).await["ok"], json!({"hey": "some data"}));
    assert_eq!(bob.event("ready").await["resumed"], false);
    let sum = bob.ask(json!({"id": 2, "do": "call", "rp": "add", "payload": [2, 3]})).await;
    assert_eq!(sum["ok"], 5);
    let to_ann = json!({"cid": "user-ann", "type": "m", "payload": ["ünï\n", null]});
    bob.ask(json!({"id": 3, "do": "send", "type": "to-user", "payload": to_ann})).await;
    assert_eq!(heard(&mut at_ann).await, r#"ignored m ["ünï\n",null]"#);
    ann.send("to-user", json!({"cid": "user-bob", "type": "m", "payload": {"a": 1}})).unwrap();
    assert_eq!(bob.event("message").await["payload"], json!({"a": 1}));
    let double = json!({"rp": "double", "payload": {"value": 21}});
    bob.ask(json!({"id": 4, "do": "send", "type": "call-me", "payload": double})).await;
    assert_eq!(bob.event("message").await["payload"], json!({"ok": 42}));
    bob.ask(json!({"id": 5, "do": "cut"})).await;
    assert_eq!(bob.event("ready").await["resumed"], true);
    testbed.program.event("resumed").await;
    testbed.terminate().await;
}

#[tokio::test]
async fn auth_timeout_holds_for_both_wires_when_it_is_given() {
    let testbed = Testbed::start(&["--auth-timeout", "250ms"]).await;
    for (protocol, end) in
        [(Protocol::Wse, "1013 wse.later after="), (WsMessaging::new().into(), "1013 wse.later after=")]
    {
        let start = Instant::now();
        let error = soon(builder(&testbed, protocol, "slow:60000").connect()).await.unwrap_err();
        assert!(error.to_string().contains(end), "{error}");
        let below_the_default = start.elapsed() < Duration::from_secs(9);
        assert!(start.elapsed() >= Duration::from_millis(250) && below_the_default, "{:?}", start.elapsed());
    }
    testbed.terminate().await;
}

#[tokio::test]
async fn refusals_are_those_of_each_wire() {
    let mut testbed = Testbed::start(&["--challenge"]).await;
    let error = soon(builder(&testbed, WsMessaging::new().into(), "user-ann").connect()).await.unwrap_err();
    assert_eq!(error.to_string(), "refused: 4003 wse.not-authorized");
    let event = testbed.program.event("error").await;
    assert_eq!(event, json!({"event": "error", "code": "wse.not-authorized"}), "it cannot be challenged");
    testbed.terminate().await;
    let testbed = Testbed::start(&[]).await;
    for (identity, protocol, end) in [
        ("else", WsMessaging::new().into(), "refused: 4003 wse.not-authorized"),
        ("else", Protocol::WseMsgpack, "refused: 1000 wse.not-authorized"),
        ("refuse:not today", WsMessaging::new().into(), "refused: 4003 not today"),
        ("refuse:not today", Protocol::WseMsgpack, "closed before the welcome: 1000 not today"),
        ("error", WsMessaging::new().into(), "closed before the welcome: 1013 wse.later after=1000"),
        ("panic", WsMessaging::new().messagepack().into(), "closed before the welcome: 1013 wse.later after=100"),
        ("later:70000", WsMessaging::new().into(), "closed before the welcome: 1013 wse.later after=70000"),
        ("later:70000", Protocol::WseMsgpack, "closed before the welcome: 1013 wse.later after=70000"),
    ] {
        let error = soon(builder(&testbed, protocol, identity).connect()).await.unwrap_err();
        assert!(error.to_string().starts_with(end), "{identity}: {error}");
    }
    testbed.terminate().await;
}

#[tokio::test]
async fn ws_ping_interval_and_timeout_are_those_of_ws_messaging() {
    let mut testbed = Testbed::start(&["--ws-ping-interval", "200ms", "--ws-ping-timeout", "2s"]).await;
    let (live, _events) = enter(&testbed, WsMessaging::new().into(), "user-live").await;
    let (wse, _other) = enter(&testbed, Protocol::Wse, "user-wse").await;
    let start = Instant::now();
    let mut dead = dead(&testbed).await;
    let end = testbed.program.event("disconnected").await;
    assert_eq!(
        (&end["cid"], &end["code"], &end["reason"]),
        (&json!("user-dead"), &json!(4008), &json!("Ping timeout"))
    );
    assert!(start.elapsed() >= Duration::from_millis(2200), "{:?}", start.elapsed());
    // Those that answer stay, for several times as long.
    assert_eq!(soon(live.call::<_, u64>("sleep", 900)).await.unwrap(), 900);
    assert_eq!(soon(wse.call::<_, u64>("sleep", 1)).await.unwrap(), 1);
    let mut said = Vec::new();
    soon(tokio::io::AsyncReadExt::read_to_end(&mut dead, &mut said)).await.expect("bytes");
    let said = String::from_utf8_lossy(&said);
    assert_eq!(said.matches(r#"{"name":"ping","args":[],"id":1}"#).count(), 1, "{said}");
    assert!(said.contains("Ping timeout"), "{said}");
    testbed.terminate().await;
}

/// A device that was let in as `user-dead` and answers nothing.
async fn dead(testbed: &Testbed) -> tokio::net::TcpStream {
    let auth = br#"{"identity":"user-dead"}"#;
    let mut bytes = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: ws-messaging\r\n\r\n"
        .to_vec();
    bytes.extend([0x81, 0x80 | auth.len() as u8, 0, 0, 0, 0]); // masked with zeros
    bytes.extend(auth);
    let mut tcp = tokio::net::TcpStream::connect(&testbed.addr).await.expect("somebody listens");
    tokio::io::AsyncWriteExt::write_all(&mut tcp, &bytes).await.expect("bytes are taken");
    tcp
}
