//! Devices by their ids: who a device is, and calls from one device to another. It runs the built
//! program.

use serde_json::{Value, json};
use std::time::Duration;
use wse::{CallError, Client, DeviceId, RpError};
use wse_test_peers::{programs::Testbed, soon};

async fn call(client: &Client, rp: &str, payload: Value) -> Result<Value, CallError> {
    soon(client.call::<_, Value>(rp, payload)).await
}

/// The id of a client's device.
async fn id(client: &Client) -> Value {
    call(client, "me", json!(null)).await.expect("every device is somebody")["id"].clone()
}

#[tokio::test]
async fn me_is_the_id_of_the_device_as_the_event_lines_have_it() {
    let mut testbed = Testbed::start(&["--conns-per-user", "2"]).await;
    let mut ids = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..2 {
        let (client, _events) = testbed.enter("user-ann", json!({})).await;
        let connected = testbed.program.event("connected").await;
        let me = call(&client, "me", json!({"any": 1})).await.unwrap();
        assert_eq!(me, json!({"id": connected["id"], "node": null, "conn_id": connected["conn_id"]}));
        ids.push(me["id"].as_str().expect("a text").parse::<DeviceId>().expect("the id of a device"));
        clients.push(client);
    }
    assert_ne!(ids[0], ids[1]);
    testbed.terminate().await;
}

#[tokio::test]
async fn call_device_calls_the_device_of_that_id_and_returns_what_came_of_it() {
    let testbed = Testbed::start(&["--rpc-timeout", "60s"]).await;
    let (ann, _) = testbed.enter("user-ann", json!({})).await;
    let (bob, _) = testbed.enter("user-bob", json!({})).await;
    bob.register("double", async |_, n: i64| Ok(2 * n)).unwrap();
    bob.register("never", async |_, _: Value| -> Result<(), RpError> { std::future::pending().await }).unwrap();
    bob.register("fails", async |_, _: Value| -> Result<(), RpError> { Err(RpError::new("MINE")) }).unwrap();
    let bob_is = id(&bob).await;
    let ask = async |rp: &str, payload: Value, within_ms: Value| {
        let payload = json!({"id": bob_is, "rp": rp, "payload": payload, "within_ms": within_ms});
        call(&ann, "call-device", payload).await.expect("what came of it is a result")
    };
    assert_eq!(ask("double", json!(21), json!(null)).await, json!({"ok": 42}));
    assert_eq!(ask("double", json!(4), json!(60_000)).await, json!({"ok": 8}));
    assert_eq!(ask("never", json!(null), json!(50)).await["err"]["code"], "wse.client.rp.timeout");
    assert_eq!(ask("fails", json!(1), json!(null)).await["err"]["code"], "MINE");
    let missing = json!({"code": "wse.server.rp.not-registered", "details": {"rp": "missing"}});
    assert_eq!(ask("missing", json!(1), json!(null)).await, json!({"err": missing}));
    let wrong = call(&ann, "call-device", json!({"id": "bob", "rp": "double"})).await.unwrap_err();
    assert_eq!(wrong.code(), "no-device-id");
    testbed.terminate().await;
}

#[tokio::test]
async fn a_call_to_a_device_that_is_gone_is_not_sent() {
    let mut testbed = Testbed::start(&[]).await;
    let (ann, _) = testbed.enter("user-ann", json!({})).await;
    let (bob, _) = testbed.enter("user-bob", json!({})).await;
    let bob_is = id(&bob).await;
    bob.send("drop", json!({"what": "conn"})).unwrap();
    testbed.program.event("disconnected").await;
    let called = call(&ann, "call-device", json!({"id": bob_is, "rp": "double", "payload": 1})).await.unwrap();
    assert_eq!(called, json!({"err": {"code": "wse.client.not-ready"}}));
    testbed.terminate().await;
}

#[tokio::test]
async fn the_end_of_another_device_does_not_end_a_call_and_that_of_its_own_does() {
    let testbed = Testbed::start(&["--rpc-timeout", "60s"]).await;
    let (ann, _) = testbed.enter("user-ann", json!({})).await;
    let (bob, mut at_bob) = testbed.enter("user-bob", json!({})).await;
    let (eve, _) = testbed.enter("user-eve", json!({})).await;
    let (began, begun) = tokio::sync::oneshot::channel();
    let began = std::sync::Arc::new(std::sync::Mutex::new(Some(began)));
    let never = async move |_, _: Value| -> Result<(), RpError> {
        began.lock().expect("no panic").take().expect("one call").send(()).expect("a test waits");
        std::future::pending().await
    };
    bob.register("never", never).unwrap();
    let payload = json!({"id": id(&bob).await, "rp": "never"});
    let mut calling = tokio::spawn(async move { call(&ann, "call-device", payload).await });
    soon(begun).await.expect("the call comes");
    soon(eve.close("bye")).await;
    let early = tokio::time::timeout(Duration::from_millis(200), &mut calling).await;
    assert!(early.is_err(), "{early:?}");
    soon(bob.close("enough")).await;
    assert_eq!(soon(at_bob.next_like("closed")).await, "closed 1000 enough");
    let called = soon(calling).await.unwrap().unwrap();
    let details = json!({"code": 1000, "reason": "enough", "disconnected": [1000, "enough"]});
    assert_eq!(called, json!({"err": {"code": "wse.client.rp.disconnect", "details": details}}));
    testbed.terminate().await;
}
