//! Sessions from outside: the built testbed and the built test client, cut from either end.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use wse_test_peers::programs::{Program, Testbed};

fn testclient(testbed: &Testbed, options: &[&str]) -> Program {
    let fixed = ["--url", &testbed.url("/"), "--identity", r#""user-ann""#];
    Program::start("testclient", &[&fixed, options].concat())
}

async fn ok(client: &mut Program, command: Value) -> Value {
    let answer = client.ask(command.clone()).await;
    answer.get("ok").cloned().unwrap_or_else(|| panic!("{command}: {answer}"))
}

#[tokio::test]
async fn a_session_goes_on_over_cuts_from_either_end() {
    let mut testbed = Testbed::start(&[]).await;
    let mut client = testclient(&testbed, &["--reconnect", "--resume", "--backoff-min", "1ms"]);
    ok(&mut client, json!({"id": 0, "do": "connect"})).await;
    let ready = json!({"event": "ready", "welcome": {"hey": "some data"}, "resumed": false});
    assert_eq!(client.event("ready").await, ready);
    let connected = testbed.program.event("connected").await;
    for round in 0..10 {
        if round % 2 == 0 {
            ok(&mut client, json!({"id": 1, "do": "cut"})).await;
        } else {
            ok(&mut client, json!({"id": 1, "do": "send", "type": "cut"})).await;
        }
        // At once, whether there is a connection or not.
        ok(&mut client, json!({"id": 2, "do": "send", "type": "echo", "payload": round})).await;
        assert_eq!(
            ok(&mut client, json!({"id": 3, "do": "call", "rp": "add", "payload": [round, 1]})).await,
            round + 1
        );
        assert_eq!(client.event("closed").await["code"], 1006);
        assert_eq!(client.event("ready").await["resumed"], true);
        assert_eq!(client.event("message").await, json!({"event": "message", "type": "echo", "payload": round}));
        for event in ["parked", "resumed"] {
            let told = testbed.program.event(event).await;
            let mut expected = connected.clone();
            expected["event"] = json!(event);
            assert_eq!(told, expected, "the same cid, conn_id and id");
        }
    }
    ok(&mut client, json!({"id": 4, "do": "close"})).await;
    assert_eq!(testbed.program.event("disconnected").await["conn_id"], connected["conn_id"]);
}

#[tokio::test]
async fn the_resume_window_bounds_how_long_it_waits() {
    let (ms, no_time) = (Duration::from_millis(1), Duration::ZERO);
    for (window, time) in [("200ms", 200 * ms), ("0s", no_time), ("60s", 60_000 * ms)] {
        let testbed = Testbed::start(&["--resume-window", window]).await;
        let mut client = testclient(&testbed, &["--resume", "--backoff-min", "2s", "--backoff-max", "2s"]);
        ok(&mut client, json!({"id": 0, "do": "connect"})).await;
        client.event("ready").await;
        // The wait is drawn from 0 to 2 s: as often as it takes to be longer than the window. On a busy
        // machine it may be over more than a second before this reads that it is.
        loop {
            let cut = Instant::now();
            ok(&mut client, json!({"id": 1, "do": "cut"})).await;
            if client.event("ready").await["resumed"] == false {
                assert!(cut.elapsed() >= time, "{window}: {:?}", cut.elapsed());
                break;
            }
            assert_ne!(time, no_time, "{window}");
            assert!(cut.elapsed() < time + 1500 * ms, "{window}: {:?}", cut.elapsed());
            if time > 2000 * ms {
                break;
            }
        }
    }
}

#[tokio::test]
async fn without_a_session_a_cut_is_an_end() {
    let mut testbed = Testbed::start(&[]).await;
    let mut client = testclient(&testbed, &[]);
    ok(&mut client, json!({"id": 0, "do": "connect"})).await;
    ok(&mut client, json!({"id": 1, "do": "cut"})).await;
    assert_eq!(testbed.program.event("disconnected").await["code"], 1006);
    assert_eq!(client.event("closed").await["code"], 1006);
    assert_eq!(client.ask(json!({"id": 2, "do": "send", "type": "echo"})).await["err"]["code"], "wse.client.not-ready");
}
