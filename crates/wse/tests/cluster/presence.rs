//! Who is there, as each node knows it of all of them.

use crate::nodes::{S, nodes};
use serde_json::json;
use std::collections::BTreeMap;
use tokio::time::sleep;
use wse::presence::Status;
use wse_test::Bus;
use wse_test_peers::{begin, enter, resent, resume, settle};

#[tokio::test(start_paused = true)]
async fn users_and_devices_are_counted_over_all_nodes() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 9).await;
    let here = enter(&a.server, "ann").await;
    let there = enter(&b.server, "ann").await;
    let bob = enter(&b.server, "bob").await;
    settle().await;
    for node in [&a, &b] {
        let server = &node.server;
        assert_eq!((server.user_count(), server.conn_count()), (2, 3));
        let mut users: Vec<String> = server.users().iter().map(ToString::to_string).collect();
        users.sort();
        assert_eq!(users, ["ann", "bob"]);
        let ann = server.user("ann");
        assert_eq!((ann.conn_count(), ann.conns().len()), (2, 1));
        let devices = ann.devices();
        assert_eq!(
            devices.iter().map(|device| device.node().unwrap()).collect::<Vec<_>>(),
            [a.id(), b.id()],
            "the oldest first"
        );
        assert_eq!(devices.iter().filter(|device| device.conn().is_some()).count(), 1);
    }
    here.leave().await;
    there.leave().await;
    bob.leave().await;
    settle().await;
    assert_eq!((a.server.user_count(), b.server.conn_count(), a.server.user("ann").devices().len()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_user_is_online_away_and_offline_by_its_devices_at_all_nodes() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 9).await;
    let presence = [a.server.presence(), b.server.presence()];
    let mut changes = presence[0].watch(["ann"]);
    let both = || presence.each_ref().map(|presence| presence.status(&"ann".into()));
    let mut next = async || changes.next().await.expect("a change").status;
    assert_eq!((next().await, both()), (Status::Offline, [Status::Offline; 2]));
    let (there, granted) = begin(&b.server, "ann", json!({})).await;
    assert_eq!((next().await, both()), (Status::Online, [Status::Online; 2]));
    drop(there);
    assert_eq!((next().await, both()), (Status::Away, [Status::Away; 2]));
    let here = enter(&a.server, "ann").await;
    assert_eq!((next().await, both()), (Status::Online, [Status::Online; 2]));
    // The device here is lost without a goodbye, and the parked one there remains.
    drop(here);
    assert_eq!(next().await, Status::Away);
    settle().await;
    assert_eq!((both(), presence.each_ref().map(|it| it.count())), ([Status::Away; 2], [1, 1]), "and counts once");
    let (mut there, _) = resume(&b.server, "ann", &granted["session"], 0).await;
    assert_eq!((next().await, both()), (Status::Online, [Status::Online; 2]));
    assert_eq!(resent(&mut there).await.len(), 0);
    assert_eq!(a.server.user("ann").drop("bye"), 1, "a goodbye");
    assert_eq!((next().await, both()), (Status::Offline, [Status::Offline; 2]));
    // Without a goodbye it is away for the grace, as every node knows.
    let there = enter(&b.server, "ann").await;
    assert_eq!(next().await, Status::Online);
    drop(there);
    assert_eq!(next().await, Status::Away);
    settle().await;
    assert_eq!((both(), presence.each_ref().map(|it| it.count())), ([Status::Away; 2], [1, 1]));
    sleep(14 * S).await;
    assert_eq!(both(), [Status::Away; 2]);
    sleep(2 * S).await;
    assert_eq!((next().await, both()), (Status::Offline, [Status::Offline; 2]));
    assert_eq!(presence.each_ref().map(|it| it.count()), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_devices_of_a_node_that_dies_leave_with_the_grace() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 9).await;
    let presence = a.server.presence();
    let _ann = enter(&b.server, "ann").await;
    settle().await;
    assert_eq!(presence.status(&"ann".into()), Status::Online);
    bus.faults().node("b").kill();
    sleep(12 * S).await;
    assert_eq!(presence.status(&"ann".into()), Status::Away);
    sleep(16 * S).await;
    assert_eq!(presence.status(&"ann".into()), Status::Offline);
}

#[tokio::test(start_paused = true)]
async fn every_user_of_all_nodes_stands_on_one_page() {
    let bus = Bus::new();
    let [a, b] = nodes(&bus, ["a", "b"], 9).await;
    let mut devices = Vec::new();
    for number in 0..20 {
        devices.push(enter(&a.server, &format!("a{number}")).await);
        devices.push(enter(&b.server, &format!("b{number}")).await);
        devices.push(enter([&a.server, &b.server][number % 2], &format!("a{}", 19 - number)).await);
    }
    let (parked, _) = begin(&b.server, "parked", json!({})).await;
    drop(parked);
    let presence = a.server.presence();
    drop(enter(&b.server, "lingering").await);
    settle().await;
    for limit in [1, 7, 42, 100] {
        let (mut all, mut after) = (BTreeMap::new(), None);
        loop {
            let page = presence.list(after.as_ref(), limit);
            for (cid, status) in &page {
                assert!(all.insert(cid.to_string(), *status).is_none(), "{cid} stands on two pages");
            }
            if page.len() < limit {
                break;
            }
            after = page.into_iter().last().map(|(cid, _)| cid);
        }
        assert_eq!((all.len(), all["parked"], all["lingering"]), (42, Status::Away, Status::Away));
        assert_eq!(all.values().filter(|status| **status == Status::Online).count(), 40);
    }
    assert_eq!(presence.count(), 42);
}
