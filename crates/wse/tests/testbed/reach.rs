//! What reaches other devices by an address, from outside.

use crate::ask;
use serde_json::{Value, json};
use std::{io, sync::Arc};
use tokio::{net::TcpStream, sync::Semaphore};
use wse::{Backoff, Client};
use wse_test_peers::{Events, events, programs::Testbed};

async fn id(client: &Client) -> Value {
    ask(client, "me", json!(null)).await["id"].clone()
}

/// Two devices of one user, which answer `size` with a number each.
async fn two_devices(testbed: &Testbed) -> [(Client, Events, Value); 2] {
    let mut devices = Vec::new();
    for number in [1, 2] {
        let (client, events) = testbed.enter("user-ann", json!({})).await;
        client.register("size", async move |_, ()| Ok(number)).expect("it has none yet");
        let id = id(&client).await;
        devices.push((client, events, id));
    }
    devices.try_into().unwrap_or_else(|_| unreachable!("there are two"))
}

#[tokio::test]
async fn all_devices_of_a_user_are_asked_and_each_is_named_with_its_answer() {
    let testbed = Testbed::start(&["--conns-per-user", "2"]).await;
    let [(one, _at_one, first), (two, _at_two, second)] = two_devices(&testbed).await;
    let request =
        |want: Value| json!({"cid": "user-ann", "rp": "size", "payload": null, "want": want, "within_ms": 5000});
    let all = ask(&one, "ask", request(json!("all"))).await;
    let mut all = all.as_array().cloned().expect("a list");
    all.sort_by_key(|answer| answer["ok"].as_u64());
    assert_eq!(all, [json!({"id": first, "ok": 1}), json!({"id": second, "ok": 2})]);
    two.unregister("size").expect("it is registered");
    assert_eq!(ask(&one, "ask", request(json!("first"))).await, json!([{"id": first, "ok": 1}]));
    assert_eq!(ask(&one, "ask", request(json!(2))).await, json!([{"id": first, "ok": 1}]));
    let failed = ask(&one, "ask", request(json!("all"))).await;
    let codes: Vec<&Value> = failed.as_array().expect("a list").iter().map(|answer| &answer["err"]["code"]).collect();
    assert!(codes.contains(&&json!("wse.server.rp.not-registered")), "{failed}");
    testbed.terminate().await;
}

#[tokio::test]
async fn a_message_reaches_one_device_and_the_sender_learns_whether_it_arrived() {
    let testbed = Testbed::start(&["--conns-per-user", "2"]).await;
    let [(one, mut at_one, _first), (_two, mut at_two, second)] = two_devices(&testbed).await;
    one.send("to-device", json!({"id": second, "type": "m", "payload": 1})).expect("connected");
    assert_eq!(at_two.next_like("ignored m").await, "ignored m 1");
    assert_eq!(at_one.next_like("ignored sent").await, r#"ignored sent {"elsewhere":0,"here":1}"#);
    let sent = |id: &Value| json!({"id": id, "type": "m", "payload": 2, "within_ms": 200});
    assert_eq!(ask(&one, "delivered", sent(&second)).await, "wse.client.ws-error", "without a session nobody knows");
    let wrong = one.call::<_, Value>("delivered", sent(&json!("no id"))).await;
    assert_eq!(wrong.expect_err("it is none").code(), "no-device-id");
    testbed.terminate().await;
}

#[tokio::test]
async fn of_what_waits_for_a_device_in_a_tunnel_only_the_latest_is_delivered() {
    let mut testbed = Testbed::start(&[]).await;
    let (ann, _at_ann) = testbed.enter("user-ann", json!({})).await;
    let (when, mut at_bob) = events();
    let way = Arc::new(Semaphore::new(1)); // one permit for each dial
    let address = testbed.addr.clone();
    let bob = Client::builder(&testbed.url("/")).identity("user-bob").when(when).reconnect(Backoff::default());
    let bob = bob.dial({
        let way = way.clone();
        async move |_| {
            way.acquire().await.map_err(io::Error::other)?.forget();
            TcpStream::connect(address).await
        }
    });
    let bob = bob.connect().await.expect("the testbed lets it in");
    bob.send("cut", ()).expect("connected");
    testbed.program.event("parked").await;
    for n in 1..=50 {
        let latest = json!({"to": {"cid": "user-bob"}, "key": 7, "type": "at", "payload": n});
        ann.send("latest", latest).expect("connected");
    }
    assert_eq!(ask(&ann, "sleep", json!(0)).await, 0, "it was handled behind them");
    way.add_permits(1);
    assert_eq!(at_bob.next_like("ignored").await, "ignored at 50");
    ann.send("to-user", json!({"cid": "user-bob", "type": "end", "payload": null})).expect("connected");
    assert_eq!(at_bob.next_like("ignored").await, "ignored end null");
    testbed.terminate().await;
}
