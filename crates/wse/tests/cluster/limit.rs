//! The limit of devices, over all nodes: the newest stay, and each of the others is closed once.

use crate::nodes::{S, nodes};
use serde_json::json;
use tokio::time::sleep;
use wse_test::Bus;
use wse_test_peers::{Got, begin, enter, resume, server, settle};

fn one_too_many() -> (u16, String) {
    (1000, "wse.clients-concurrency".to_owned())
}

#[tokio::test(start_paused = true)]
async fn of_two_devices_at_two_nodes_the_newer_stays() {
    let bus = Bus::new();
    let [mut a, mut b] = nodes(&bus, ["a", "b"], 1).await;
    for _ in 0..3 {
        let mut old = enter(&a.server, "ann").await;
        settle().await;
        let mut new = enter(&b.server, "ann").await;
        assert_eq!(old.closed().await, one_too_many());
        settle().await;
        let newest = enter(&a.server, "ann").await;
        assert_eq!(new.closed().await, one_too_many());
        newest.leave().await;
        settle().await;
    }
    assert_eq!((a.server.conn_count(), b.server.conn_count()), (0, 0));
    let reasons = |told: Vec<String>| told.iter().filter(|line| line.contains("clients-concurrency")).count();
    assert_eq!((reasons(a.told_of(&["disconnected"])), reasons(b.told_of(&["disconnected"]))), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn of_many_devices_over_three_nodes_so_many_are_left_and_they_are_the_newest() {
    let bus = Bus::new();
    bus.faults().latency(S / 100);
    let nodes = nodes(&bus, ["a", "b", "c"], 2).await;
    let mut devices = Vec::new();
    for turn in 0..9 {
        devices.push(enter(&nodes[turn % 3].server, "ann").await);
        sleep(S / 10).await;
    }
    let here: usize = nodes.iter().map(|node| node.server.user("ann").conns().len()).sum();
    assert_eq!(here, 2);
    let newest = devices.split_off(7);
    for mut device in devices {
        assert_eq!(device.closed().await, one_too_many());
    }
    assert_eq!((nodes[1].server.user("ann").conns().len(), nodes[2].server.user("ann").conns().len()), (1, 1));
    drop(newest);
}

#[tokio::test(start_paused = true)]
async fn devices_that_came_to_nodes_that_did_not_hear_each_other_are_counted_when_they_do() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 1).await;
    bus.down();
    let mut old = enter(&a.server, "ann").await;
    sleep(S).await;
    std::thread::sleep(S / 100); // which of them is newer is a matter of the wall clock then
    let mut new = enter(&b.server, "ann").await;
    sleep(30 * S).await;
    assert_eq!((a.server.user("ann").conns().len(), b.server.user("ann").conns().len()), (1, 1));
    bus.up();
    assert_eq!(old.closed().await, one_too_many());
    new.hears_nothing().await;
    assert_eq!(b.server.user("ann").conns().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_may_be_stale_takes_no_place_at_another_node_until_it_shows_that_it_is_there() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 1).await;
    let (_, lost) = begin(&server(|builder| builder), "ann", json!({})).await;
    let mut live = enter(&a.server, "ann").await;
    settle().await;
    let (mut stale, granted) = resume(&b.server, "ann", &lost["session"], 0).await;
    assert_eq!(granted["resumed"], false);
    let Got::Ping(mark) = stale.next().await else { panic!("it is asked whether it is there") };
    sleep(S).await;
    live.hears_nothing().await;
    assert_eq!(a.server.user("ann").conns().len(), 1);
    stale.frame(wse_frame::Opcode::Pong, &mark).await;
    assert_eq!(live.closed().await, one_too_many(), "it was there: it is the newer one");
    assert_eq!(b.server.user("ann").conns().len(), 1);
}
