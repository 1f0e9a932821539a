//! What every bus has to pass with its engine. Each check has an engine of its own.

use crate::bus::{
    engine::Engine,
    node::{Node, PATIENCE, until},
};
use bytes::Bytes;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    runtime::Builder,
    task::block_in_place,
    time::{Instant, sleep, timeout},
};
use wse::cluster::{NodeId, To};

/// A short time, in which something that must not happen would.
const MOMENT: Duration = Duration::from_millis(300);

/// So many nodes of one engine, all of them linked.
async fn nodes<E: Engine>(engine: &E, count: u64) -> Vec<Node> {
    let nodes: Vec<Node> = (1..=count).map(|number| Node::start(engine.bus(), number)).collect();
    for node in &nodes {
        node.linked().await;
    }
    nodes
}

/// What is for one node comes to it alone, what is for all comes to all, the sender too; from and to each of eight.
pub async fn datagrams_reach_those_they_are_for(engine: impl Engine) {
    let nodes = nodes(&engine, 8).await;
    for from in &nodes {
        for to in &nodes {
            from.reach(to, "here").await; // where subscriptions take a while to be known everywhere
        }
    }
    sleep(MOMENT).await;
    nodes.iter().for_each(|node| drop(node.take()));
    for from in &nodes {
        from.publish(To::All, format!("{} to all", from.id));
        for to in &nodes {
            from.publish(To::Node(to.id), format!("{} to {}", from.id, to.id));
        }
    }
    for node in &nodes {
        let came = node.next(16).await;
        let came: BTreeSet<&str> = came.iter().map(|bytes| std::str::from_utf8(bytes).expect("text")).collect();
        let wanted: Vec<String> = nodes
            .iter()
            .flat_map(|from| [format!("{} to all", from.id), format!("{} to {}", from.id, node.id)])
            .collect();
        assert_eq!(came, wanted.iter().map(String::as_str).collect());
    }
    sleep(MOMENT).await;
    assert!(nodes.iter().all(|node| node.take().is_empty()), "something came twice");
}

/// The largest and the smallest datagram, and every byte.
pub async fn datagrams_of_every_size_come_whole(engine: impl Engine) {
    let nodes = nodes(&engine, 2).await;
    nodes[0].reach(&nodes[1], "here").await;
    sleep(MOMENT).await;
    nodes[1].take();
    for size in [1, 255, 256, 4_096, 65_535, 65_536] {
        let datagram: Vec<u8> = (0..size).map(|at: usize| (at % 251) as u8 ^ (at / 251) as u8).collect();
        for to in [To::Node(nodes[1].id), To::All] {
            nodes[0].publish(to, datagram.clone());
            assert!(nodes[1].next(1).await == [&datagram[..]], "{size} bytes");
        }
    }
}

/// Datagrams of one node to another come in order and none twice.
pub async fn datagrams_come_in_order(engine: impl Engine) {
    let nodes = nodes(&engine, 2).await;
    nodes[0].reach(&nodes[1], "here").await;
    sleep(MOMENT).await;
    nodes[1].take();
    for number in 0..5_000_u32 {
        nodes[0].publish(To::Node(nodes[1].id), Bytes::copy_from_slice(&number.to_be_bytes()));
    }
    nodes[0].reach(&nodes[1], "last").await;
    let came = nodes[1].take();
    let numbers: Vec<u32> =
        came.iter().filter_map(|bytes| Some(u32::from_be_bytes((&bytes[..]).try_into().ok()?))).collect();
    let numbers: Vec<u32> = numbers.into_iter().filter(|number| *number < 5_000).collect(); // without the word "last"
    assert!(numbers.is_sorted_by(|one, next| one < next), "out of order, or twice");
    assert!(numbers.len() > 2_500, "{} of 5,000 came", numbers.len());
}

/// A node that is not there, or not any more, is told of; one that is there is not.
pub async fn nobody_at_an_inbox_is_told_at_once(engine: impl Engine) {
    let mut nodes = nodes(&engine, 3).await;
    for node in &nodes[1..] {
        nodes[0].reach(node, "here").await;
    }
    sleep(MOMENT).await;
    assert!(nodes.iter().all(|node| !nodes[0].is_told_of(node.id) || node.id == nodes[0].id));
    let stranger = NodeId::new(99);
    nodes[0].publish(To::Node(stranger), "who is there");
    until("a hint", || nodes[0].is_told_of(stranger)).await;
    let gone = nodes.remove(2);
    let id = gone.id;
    gone.end().await;
    until("a hint of who has gone", || {
        nodes[0].publish(To::Node(id), "still there");
        nodes[0].is_told_of(id)
    })
    .await;
    assert!(!nodes[0].is_told_of(nodes[1].id));
}

