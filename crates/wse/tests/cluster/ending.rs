//! How a node begins and ends, and that nothing of it is left.

use crate::nodes::{Node, READY, S, limits, node_with};
use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;
use wse::cluster::{Bus, Order, Port, Seat};
use wse_test_peers::{enter, server, settle, timed};

/// A bus that counts how many of it run, and carries nothing to anybody.
#[derive(Clone, Default)]
struct Alone(Arc<AtomicUsize>);

struct Runs(Arc<AtomicUsize>);

impl Drop for Runs {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Alone {
    fn running(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn run(&self) -> Runs {
        self.0.fetch_add(1, Ordering::SeqCst);
        Runs(self.0.clone())
    }
}

impl Bus for Alone {
    async fn run(self, _: Seat, mut port: Port) {
        let _runs = Alone::run(&self);
        port.link(true);
        while let Some(order) = port.next().await {
            if let Order::Publish(_, datagram) = order {
                port.arrived(datagram);
            }
        }
    }
}

/// A bus that does as a function says.
struct As<F>(F);

impl<F, Fut> Bus for As<F>
where
    F: FnOnce(Port) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    async fn run(self, _: Seat, port: Port) {
        self.0(port).await;
    }
}

fn alone(bus: impl Bus) -> Node {
    node_with(bus, "alone", |builder| builder.limits(limits(1)))
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_the_bus_and_so_does_dropping_the_last_handle() {
    let bus = Alone::default();
    let node = alone(bus.clone());
    let another = node.server.clone();
    settle().await;
    assert_eq!(bus.running(), 1, "build starts it within a runtime");
    drop(node);
    settle().await;
    assert_eq!(bus.running(), 1, "a handle is left");
    let (waited, ()) = timed(another.shutdown(S)).await;
    assert_eq!((bus.running(), waited < S), (0, true));

    let node = alone(bus.clone());
    let cluster = node.server.cluster().unwrap();
    settle().await;
    assert_eq!(bus.running(), 1);
    drop(node);
    settle().await;
    assert_eq!(bus.running(), 0);
    cluster.settled().await; // nothing is left to wait for
}

#[tokio::test(start_paused = true)]
async fn nothing_keeps_a_server_that_was_dropped() {
    for shuts_down in [true, false] {
        let bus = wse_test::Bus::new();
        let held = Arc::new(());
        let captured = held.clone();
        let node = |name| {
            let captured = captured.clone();
            node_with(bus.node(name), name, |builder| {
                builder.limits(limits(2)).on("it", async move |_, ()| {
                    let _captured = &captured;
                    Ok(())
                })
            })
        };
        let (a, b) = (node("a"), node("b"));
        drop(captured);
        sleep(READY).await;
        let (left, ann) = (enter(&a.server, "ann").await, enter(&b.server, "ann").await);
        left.leave().await;
        sleep(S).await;
        if shuts_down {
            a.server.shutdown(S).await;
        }
        drop((a, b, ann));
        sleep(60 * S).await;
        assert_eq!(Arc::strong_count(&held), 1, "shuts down: {shuts_down}");
    }
}

#[test]
fn a_server_that_was_built_without_a_runtime_joins_when_it_first_serves() {
    let bus = Alone::default();
    let node = alone(bus.clone());
    assert_eq!(bus.running(), 0);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let first = runtime();
    first.block_on(async {
        settle().await;
        assert_eq!(bus.running(), 0, "it does nothing yet");
        let _ann = enter(&node.server, "ann").await;
        assert_eq!(bus.running(), 1);
        let _bob = enter(&node.server, "bob").await;
        assert_eq!(bus.running(), 1, "once");
    });
    drop(first);
    assert_eq!(bus.running(), 0, "it has ended with its runtime");
    runtime().block_on(async {
        let _ann = enter(&node.server, "ann").await;
        assert_eq!(bus.running(), 0, "and is not started again");
        assert!(!node.is_connected());
        node.server.shutdown(S).await;
    });

    let never = alone(bus.clone());
    runtime().block_on(async {
        // A server that never served has no bus to wait for.
        let (waited, ()) = timed(async { never.server.shutdown(S).await }).await;
        assert!(waited < S, "{waited:?}");
    });
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_does_not_end_delays_the_shutdown_by_a_second() {
    let node = alone(As(async |port: Port| {
        port.link(true);
        pending::<()>().await;
    }));
    settle().await;
    let (waited, ()) = timed(node.server.shutdown(Duration::from_secs(5))).await;
    assert!((S..2 * S).contains(&waited), "{waited:?}");
}

#[test]
fn a_shutdown_does_not_wait_for_the_runtime_of_the_cluster() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, bus) = (runtime(), Alone::default());
    let node = first.block_on(async { alone(bus.clone()) });
    // Nothing runs in the first one any more.
    runtime().block_on(async {
        let began = std::time::Instant::now();
        node.server.shutdown(S).await;
        assert!(began.elapsed() < 5 * S, "{:?}", began.elapsed());
    });
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_panics_or_returns_leaves_the_server_alone_and_its_devices_served() {
    let panics = alone(As(async |_: Port| panic!("of the bus")));
    let returns = alone(As(async |port: Port| port.link(true)));
    for mut node in [panics, returns] {
        settle().await;
        let mut ann = enter(&node.server, "ann").await;
        assert_eq!(node.server.user("ann").send("hi", 1).unwrap().here, 1);
        assert_eq!(ann.text().await, r#"["hi",1,null]"#);
        assert!(!node.is_connected());
        assert_eq!(node.told_of(&["connected"]).len(), 1);
        node.server.shutdown(S).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_cluster_has_none() {
    assert!(server(|builder| builder).cluster().is_none());
}

#[test]
fn wrong_names_are_refused_where_they_are_given() {
    let panics = |set: fn() -> wse::cluster::ClusterOptions| std::panic::catch_unwind(set).is_err();
    let options = wse::cluster::ClusterOptions::new;
    _ = options().name("a-0").name("a".repeat(32)).node("").node("pod 3").outside(true);
    assert!(panics(|| wse::cluster::ClusterOptions::new().name("")));
    assert!(panics(|| wse::cluster::ClusterOptions::new().name("a".repeat(33))));
    assert!(panics(|| wse::cluster::ClusterOptions::new().name("Chat")));
    assert!(panics(|| wse::cluster::ClusterOptions::new().name("a.b")));
    assert!(panics(|| wse::cluster::ClusterOptions::new().node("a".repeat(65))));
    assert!(panics(|| wse::cluster::ClusterOptions::new().node("a\nb")));
}
