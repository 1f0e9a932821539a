//! The test client as its page says: every command, every event line, its procedures, its end. Both
//! built programs run, one against the other.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use wse_test_peers::programs::{Program, Testbed};

fn testclient(testbed: &Testbed, options: &[&str]) -> Program {
    Program::start("testclient", &[&["--url", &testbed.url("/")], options].concat())
}

/// A test client that is connected as `user-ann`.
async fn connected(testbed: &Testbed, options: &[&str]) -> Program {
    let mut client = testclient(testbed, &[&["--identity", r#""user-ann""#], options].concat());
    let answer = client.ask(json!({"id": 0, "do": "connect"})).await;
    assert_eq!(answer, json!({"id": 0, "ok": {"hey": "some data"}}));
    client
}

async fn answers(client: &mut Program, command: Value, outcome: Value) {
    let answer = client.ask(command.clone()).await;
    let mut expected = outcome;
    expected["id"] = command["id"].clone();
    assert_eq!(answer, expected, "{command}");
}

#[tokio::test]
async fn connect_status_send_and_close_do_what_the_page_says() {
    let mut testbed = Testbed::start(&[]).await;
    let mut client = testclient(&testbed, &["--identity", r#""user-ann""#, "--meta", r#"{"m":1}"#]);
    answers(&mut client, json!({"id": 1, "do": "status"}), json!({"ok": "IDLE"})).await;
    answers(&mut client, json!({"id": "two", "do": "connect"}), json!({"ok": {"hey": "some data"}})).await;
    assert_eq!(client.event("status").await, json!({"event": "status", "status": "CONNECTING"}));
    assert_eq!(client.event("status").await, json!({"event": "status", "status": "READY"}));
    assert_eq!(client.event("ready").await, json!({"event": "ready", "welcome": {"hey": "some data"}}));
    assert_eq!(testbed.program.event("joined").await["meta"], json!({"m": 1}));
    answers(&mut client, json!({"id": 3, "do": "status"}), json!({"ok": "READY"})).await;
    let again = client.ask(json!({"id": 4, "do": "connect"})).await;
    assert_eq!(again["err"]["code"], "wse.client.already-connected");

    let echo = json!({"id": 5, "do": "send", "type": "echo", "payload": {"a": [1, null]}});
    answers(&mut client, echo, json!({"ok": null})).await;
    let message = json!({"event": "message", "type": "echo", "payload": {"a": [1, null]}});
    assert_eq!(client.event("message").await, message);
    answers(&mut client, json!({"id": 6, "do": "send", "type": "unknown"}), json!({"ok": null})).await;
    assert_eq!(testbed.program.event("ignored").await["payload"], json!(null));

    answers(&mut client, json!({"id": 7, "do": "close", "reason": "BECAUSE"}), json!({"ok": null})).await;
    assert_eq!(client.event("closed").await, json!({"event": "closed", "code": 1000, "reason": "BECAUSE"}));
    assert_eq!(client.event("status").await, json!({"event": "status", "status": "OFFLINE"}));
    assert_eq!(testbed.program.event("left").await["reason"], "BECAUSE");
    answers(&mut client, json!({"id": 8, "do": "status"}), json!({"ok": "OFFLINE"})).await;
    let offline = client.ask(json!({"id": 9, "do": "send", "type": "echo"})).await;
    assert_eq!(offline["err"]["code"], "wse.client.not-ready");
    let offline = client.ask(json!({"id": 10, "do": "call", "rp": "obj"})).await;
    assert_eq!(offline["err"]["code"], "wse.client.not-ready");
    answers(&mut client, json!({"id": 11, "do": "connect"}), json!({"ok": {"hey": "some data"}})).await;
    answers(&mut client, json!({"id": 12, "do": "close"}), json!({"ok": null})).await;
    assert_eq!(client.event("closed").await["reason"], "wse.by-client");
    testbed.terminate().await;
}

#[tokio::test]
async fn without_options_it_says_the_defaults_and_a_refusal_is_an_answer() {
    let mut testbed = Testbed::start(&[]).await;
    let mut client = testclient(&testbed, &["--reconnect", "--resume", "--protocol", "wse-default-json"]);
    let refused = client.ask(json!({"id": 1, "do": "connect"})).await;
    assert_eq!(refused["err"]["code"], "wse.not-authorized");
    assert!(refused["err"]["message"].is_string() && refused.get("ok").is_none(), "{refused}");
    assert_eq!(refused["err"]["details"], json!({"code": 1000, "reason": "wse.not-authorized"}));
    let closed = json!({"event": "closed", "code": 1000, "reason": "wse.not-authorized"});
    assert_eq!(client.event("closed").await, closed);
    testbed.program.signal("TERM").await;
    testbed.program.ended().await;

    testbed = Testbed::start(&["--anonymous"]).await;
    let mut client = testclient(&testbed, &[]);
    answers(&mut client, json!({"id": 1, "do": "connect"}), json!({"ok": {"hey": "some data"}})).await;
    client.command(json!({"id": 2, "do": "send", "type": "who"})).await;
    let who = client.event("message").await;
    assert_eq!((&who["payload"]["identity"], &who["payload"]["meta"]), (&json!(""), &json!({})));
    testbed.terminate().await;
}

#[tokio::test]
async fn an_end_before_the_welcome_that_is_no_refusal_is_told_as_such_with_its_code_and_reason() {
    let testbed = Testbed::start(&["--auth-timeout", "250ms"]).await;
    for protocol in ["wse-default-json", "wse-msgpack", "ws-messaging"] {
        let options = ["--identity", r#"{"identity":"never"}"#, "--protocol", protocol];
        let mut client = testclient(&testbed, &options);
        let err = client.ask(json!({"id": 1, "do": "connect"})).await["err"].clone();
        assert_eq!((&err["code"], &err["details"]["code"]), (&json!("wse.client.connection-closed"), &json!(1013)));
        let reason = err["details"]["reason"].as_str().expect("a text");
        assert!(reason.starts_with("wse.later after=10"), "{protocol}: {reason}");
    }
    testbed.terminate().await;
}

#[tokio::test]
async fn calls_are_answered_as_they_finish_with_result_or_error() {
    let testbed = Testbed::start(&[]).await;
    let mut client = connected(&testbed, &["--rpc-timeout", "2s"]).await;
    let call = |id: u32, rp: &str, payload: Value| json!({"id": id, "do": "call", "rp": rp, "payload": payload});
    answers(&mut client, call(1, "add", json!([2, 3])), json!({"ok": 5})).await;
    answers(&mut client, json!({"id": 2, "do": "call", "rp": "nil"}), json!({"ok": null})).await;
    let missing = json!({"code": "wse.server.rp.not-registered", "details": {"rp": "missing"}});
    answers(&mut client, call(3, "missing", json!(1)), json!({"err": missing})).await;
    let coded =
        json!({"code": "test-err-code", "details": {"fun": 1, "rp": "fail", "rpc": "fail", "payload": "coded"}});
    answers(&mut client, call(4, "fail", json!("coded")), json!({"err": coded})).await;
    let plain = json!({"rp": "fail", "rpc": "fail", "payload": "plain"});
    let plain = json!({"code": "wse.server.rp.failed", "message": "RPC execution failed", "details": plain});
    answers(&mut client, call(5, "fail", json!("plain")), json!({"err": plain})).await;
    // The slow one was asked first.
    client.command(json!({"id": 6, "do": "call", "rp": "sleep", "payload": 1000, "timeout_ms": 60_000})).await;
    client.command(call(7, "sleep", json!(0))).await;
    let mut finished = Vec::new();
    while finished.len() < 2 {
        finished.push(client.find(|line| line["id"] == 6 || line["id"] == 7).await["ok"].clone());
    }
    assert_eq!(finished, [0, 1000]);
    answers(&mut client, call(8, "sleep", json!(60_000)), json!({"err": {"code": "wse.client.rp.timeout"}})).await;
    let own = json!({"id": 9, "do": "call", "rp": "sleep", "payload": 2500, "timeout_ms": 60_000});
    answers(&mut client, own, json!({"ok": 2500})).await;
    let own = json!({"id": 10, "do": "call", "rp": "sleep", "payload": 60_000, "timeout_ms": 20});
    answers(&mut client, own, json!({"err": {"code": "wse.client.rp.timeout"}})).await;
    client.command(json!({"id": 11, "do": "call", "rp": "sleep", "payload": 60_000, "timeout_ms": 60_000})).await;
    let drop = json!({"what": "conn", "reason": "enough"});
    client.command(json!({"id": 12, "do": "send", "type": "drop", "payload": drop})).await;
    let cut = client.find(|line| line["id"] == 11).await["err"].clone();
    let details = json!({"code": 1000, "reason": "enough", "disconnected": [1000, "enough"]});
    assert_eq!(cut, json!({"code": "wse.client.rp.disconnect", "details": details}));
    testbed.terminate().await;
}

#[tokio::test]
async fn its_procedures_and_its_challenge_are_those_of_the_page() {
    let testbed = Testbed::start(&["--challenge"]).await;
    let mut client = connected(&testbed, &[]).await;
    let bare = json!({"code": "INVALID_USER", "test_field": "nope", "rp": "fail", "rpc": "fail", "payload": "bare"});
    let bare = json!({"code": "wse.server.rp.failed", "message": "RPC execution failed", "details": bare});
    let coded =
        json!({"code": "test-err-code", "details": {"fun": 1, "rp": "fail", "rpc": "fail", "payload": "coded"}});
    let missing = json!({"code": "wse.server.rp.not-registered", "details": {"rp": "missing"}});
    for (rp, payload, outcome) in [
        ("double", json!({"value": 21}), json!({"ok": 42})),
        ("double", json!({"value": 0.25}), json!({"ok": 0.5})),
        ("sleep", json!(20), json!({"ok": 20})),
        ("whoami", json!(null), json!({"ok": {"name": "testclient"}})),
        ("fail", json!("bare"), json!({"err": bare})),
        ("fail", json!("coded"), json!({"err": coded})),
        ("missing", json!(1), json!({"err": missing})),
    ] {
        let payload = json!({"rp": rp, "payload": payload});
        client.command(json!({"id": 1, "do": "send", "type": "call-me", "payload": payload})).await;
        let called = client.event("message").await;
        assert_eq!((&called["type"], &called["payload"]), (&json!("called"), &outcome), "{rp}");
    }
    for how in ["plain", "panic"] {
        let payload = json!({"rp": "fail", "payload": how});
        client.command(json!({"id": 2, "do": "send", "type": "call-me", "payload": payload})).await;
        let called = client.event("message").await;
        assert_eq!(called["payload"]["err"]["code"], "wse.server.rp.failed", "{how}");
        assert_eq!(client.event("error").await, json!({"event": "error", "code": "wse.server.rp.failed"}));
    }
    testbed.terminate().await;
}

#[tokio::test]
async fn jump_goes_to_the_other_testbed_with_the_same_or_another_identity() {
    let (mut one, mut two) = (Testbed::start(&[]).await, Testbed::start(&[]).await);
    let mut client = connected(&one, &["--meta", r#"{"m":1}"#]).await;
    answers(&mut client, json!({"id": 1, "do": "jump", "url": two.url("/")}), json!({"ok": {"hey": "some data"}}))
        .await;
    let gone = one.program.event("disconnected").await;
    assert_eq!((&gone["code"], &gone["reason"]), (&json!(4000), &json!("jump")));
    let joined = |cid: &str, meta: Value| json!({"event": "joined", "cid": cid, "meta": meta});
    assert_eq!(two.program.event("joined").await, joined("user-ann", json!({"m": 1})));
    let jump = json!({"id": 2, "do": "jump", "url": one.url("/"), "identity": "user-bob", "meta": {"m": 2}});
    answers(&mut client, jump, json!({"ok": {"hey": "some data"}})).await;
    one.program.event("joined").await; // of the beginning
    assert_eq!(one.program.event("joined").await, joined("user-bob", json!({"m": 2})));
    let jump = json!({"id": 3, "do": "jump", "url": two.url("/"), "identity": "nobody"});
    assert_eq!(client.ask(jump).await["err"]["code"], "wse.not-authorized");
    let jump = json!({"id": 4, "do": "jump", "url": "http://wrong/"});
    assert_eq!(client.ask(jump).await["err"]["code"], "wse.client.ws-error");
    answers(&mut client, json!({"id": 5, "do": "status"}), json!({"ok": "OFFLINE"})).await;
    one.terminate().await;
    two.terminate().await;
}

#[tokio::test]
async fn with_reconnect_it_finds_the_testbed_again_after_a_restart() {
    // An address of its own, so that no other test takes the port meanwhile.
    let testbed = Testbed::start(&["--host", "127.0.0.5"]).await;
    let port = testbed.addr.rsplit(':').next().unwrap().to_owned();
    let mut client = connected(&testbed, &["--reconnect", "--backoff-min", "20ms", "--backoff-max", "100ms"]).await;
    client.event("ready").await;
    testbed.terminate().await;
    assert_eq!(
        client.event("closed").await,
        json!({"event": "closed", "code": 1012, "reason": "wse.restart after=1000"})
    );
    client.find(|line| line["status"] == "RE_CONNECTING").await;
    let testbed = Testbed::start(&["--host", "127.0.0.5", "--port", &port]).await;
    client.event("ready").await;
    answers(&mut client, json!({"id": 1, "do": "call", "rp": "add", "payload": [2, 3]}), json!({"ok": 5})).await;
    testbed.terminate().await;
}

#[tokio::test]
async fn the_end_of_input_closes_the_client_and_exits_with_0() {
    let mut testbed = Testbed::start(&[]).await;
    let mut client = connected(&testbed, &[]).await;
    client.end_input();
    let (status, rest) = client.ended().await;
    assert_eq!(status, Some(0));
    assert!(rest.contains(&json!({"event": "closed", "code": 1000, "reason": "wse.by-client"})), "{rest:?}");
    assert_eq!(testbed.program.event("left").await["reason"], "wse.by-client");
    let mut idle = testclient(&testbed, &[]);
    idle.end_input();
    assert_eq!(idle.ended().await.0, Some(0));
    testbed.terminate().await;
}

#[tokio::test]
async fn messages_and_calls_go_out_in_the_order_of_the_lines() {
    let testbed = Testbed::start(&[]).await;
    let mut client = connected(&testbed, &[]).await;
    for n in 0..500 {
        client.command(json!({"id": n, "do": "send", "type": "echo", "payload": n})).await;
    }
    for n in 0..500 {
        assert_eq!(client.event("message").await["payload"], n);
    }
    // The call is answered although the device is dropped right behind it.
    for round in 0..20 {
        client.command(json!({"id": "call", "do": "call", "rp": "add", "payload": [round, 1]})).await;
        client.command(json!({"id": "drop", "do": "send", "type": "drop", "payload": {"what": "conn"}})).await;
        assert_eq!(client.find(|line| line["id"] == "call").await["ok"], round + 1);
        client.event("closed").await;
        answers(&mut client, json!({"id": "again", "do": "connect"}), json!({"ok": {"hey": "some data"}})).await;
    }
    testbed.terminate().await;
}

/// How long the test client takes to give an address up.
async fn given_up(url: &str, options: &[&str]) -> Duration {
    let start = Instant::now();
    let options = [&["--url", url, "--connect-timeout", "300ms"], options].concat();
    let mut client = Program::start("testclient", &options);
    let answer = client.ask(json!({"id": 1, "do": "connect"})).await;
    assert_eq!(answer["err"]["code"], "wse.client.ws-error", "{answer}");
    // What is no command is told, and the next one is heard.
    client.command(json!({"id": 2, "do": "dance"})).await;
    assert_eq!(client.find(|line| line["err"]["code"] == "bad-command").await["id"], json!(null));
    answers(&mut client, json!({"id": 3, "do": "status"}), json!({"ok": "OFFLINE"})).await;
    start.elapsed()
}

#[tokio::test]
async fn a_silent_server_is_given_up_after_the_connect_timeout_on_every_wire() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_url = format!("ws://{}/", silent.local_addr().unwrap());
    let testbed = Testbed::start(&["--auth-timeout", "60s"]).await;
    for protocol in ["wse-default-json", "wse-msgpack", "ws-messaging"] {
        let never = ["--protocol", protocol, "--identity", r#"{"identity":"never"}"#];
        for time in [given_up(&silent_url, &never).await, given_up(&testbed.url("/"), &never).await] {
            let below_the_defaults = time < Duration::from_secs(9);
            assert!(time >= Duration::from_millis(300) && below_the_defaults, "{protocol}: {time:?}");
        }
    }
    testbed.terminate().await;
}
