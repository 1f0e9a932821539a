//! Which nodes are there: they find each other, leave, are lost, and come back.

use crate::nodes::{READY, S, node, node_with, nodes, reports};
use tokio::time::sleep;
use wse::cluster::ClusterOptions;
use wse_test::Bus;
use wse_test_peers::{enter, settle};

#[tokio::test(start_paused = true)]
async fn nodes_of_one_cluster_find_each_other_with_their_names() {
    let bus = Bus::new();
    let mut a = node(&bus, "a", 1);
    settle().await;
    assert_eq!((a.names(), a.is_connected()), (vec!["a".to_owned()], true));
    assert_eq!(a.told(), ["Cluster(Back)"], "it hears itself");
    let (b, c) = (node(&bus, "b", 1), node(&bus, "c", 1));
    sleep(3 * S).await;
    for node in [&a, &b, &c] {
        assert_eq!(node.names(), ["a", "b", "c"]);
    }
    let mut told = a.told_of(&["Cluster"]);
    told.sort();
    let mut up = [b.id(), c.id()].map(|node| format!("Cluster(Up({node:?}))"));
    up.sort();
    assert_eq!(told, up);
}

#[tokio::test(start_paused = true)]
async fn clusters_of_different_names_on_one_bus_do_not_meet() {
    let bus = Bus::new();
    let a = node(&bus, "a", 1);
    let options = ClusterOptions::new().name("other").node("b");
    let b = node_with(bus.node("b"), "", |builder| builder.cluster_options(options));
    sleep(READY).await;
    assert_eq!((a.names(), b.names()), (vec!["a".to_owned()], vec!["b".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_shuts_down_says_goodbye_and_so_does_one_that_is_dropped() {
    let bus = Bus::new();
    let [mut a, b, c] = nodes(&bus, ["a", "b", "c"], 1).await;
    let (b_id, c_id) = (b.id(), c.id());
    b.server.shutdown(S).await;
    settle().await;
    assert_eq!(a.told_of(&["Cluster"]), [format!("Cluster(Down({b_id:?}, Bye))")]);
    drop(c);
    settle().await;
    assert_eq!(a.told_of(&["Cluster"]), [format!("Cluster(Down({c_id:?}, Bye))")]);
    assert_eq!(a.names(), ["a"]);
    assert!(b.names().contains(&"b".to_owned()), "it can be asked still");
}

#[tokio::test(start_paused = true)]
async fn a_killed_node_is_buried_and_its_users_have_left() {
    let bus = Bus::new();
    let [mut a, mut b, mut c] = nodes(&bus, ["a", "b", "c"], 1).await;
    let _ann = enter(&b.server, "ann").await;
    sleep(S).await;
    assert_eq!(reports([&mut a, &mut b, &mut c]), ["joined ann"]);
    let b_id = b.id();
    bus.faults().node("b").kill();
    sleep(2 * S).await;
    assert_eq!(a.names().len(), 3, "it may be back");
    sleep(9 * S).await;
    for node in [&mut a, &mut c] {
        assert_eq!(node.names(), ["a", "c"]);
        assert_eq!(node.told_of(&["Cluster"]), [format!("Cluster(Down({b_id:?}, Silent))")]);
    }
    sleep(10 * S).await;
    assert!(reports([&mut a, &mut c]).is_empty(), "ann may be back elsewhere");
    sleep(10 * S).await;
    assert_eq!(reports([&mut a, &mut c]), ["left ann 1006"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_starts_again_replaces_its_predecessor_at_once() {
    let bus = Bus::new();
    let [mut a, b] = nodes(&bus, ["a", "b"], 1).await;
    let before = b.id();
    bus.faults().node("b").kill();
    let again = node(&bus, "b", 1);
    sleep(S).await;
    assert_eq!(a.names(), ["a", "b"]);
    let told = a.told_of(&["Cluster"]);
    assert!(told.contains(&format!("Cluster(Down({before:?}, Replaced))")), "{told:?}");
    assert!(told.contains(&format!("Cluster(Up({:?}))", again.id())), "{told:?}");
    assert_eq!(told.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_half_open_notices_and_buries_nobody() {
    let bus = Bus::new();
    let [mut a, mut b, mut c] = nodes(&bus, ["a", "b", "c"], 1).await;
    bus.faults().node("b").cut();
    sleep(2 * S).await;
    assert!(b.is_connected(), "it has not noticed yet");
    sleep(5 * S).await;
    assert!(!b.is_connected());
    assert!(b.server.cluster().unwrap().stale_since().is_some_and(|since| since.elapsed() < 5 * S));
    assert_eq!(b.told_of(&["Cluster"]), ["Cluster(Deaf)"]);
    sleep(30 * S).await;
    assert!(bus.counts().reconnects >= 1, "its link seemed to be up, so it connects again");
    assert_eq!((b.names().len(), b.told().len()), (3, 0), "it declares nobody dead");
    for node in [&mut a, &mut c] {
        assert_eq!(node.told_of(&["Cluster"]), [format!("Cluster(Down({:?}, Silent))", b.id())]);
    }

    bus.faults().heal();
    sleep(3 * S).await;
    assert!(b.is_connected() && b.server.cluster().unwrap().stale_since().is_none());
    assert_eq!(b.told_of(&["Cluster(Back"]), ["Cluster(Back)"]);
    for node in [&a, &b, &c] {
        assert_eq!(node.names(), ["a", "b", "c"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_told_of_its_cut_is_deaf_at_once() {
    let bus = Bus::new();
    let [_a, mut b] = nodes(&bus, ["a", "b"], 1).await;
    bus.faults().node("b").cut_told();
    settle().await;
    assert_eq!((b.told(), b.is_connected()), (vec!["Cluster(Deaf)".to_owned()], false));
    bus.faults().node("b").heal();
    settle().await;
    assert_eq!((b.told(), b.is_connected()), (vec!["Cluster(Back)".to_owned()], true));
}

#[tokio::test(start_paused = true)]
async fn while_the_engine_is_down_local_devices_are_served_as_ever_and_nobody_is_buried() {
    let bus = Bus::new();
    let [mut a, mut b] = nodes(&bus, ["a", "b"], 2).await;
    let mut ann = enter(&a.server, "ann").await;
    sleep(S).await;
    for node in [&mut a, &mut b] {
        node.told();
    }
    bus.down();
    for _ in 0..30 {
        sleep(S).await;
        assert_eq!(a.server.user("ann").send("tick", 1).unwrap().here, 1);
        assert_eq!(ann.text().await, r#"["tick",1,null]"#);
        let bob = enter(&a.server, "bob").await;
        assert_eq!(a.server.user("bob").conns().len(), 1);
        bob.leave().await;
        settle().await;
    }
    for node in [&mut a, &mut b] {
        assert_eq!(node.told_of(&["Cluster", "joined", "left"]), ["Cluster(Deaf)"], "it reports nobody meanwhile");
    }
    bus.up();
    sleep(S).await;
    for node in [&mut a, &mut b] {
        assert_eq!(node.names(), ["a", "b"]);
        assert_eq!(node.told_of(&["Cluster"]), ["Cluster(Back)"]);
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_find_each_other_over_a_bus_that_loses_repeats_and_delays() {
    let bus = Bus::seeded(7);
    bus.faults().latency(S / 50).lose(0.05).repeat(0.2).late(0.2, S / 5);
    let [a, b, c] = nodes(&bus, ["a", "b", "c"], 1).await;
    sleep(120 * S).await;
    for mut node in [a, b, c] {
        assert_eq!(node.names(), ["a", "b", "c"]);
        assert_eq!(node.told_of(&["Cluster(Down"]), [""; 0], "none was ever missed");
    }
    let counts = bus.counts();
    assert!(counts.lost > 10 && counts.repeated > 50, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stood_still_for_long_is_back_with_its_devices_and_everybody_is_told_the_truth() {
    let bus = Bus::new();
    let [mut a, mut b, mut c] = nodes(&bus, ["a", "b", "c"], 9).await;
    let _ann = enter(&b.server, "ann").await;
    sleep(S).await;
    assert_eq!(reports([&mut a, &mut b, &mut c]), ["joined ann"]);
    bus.faults().node("b").pause();
    sleep(13 * S).await;
    for node in [&mut a, &mut c] {
        assert_eq!(node.told_of(&["Cluster"]), [format!("Cluster(Down({:?}, Silent))", b.id())]);
        assert_eq!(node.server.user_count(), 0, "who is there is not known");
    }
    bus.faults().node("b").heal();
    sleep(S).await;
    for node in [&a, &b, &c] {
        assert_eq!((node.names().len(), node.server.user_count()), (3, 1));
    }
    sleep(60 * S).await;
    assert!(reports([&mut a, &mut b, &mut c]).is_empty(), "she was back within the grace");
}

#[tokio::test(start_paused = true)]
async fn two_halves_of_an_engine_are_two_clusters_until_they_meet() {
    let bus = Bus::new();
    let [mut a, mut b, mut c] = nodes(&bus, ["a", "b", "c"], 9).await;
    let _ann = enter(&a.server, "ann").await;
    sleep(S).await;
    assert_eq!(reports([&mut a, &mut b, &mut c]), ["joined ann"]);
    bus.split(["a", "b"], ["c"]);
    sleep(60 * S).await;
    assert_eq!((a.names().len(), b.names().len(), c.names().len()), (2, 2, 1));
    assert!(a.is_connected() && c.is_connected(), "each half hears itself");
    assert!(reports([&mut a, &mut b]).is_empty());
    assert_eq!(reports([&mut c]), ["left ann 1006"]);
    bus.heal();
    sleep(60 * S).await;
    for node in [&a, &b, &c] {
        assert_eq!((node.names().len(), node.server.user_count()), (3, 1));
    }
    let last = reports([&mut a, &mut b, &mut c]).pop();
    assert_eq!(last.as_deref(), Some("joined ann"), "the last word is true");
}
