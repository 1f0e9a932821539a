//! The testbed as its page says: who gets in, every message, every procedure, the event lines. It
//! runs the built program, and a client of the library's own talks to it.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use wse::{CallError, Client, ConnectError, DeviceId, Reason, RpError};
use wse_test_peers::{Events, programs::Testbed, soon};

async fn connect(testbed: &Testbed, identity: Value, meta: Value) -> Result<Client, ConnectError> {
    soon(Client::builder(&testbed.url("/")).identity(&identity).meta(&meta).connect()).await
}

/// The cid under which an identity is let in.
async fn cid(testbed: &mut Testbed, identity: Value, meta: Value) -> String {
    let client = connect(testbed, identity, meta).await.expect("it is let in");
    assert_eq!(client.welcome::<Value>().expect("JSON"), json!({"hey": "some data"}));
    let connected = testbed.program.event("connected").await;
    soon(client.close(Reason::default())).await;
    testbed.program.event("left").await;
    connected["cid"].as_str().expect("a cid").to_owned()
}

#[tokio::test]
async fn every_identity_of_the_page_has_its_outcome() {
    let mut testbed = Testbed::start(&["--auth-timeout", "3s"]).await;
    let mut cids = Vec::new();
    for (identity, meta) in [
        (json!("valid-secret"), json!({"user_id": "UID1"})),
        (json!("valid-secret"), json!({"user_id": 42})),
        (json!("valid-secret"), json!({})),
        (json!("valid-secret"), json!(null)),
        (json!({"identity": "valid-secret"}), json!({"user_id": "UID2"})),
        (json!("user-ann"), json!({})),
        (json!({"identity": "user-bob", "more": 1}), json!({})),
    ] {
        cids.push(cid(&mut testbed, identity, meta).await);
    }
    assert_eq!(cids, ["UID1", "42", "u1", "u2", "UID2", "user-ann", "user-bob"]);
    let start = Instant::now();
    assert_eq!(cid(&mut testbed, json!("slow:150"), json!({})).await, "slow");
    assert!(start.elapsed() >= Duration::from_millis(150));
    for identity in
        [json!("else"), json!(""), json!(7), json!(null), json!({"name": "user-x"}), json!("slow:x"), json!("later:")]
    {
        let error = connect(&testbed, identity.clone(), json!({})).await.unwrap_err();
        assert!(matches!(&error, ConnectError::Refused(end) if end.code == 1000), "{identity}: {error}");
    }
    for identity in ["error", "panic"] {
        let error = connect(&testbed, json!(identity), json!({})).await.unwrap_err();
        assert!(matches!(&error, ConnectError::Closed(end) if end.after().is_some()), "{identity}: {error}");
        let event = testbed.program.event("error").await;
        assert_eq!(event, json!({"event": "error", "code": "wse.not-authorized"}), "{identity}");
    }
    let error = connect(&testbed, json!("never"), json!({})).await.unwrap_err();
    assert!(error.to_string().contains("1013 wse.later after="), "{error}");
    testbed.terminate().await;
}

#[tokio::test]
async fn with_anonymous_everybody_else_is_let_in_too() {
    let mut testbed = Testbed::start(&["--anonymous"]).await;
    assert_eq!(cid(&mut testbed, json!(""), json!({})).await, "anon-1");
    assert_eq!(cid(&mut testbed, json!({"a": 1}), json!({})).await, "anon-2");
    assert_eq!(cid(&mut testbed, json!("user-ann"), json!({})).await, "user-ann");
    assert!(connect(&testbed, json!("error"), json!({})).await.is_err());
    testbed.terminate().await;
}

#[tokio::test]
async fn with_challenge_every_device_has_to_solve_it() {
    let testbed = Testbed::start(&["--challenge"]).await;
    let builder = || Client::builder(&testbed.url("/")).identity("user-ann");
    let solving = builder().challenge(async |_, quest: Value| {
        assert_eq!(quest, json!({"a": 1, "b": 2}));
        Ok(3)
    });
    soon(solving.connect()).await.expect("it is let in");
    for wrong in [json!("3"), json!(4), json!(null)] {
        let wrong = builder().challenge(async move |_, _: Value| Ok(wrong));
        let error = soon(wrong.connect()).await.unwrap_err();
        assert!(matches!(error, ConnectError::Refused(_)), "{error}");
    }
    testbed.terminate().await;
}

