//! Who has joined and who has left: told once, by one node, for all of them.

use crate::nodes::{S, nodes, reports};
use tokio::time::sleep;
use wse_test::Bus;
use wse_test_peers::{enter, settle};

#[tokio::test(start_paused = true)]
async fn a_user_joins_once_and_leaves_once_however_many_nodes_have_devices() {
    let bus = Bus::new();
    let [mut a, mut b, mut c] = nodes(&bus, ["a", "b", "c"], 9).await;
    for turn in 0..5 {
        let first = enter(&a.server, "ann").await;
        sleep(S).await;
        assert_eq!(reports([&mut a, &mut b, &mut c]), ["joined ann"], "turn {turn}");
        let (second, mut third) = (enter(&b.server, "ann").await, enter(&c.server, "ann").await);
        sleep(S).await;
        first.leave().await;
        second.leave().await;
        sleep(30 * S).await;
        assert!(reports([&mut a, &mut b, &mut c]).is_empty(), "one is left");
        third.close(1000, "tea").await;
        sleep(S).await;
        assert_eq!(reports([&mut a, &mut b, &mut c]), ["left ann 1000 tea"], "a goodbye leaves no doubt");
    }
}

#[tokio::test(start_paused = true)]
async fn two_first_devices_at_two_nodes_at_one_moment_are_one_joined() {
    let bus = Bus::new();
    let [mut a, mut b, mut c] = nodes(&bus, ["a", "b", "c"], 9).await;
    bus.faults().latency(S / 20);
    let mut users = Vec::new();
    for user in 0..30 {
        let name = format!("user {user}");
        users.push((enter(&a.server, &name).await, enter(&b.server, &name).await));
    }
    sleep(S).await;
    let mut joined = reports([&mut a, &mut b, &mut c]);
    assert_eq!(joined.len(), 30);
    joined.sort();
    joined.dedup();
    assert_eq!(joined.len(), 30, "each once");
    for (at_a, at_b) in users {
        at_a.leave().await;
        at_b.leave().await;
    }
    sleep(S).await;
    let mut left = reports([&mut a, &mut b, &mut c]);
    left.sort();
    left.dedup();
    assert_eq!(left.len(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_counts_as_left_after_the_grace_unless_the_user_is_back_elsewhere() {
    let bus = Bus::new();
    let [mut a, mut b] = nodes(&bus, ["a", "b"], 9).await;
    let ann = enter(&a.server, "ann").await;
    sleep(S).await;
    drop(ann); // no close frame: 1006
    sleep(14 * S).await;
    assert_eq!(reports([&mut a, &mut b]), ["joined ann"]);
    let ann = enter(&b.server, "ann").await;
    sleep(30 * S).await;
    assert!(reports([&mut a, &mut b]).is_empty(), "she was back in time");
    drop(ann);
    sleep(14 * S).await;
    assert!(reports([&mut a, &mut b]).is_empty());
    sleep(2 * S).await;
    assert_eq!(reports([&mut a, &mut b]), ["left ann 1006"]);
}

#[tokio::test(start_paused = true)]
async fn connected_and_disconnected_are_told_where_the_device_is_and_nowhere_else() {
    let bus = Bus::new();
    let [mut a, mut b] = nodes(&bus, ["a", "b"], 9).await;
    let ann = enter(&a.server, "ann").await;
    settle().await;
    ann.leave().await;
    sleep(S).await;
    let of_devices = ["connected", "disconnected"];
    assert_eq!(a.told_of(&of_devices).len(), 2);
    assert!(b.told_of(&of_devices).is_empty());
}