/// An engine that is killed and started again: the link goes down and up, and nothing that was ordered in between
/// comes late.
pub async fn an_engine_that_is_killed_comes_back(mut engine: impl Engine) {
    let nodes = nodes(&engine, 3).await;
    for round in 0..2 {
        engine.kill();
        for node in &nodes {
            node.unlinked().await;
        }
        nodes.iter().for_each(|node| drop(node.take()));
        for _ in 0..500 {
            nodes[0].publish(To::Node(nodes[1].id), "stale");
            nodes[0].publish(To::All, "stale");
        }
        sleep(MOMENT).await;
        engine.restart();
        for node in &nodes {
            node.linked().await;
        }
        for from in &nodes {
            for to in &nodes {
                from.reach(to, &format!("round {round} of {}", from.id)).await;
            }
        }
        assert!(nodes.iter().all(|node| !node.has(b"stale")), "kept while the engine was away");
    }
    assert!(nodes.iter().all(|node| node.links() == [true, false, true, false, true]));
}

/// An engine that stands still for some seconds: nothing ends, and datagrams come again afterwards.
pub async fn an_engine_that_stops_for_a_while_is_waited_for(mut engine: impl Engine) {
    let nodes = nodes(&engine, 2).await;
    nodes[0].reach(&nodes[1], "before").await;
    engine.stop();
    for _ in 0..60 {
        nodes[0].publish(To::Node(nodes[1].id), vec![7; 60_000]);
        nodes[0].publish(To::All, vec![7; 60_000]);
        sleep(Duration::from_millis(50)).await;
    }
    engine.resume();
    nodes[0].reach(&nodes[1], "after").await;
    nodes[1].reach(&nodes[0], "after").await;
    assert!(nodes.iter().all(Node::is_running));
}

/// A bus that is started before its engine.
pub async fn an_engine_may_come_later(mut engine: impl Engine) {
    engine.kill();
    let nodes: Vec<Node> = (1..=2).map(|number| Node::start(engine.bus(), number)).collect();
    sleep(Duration::from_secs(1)).await;
    assert!(nodes.iter().all(|node| node.links().is_empty()));
    engine.restart();
    let start = Instant::now();
    for node in &nodes {
        node.linked().await;
    }
    assert!(start.elapsed() < Duration::from_secs(10));
    nodes[0].reach(&nodes[1], "here").await;
}

/// The order to connect again is followed, and said.
pub async fn a_bus_connects_again_when_it_is_told_to(engine: impl Engine) {
    let nodes = nodes(&engine, 2).await;
    nodes[0].reconnect();
    until("the link was down and is up", || nodes[0].links() == [true, false, true]).await;
    nodes[0].reach(&nodes[1], "there").await;
    nodes[1].reach(&nodes[0], "back").await;
    assert_eq!(nodes[1].links(), [true]);
}

/// The bus ends with its server, while its engine is there and while it is not. What was ordered before is sent.
pub async fn a_bus_ends_with_its_server(mut engine: impl Engine) {
    let mut nodes = nodes(&engine, 3).await;
    nodes[2].reach(&nodes[0], "here").await;
    let last = nodes.remove(2);
    last.publish(To::Node(nodes[0].id), "goodbye");
    last.end().await;
    until("a goodbye", || nodes[0].has(b"goodbye")).await;
    engine.kill();
    nodes[0].unlinked().await;
    for node in nodes {
        timeout(PATIENCE / 4, node.end()).await.expect("at once");
    }
}

/// A node whose reader stands still for some seconds is not read for: what comes then is kept by nobody without a
/// bound, and the node is reached again afterwards.
pub async fn a_reader_that_stands_still_is_not_read_for(engine: impl Engine) {
    const FLOOD: usize = 400 << 20;
    let still = Arc::new(AtomicBool::new(false));
    let held = Arc::clone(&still);
    // of its own, so that only the reader stands still
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime");
    let reader = Node::start_on(runtime.handle(), engine.bus(), 2, move |_| {
        while held.load(Ordering::Relaxed) {
            // the library's own tasks go on
            block_in_place(|| std::thread::sleep(Duration::from_millis(5)));
        }
    });
    let writer = Node::start(engine.bus(), 1);
    reader.linked().await;
    writer.linked().await;
    writer.reach(&reader, "before").await;
    still.store(true, Ordering::Relaxed);
    // from 16 KiB on Valkey counts no copy of it among what waits for a reader
    let datagram = Bytes::from(vec![7; 12 << 10]);
    for number in 0..FLOOD / datagram.len() {
        writer.publish(To::Node(reader.id), datagram.clone());
        if number % 64 == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }
    writer.reach(&writer, "all written").await;
    sleep(Duration::from_secs(1)).await;
    still.store(false, Ordering::Relaxed);
    writer.reach(&reader, "after").await;
    // All that somebody has kept comes now: a library without a bound would have kept everything.
    let came = reader.take().iter().map(Bytes::len).sum::<usize>();
    assert!(came < FLOOD / 2, "{} MiB had been kept", came >> 20);
    runtime.shutdown_background();
}

/// The checks as tests, of an engine that `$start` starts.
#[macro_export]
macro_rules! bus_checks {
    ($start:expr; $($check:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                $crate::bus::checks::$check($start).await;
            }
        )*
    };
}