/// What a message of the testbed's brings back.
async fn brings(client: &Client, events: &mut Events, name: &str, payload: Value) -> String {
    client.send(name, payload).expect("it is connected");
    soon(events.next_like("ignored")).await["ignored ".len()..].to_owned()
}

#[tokio::test]
async fn the_messages_to_the_same_device_do_what_the_page_says() {
    let mut testbed = Testbed::start(&[]).await;
    let (client, mut events) = testbed.enter("user-ann", json!({"m": 1})).await;
    for payload in [json!({"a": [1, 2.5, null]}), json!("ünï"), json!(null), json!(-1.5e300)] {
        let echo = brings(&client, &mut events, "echo", payload.clone()).await;
        assert_eq!(echo, format!("echo {payload}"));
    }
    assert_eq!(brings(&client, &mut events, "count", json!({"count": 41})).await, r#"count {"count":42}"#);
    assert_eq!(brings(&client, &mut events, "bc", json!(5)).await, "news \"xxxxx\"");
    let who = brings(&client, &mut events, "who", json!(null)).await;
    let who: Value = serde_json::from_str(who.strip_prefix("who ").unwrap()).unwrap();
    let connected = testbed.program.event("connected").await;
    let expected = json!({
        "cid": "user-ann", "conn_id": connected["conn_id"], "devices": 1, "remote_addr": "127.0.0.1",
        "identity": "user-ann", "meta": {"m": 1},
    });
    assert_eq!(who, expected);
    let start = Instant::now();
    assert_eq!(brings(&client, &mut events, "hold", json!(120)).await, "held null");
    assert!(start.elapsed() >= Duration::from_millis(120));
    client.send("panic", ()).unwrap();
    let error = json!({"event": "error", "code": "wse.server.msg-processing-error", "cid": "user-ann"});
    assert_eq!(testbed.program.event("error").await, error);
    client.send("unknown", json!({"a": 1})).unwrap();
    let mut ignored = json!({"event": "ignored", "cid": "user-ann", "type": "unknown", "payload": {"a": 1}});
    ignored["conn_id"] = connected["conn_id"].clone();
    ignored["id"] = connected["id"].clone();
    assert_eq!(testbed.program.event("ignored").await, ignored);
    assert_eq!(brings(&client, &mut events, "echo", json!(1)).await, "echo 1", "it goes on");
    testbed.terminate().await;
}

#[tokio::test]
async fn the_messages_to_others_reach_whom_the_page_says() {
    let testbed = Testbed::start(&["--conns-per-user", "2"]).await;
    let (ann1, mut at_ann1) = testbed.enter("user-ann", json!({})).await;
    let (_ann2, mut at_ann2) = testbed.enter("user-ann", json!({})).await;
    let (bob, mut at_bob) = testbed.enter("user-bob", json!({})).await;
    assert_eq!(brings(&ann1, &mut at_ann1, "hey", json!(null)).await, "both null");
    assert_eq!(at_ann1.next_like("ignored").await, "ignored only null");
    assert_eq!(at_ann2.next_like("ignored").await, "ignored both null");
    bob.send("to-user", json!({"cid": "user-ann", "type": "hi", "payload": {"n": 1}})).unwrap();
    assert_eq!(at_ann1.next_like("ignored").await, r#"ignored hi {"n":1}"#);
    // Next after `both`: `only` was for the other device.
    assert_eq!(at_ann2.next_like("ignored").await, r#"ignored hi {"n":1}"#);
    ann1.send("to-all", json!({"type": "all", "payload": [1]})).unwrap();
    for events in [&mut at_ann1, &mut at_ann2, &mut at_bob] {
        assert_eq!(events.next_like("ignored").await, "ignored all [1]");
    }
    testbed.terminate().await;
}

#[tokio::test]
async fn drop_ends_what_it_names_with_the_reason() {
    let mut testbed = Testbed::start(&["--conns-per-user", "2"]).await;
    for (payload, cid, code_and_reason, both) in [
        (json!({"what": "conn"}), "user-a", "1000 wse.by-server", false),
        (json!({"what": "conn", "reason": "BECAUSE"}), "user-b", "1000 BECAUSE", false),
        (json!({"what": "user", "reason": "all of you"}), "user-c", "1000 all of you", true),
        (json!({"what": "user"}), "user-d", "1000 wse.by-server", true),
        (json!({"what": "cid", "cid": "user-e"}), "user-e", "1000", true),
        (json!({"what": "cid", "cid": "user-f", "reason": "you"}), "user-f", "1000 you", true),
    ] {
        let (client, mut events) = testbed.enter(cid, json!({})).await;
        let (other, mut at_other) = testbed.enter(cid, json!({})).await;
        client.send("drop", payload).unwrap();
        assert_eq!(soon(events.next_like("closed")).await, format!("closed {code_and_reason}"), "{cid}");
        if both {
            assert_eq!(soon(at_other.next_like("closed")).await, format!("closed {code_and_reason}"), "{cid}");
        } else {
            assert_eq!(brings(&other, &mut at_other, "echo", json!(1)).await, "echo 1");
        }
    }
    testbed.program.event("left").await;
    testbed.terminate().await;
}

#[tokio::test]
async fn call_me_calls_the_device_and_tells_what_came_of_it() {
    let testbed = Testbed::start(&["--rpc-timeout", "2s"]).await;
    let (client, mut events) = testbed.enter("user-ann", json!({})).await;
    client.register("double", async |_, n: i64| Ok(2 * n)).unwrap();
    client.register("never", async |_, _: Value| -> Result<(), RpError> { std::future::pending().await }).unwrap();
    let fails = async |_, _: Value| -> Result<(), RpError> { Err(RpError::new("MINE").details(&json!({"a": 1}))) };
    client.register("fails", fails).unwrap();
    for (rp, outcome) in [
        ("double", json!({"ok": 42})),
        ("missing", json!({"err": {"code": "wse.server.rp.not-registered", "details": {"rp": "missing"}}})),
        ("never", json!({"err": {"code": "wse.client.rp.timeout"}})),
        ("fails", json!({"err": {"code": "MINE", "details": {"a": 1, "rp": "fails", "rpc": "fails", "payload": 21}}})),
    ] {
        let called = brings(&client, &mut events, "call-me", json!({"rp": rp, "payload": 21})).await;
        assert_eq!(called, format!("called {outcome}"));
    }
    testbed.terminate().await;
}

#[tokio::test]
async fn the_procedures_do_what_the_page_says() {
    let mut testbed = Testbed::start(&["--conns-per-user", "2"]).await;
    let (client, _events) = testbed.enter("user-ann", json!({})).await;
    let call = async |rp: &str, payload: Value| soon(client.call::<_, Value>(rp, payload)).await;
    for (rp, payload, result) in [
        ("add", json!({"a": 5, "b": 3}), json!(8)),
        ("add", json!([-1, 4]), json!(3)),
        ("add", json!([0.5, 1]), json!(1.5)),
        ("obj", json!("any"), json!({"ok": true})),
        ("nil", json!({"any": 1}), json!(null)),
        ("big", json!(3), json!("xxx")),
        ("devices", json!(null), json!(1)),
    ] {
        assert_eq!(call(rp, payload).await.unwrap(), result, "{rp}");
    }
    let start = Instant::now();
    assert_eq!(call("sleep", json!(120)).await.unwrap(), 120);
    assert!(start.elapsed() >= Duration::from_millis(120));
    assert_eq!(call("big", json!(500_000)).await.unwrap().as_str().unwrap().len(), 500_000);
    let (_other, _) = testbed.enter("user-ann", json!({})).await;
    assert_eq!(call("devices", json!(null)).await.unwrap(), 2);
    assert!(matches!(call("missing", json!(1)).await, Err(CallError::NotRegistered(_))));

    let mut fails = Vec::new();
    for how in ["plain", "coded", "bare", "panic"] {
        let Err(CallError::Failed(error)) = call("fail", json!(how)).await else { panic!("{how} does not fail") };
        fails.push((error.code.clone(), error.decode_details::<Value>().unwrap().unwrap()));
        assert!(!format!("{error:?}").contains("Vanilla"), "no internal text leaves the process: {error:?}");
    }
    let failed = |how: &str| ("wse.server.rp.failed".to_owned(), json!({"rp": "fail", "rpc": "fail", "payload": how}));
    assert_eq!(fails[0], failed("plain"));
    assert_eq!(
        fails[1],
        ("test-err-code".to_owned(), json!({"fun": 1, "rp": "fail", "rpc": "fail", "payload": "coded"}))
    );
    let bare = json!({"code": "INVALID_USER", "test_field": "nope", "rp": "fail", "rpc": "fail", "payload": "bare"});
    assert_eq!(fails[2], ("wse.server.rp.failed".to_owned(), bare));
    assert_eq!(fails[3], failed("panic"));
    for _ in ["plain", "panic"] {
        let error = json!({"event": "error", "code": "wse.server.rp.failed", "cid": "user-ann"});
        assert_eq!(testbed.program.event("error").await, error);
    }
    testbed.terminate().await;
}

#[tokio::test]
async fn unregister_removes_a_procedure_for_all_and_refuses_an_unknown_one() {
    let testbed = Testbed::start(&[]).await;
    let (ann, mut at_ann) = testbed.enter("user-ann", json!({})).await;
    let (bob, _) = testbed.enter("user-bob", json!({})).await;
    assert_eq!(soon(bob.call::<_, Value>("obj", ())).await.unwrap(), json!({"ok": true}));
    assert_eq!(brings(&ann, &mut at_ann, "unregister", json!("obj")).await, r#"unregistered "obj""#);
    for client in [&ann, &bob] {
        let error = soon(client.call::<_, Value>("obj", ())).await.unwrap_err();
        assert_eq!(error.code(), "wse.server.rp.not-registered");
        assert_eq!(soon(client.call::<_, i64>("add", (2, 3))).await.unwrap(), 5, "the others stay");
    }
    let unknown = r#"unregistered {"err":{"code":"wse.server.rp.not-registered"}}"#;
    assert_eq!(brings(&ann, &mut at_ann, "unregister", json!("obj")).await, unknown);
    testbed.terminate().await;
}

#[tokio::test]
async fn the_event_lines_come_in_the_order_and_with_the_fields_of_the_page() {
    let mut testbed = Testbed::start(&["--conns-per-user", "2"]).await;
    let meta = json!({"user_id": "UID1", "n": 1});
    let (first, _) = testbed.enter("valid-secret", meta.clone()).await;
    assert_eq!(testbed.program.json().await, json!({"event": "joined", "cid": "UID1", "meta": meta}));
    let connected = testbed.program.json().await;
    let of_device = |line: &Value| (line["conn_id"].clone(), line["id"].clone());
    let (conn_id, id) = of_device(&connected);
    assert_eq!(connected, json!({"event": "connected", "cid": "UID1", "conn_id": conn_id, "id": id}));
    id.as_str().expect("a text").parse::<DeviceId>().expect("the id of a device");
    let (second, _) = testbed.enter("valid-secret", json!({"user_id": "UID1"})).await;
    let other = of_device(&testbed.program.json().await);
    assert!(conn_id != other.0 && id != other.1, "{other:?}");
    soon(first.close("bye")).await;
    let disconnected = |(conn_id, id): (Value, Value), reason: &str| json!({"event": "disconnected", "cid": "UID1", "conn_id": conn_id, "id": id, "code": 1000, "reason": reason});
    assert_eq!(testbed.program.json().await, disconnected((conn_id, id), "bye"));
    soon(second.close(Reason::default())).await;
    assert_eq!(testbed.program.json().await, disconnected(other, "wse.by-client"));
    let left = json!({"event": "left", "cid": "UID1", "code": 1000, "reason": "wse.by-client"});
    assert_eq!(testbed.program.json().await, left);
    assert!(testbed.terminate().await.is_empty(), "nothing else is printed");
}

#[tokio::test]
async fn history_reaches_a_device_whole_however_much_it_is() {
    let testbed = Testbed::start(&["--queue-bytes", "64KiB", "--queue-bytes-max", "64KiB"]).await;
    let (client, mut events) = testbed.enter("user-ann", json!({})).await;
    client.send("history", json!({"count": 500, "bytes": 20_000})).expect("it is connected");
    for _ in 0..500 {
        assert_eq!(soon(events.next_like("ignored h ")).await.len(), "ignored h \"\"".len() + 20_000);
    }
    testbed.terminate().await;
}
