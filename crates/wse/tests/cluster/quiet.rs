//! What a cluster does while nothing happens, and what little things cost.

use crate::nodes::{S, nodes};
use tokio::{runtime::Handle, time::sleep};
use wse_test::Bus;
use wse_test_peers::{enter, settle};

#[tokio::test(start_paused = true)]
async fn nodes_to_which_nothing_happens_beat_and_sleep() {
    let bus = Bus::new();
    let _nodes = nodes(&bus, ["a", "b"], 1).await;
    sleep(60 * S).await;
    let (wakes, counts) = (Handle::current().metrics().worker_park_count(0), bus.counts());
    sleep(600 * S).await;
    let wakes = Handle::current().metrics().worker_park_count(0) - wakes;
    let carried = bus.counts().carried - counts.carried;
    assert!((1000..1500).contains(&carried), "a beat in two seconds for each of two, from each of two: {carried}");
    assert!(wakes < 3 * carried, "{wakes} times, for {carried} datagrams");
}

#[tokio::test(start_paused = true)]
async fn how_many_members_a_room_has_is_told_at_once_for_the_first_and_the_last_and_else_once_a_second() {
    const MANY: usize = 200;
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], MANY).await;
    let mut peers = Vec::new();
    for _ in 0..MANY {
        peers.push(enter(&a.server, "ann").await);
    }
    let (conns, tea) = (a.server.user("ann").conns(), b.server.room("tea"));
    conns[0].join("tea").unwrap();
    settle().await;
    assert_eq!(tea.count(), 1, "the first one");
    sleep(10 * S).await;

    let before = bus.counts();
    for turn in 0..10 {
        for conn in &conns[1..] {
            conn.join("tea").unwrap();
            settle().await;
            if turn < 9 {
                conn.leave("tea");
            }
            settle().await;
        }
    }
    sleep(2 * S).await;
    assert_eq!(tea.count(), MANY, "the last count is told too");
    let told = bus.counts().carried - before.carried;
    assert!(told < 60, "{told} datagrams for 4,000 changes in some 6 s");

    let leaving: Vec<_> = conns.iter().map(|conn| conn.leave("tea")).collect();
    assert!(leaving.into_iter().all(|left| left));
    settle().await;
    assert_eq!(tea.count(), 0, "the last one");
    sleep(2 * S).await;
    assert_eq!(tea.count(), 0, "and no count of before");
}
