//! Calls to devices of other servers: each ends once, and its device is told when nobody waits any more.

use crate::nodes::{Node, S, nodes};
use futures_util::{FutureExt, future::join_all};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{task::JoinHandle, time::sleep};
use wse::{CallError, DeviceId};
use wse_test::Bus;
use wse_test_peers::{RawClient, enter_able, settle, soon, timed};

/// A device at a node, which can be told of cancels.
async fn device(node: &Node) -> (RawClient, DeviceId) {
    let peer = enter_able(&node.server, "ann", &["cancel"]).await;
    sleep(S).await;
    (peer, node.server.user("ann").conns()[0].id())
}

fn call(node: &Node, device: DeviceId, within: Duration) -> JoinHandle<Result<Value, CallError>> {
    let device = node.server.device(device);
    tokio::spawn(async move { device.call_within(within, "rp", 7).await })
}

#[tokio::test(start_paused = true)]
async fn a_device_of_another_node_answers_and_many_calls_at_once_all_end() {
    let bus = Bus::new();
    // Not at the calling node, which would be deaf when it loses two beats of its own.
    bus.faults().latency(S / 100).repeat(0.1).node("b").lose(0.1);
    let [a, b] = nodes(&bus, ["a", "b"], 1).await;
    let (mut peer, ann) = device(&b).await;
    let calling = call(&a, ann, 20 * S);
    let asked = peer.json().await;
    assert_eq!(json!([asked[0], asked[1]]), json!(["rp", 7]));
    peer.send(&json!(["~wse:response", "well", asked[2]]).to_string()).await;
    assert_eq!(soon(calling).await.unwrap().unwrap(), "well");

    let calls = join_all((0..2000).map(|_| call(&a, ann, 20 * S)));
    let answers = async {
        sleep(S).await;
        while let Some(asked) = peer.json().now_or_never() {
            peer.send(&json!(["~wse:response", asked[1], asked[2]]).to_string()).await;
            tokio::task::yield_now().await;
        }
        peer.hears_nothing().await;
    };
    let (ended, ()) = soon(async { tokio::join!(calls, answers) }).await;
    let (answered, failed): (Vec<_>, Vec<_>) = ended.into_iter().map(Result::unwrap).partition(Result::is_ok);
    assert!(answered.len() >= 1000, "{}", answered.len());
    assert!(failed.iter().all(|call| matches!(call, Err(CallError::Busy))), "one too many at the device: {failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_future_is_dropped_and_one_of_a_node_that_is_gone_are_cancelled_at_the_device() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 1).await;
    let (mut peer, ann) = device(&b).await;
    let calling = call(&a, ann, 99 * S);
    let asked = peer.json().await;
    calling.abort();
    let (waited, told) = timed(peer.json()).await;
    assert_eq!(told, json!(["~wse:cancel", null, asked[2]]));
    assert!(waited < S, "{waited:?}");

    let (waited, ended) = timed(call(&a, ann, S / 2)).await;
    assert!(matches!(ended, Ok(Err(CallError::TimedOut))), "{ended:?}");
    assert!((S / 2..S).contains(&waited), "not when the node has something else to do: {waited:?}");
    let asked = peer.json().await;
    assert_eq!(peer.json().await, json!(["~wse:cancel", null, asked[2]]));

    let _calling = call(&a, ann, 99 * S);
    let asked = peer.json().await;
    bus.faults().node("a").kill();
    let (waited, told) = timed(peer.json()).await;
    assert_eq!(told, json!(["~wse:cancel", null, asked[2]]));
    assert!(waited < 14 * S, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_when_the_other_node_is_lost_or_when_this_one_is_cut_off_or_leaves() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 1).await;
    let (mut peer, ann) = device(&b).await;
    let calling = call(&a, ann, 99 * S);
    peer.json().await;
    bus.faults().node("b").kill();
    let (waited, ended) = timed(calling).await;
    assert!(matches!(ended, Ok(Err(CallError::NodeLost))), "{ended:?}");
    assert!(waited < 14 * S, "{waited:?}");

    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 1).await;
    let (mut peer, ann) = device(&b).await;
    bus.down();
    settle().await;
    let (waited, ended) = timed(call(&a, ann, 99 * S)).await;
    assert!(matches!(ended, Ok(Err(CallError::Unreachable))), "{ended:?}");
    assert!(waited < S, "{waited:?}");

    bus.up();
    sleep(S).await;
    let calling = call(&a, ann, 99 * S);
    peer.json().await;
    a.server.shutdown(S).await;
    let (waited, ended) = timed(calling).await;
    assert!(matches!(ended, Ok(Err(_))), "{ended:?}");
    assert!(waited < S, "{waited:?}");
    let (waited, ended) = timed(call(&a, ann, 99 * S)).await;
    assert!(matches!(ended, Ok(Err(_))) && waited < S, "{ended:?} after {waited:?}");
}
