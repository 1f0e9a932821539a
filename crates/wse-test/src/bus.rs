//! `Bus`: what carries datagrams between the nodes of a cluster, in memory.

use crate::{
    bus_faults::BusFaults,
    bus_settings::BusCounts,
    engine::{Happening, Number, SharedEngine},
};
use std::{fmt, sync::Arc};
use tokio::{
    select,
    sync::Notify,
    time::{Instant, sleep_until},
};
use wse::cluster::{Order, Port, Seat};

/// A bus in memory between servers of one cluster, with faults: what NATS or Redis is to servers in production.
/// A handle, cheap to clone.
///
/// Each server gets a [node](Bus::node) of it. With tokio's paused time a minute of a cluster takes no time. Which
/// datagrams are lost, come twice or late follows from a seed, so it is the same in each run; the ids of
/// nodes and devices are not.
///
/// ```
/// use std::time::Duration;
/// use wse::{Server, cluster::ClusterOptions};
/// use wse_test::Bus;
///
/// # // What `#[tokio::test(start_paused = true)]` makes of a test.
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let bus = Bus::new();
/// let server = |name| {
///     Server::builder()
///         .identify(async |stranger, name: String| Ok(stranger.accept(name)))
///         .cluster(bus.node(name))
///         .cluster_options(ClusterOptions::new().node(name))
///         .build()
/// };
/// let (a, b) = (server("a"), server("b"));
/// let nodes = |server: &Server| server.cluster().map_or(0, |cluster| cluster.nodes().len());
///
/// // Of twenty datagrams one is lost, and all take 5 ms.
/// bus.faults().latency(Duration::from_millis(5)).lose(0.05);
/// tokio::time::sleep(Duration::from_secs(10)).await;
/// assert_eq!((nodes(&a), nodes(&b)), (2, 2));
///
/// // One is cut off and nobody is told: after 10 s of silence it is gone.
/// bus.faults().node("b").cut();
/// tokio::time::sleep(Duration::from_secs(15)).await;
/// assert_eq!(nodes(&a), 1);
/// # }
/// ```
#[derive(Clone)]
pub struct Bus(SharedEngine);

impl Bus {
    /// A bus without faults. It is the same as [`seeded`](Bus::seeded) with 1.
    pub fn new() -> Self {
        Self::seeded(1)
    }

    /// A bus whose faults hit other datagrams.
    pub fn seeded(seed: u64) -> Self {
        Self(SharedEngine::new(seed))
    }

    /// What a server is built with, for [`ServerBuilder::cluster`](wse::ServerBuilder::cluster). The name is what
    /// faults name the node by; a second node of that name is its successor.
    pub fn node(&self, name: &str) -> BusNode {
        BusNode { engine: self.0.clone(), name: name.into() }
    }

    /// The faults of its nodes.
    pub fn faults(&self) -> BusFaults {
        BusFaults::new(self.0.clone())
    }

    /// Stops the engine: every node is told that its link is down, and what was on its way is lost.
    pub fn down(&self) {
        self.0.lock().set_down(true);
    }

    /// Starts the engine again: every node is told.
    pub fn up(&self) {
        self.0.lock().set_down(false);
    }

    /// Splits the engine into two halves that both serve and do not reach each other. Nodes that are not
    /// named are in the first half. Nobody is told. [`heal`](Bus::heal) joins them.
    pub fn split<'a>(&self, one: impl IntoIterator<Item = &'a str>, other: impl IntoIterator<Item = &'a str>) {
        let one: Vec<&str> = one.into_iter().collect();
        let other = other.into_iter().filter(|name| !one.contains(name));
        self.0.lock().split_off(other.map(Arc::from).collect());
    }

    /// Takes everything back: the engine is up and whole, and no node has faults. What was killed stays so.
    pub fn heal(&self) {
        self.0.lock().split_off(Vec::new());
        self.up();
        self.faults().heal();
    }

    /// What it has done so far.
    pub fn counts(&self) -> BusCounts {
        self.0.lock().counts()
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

/// A node's end of a [`Bus`], made by [`Bus::node`].
#[derive(Clone)]
pub struct BusNode {
    engine: SharedEngine,
    name: Arc<str>,
}

impl wse::cluster::Bus for BusNode {
    async fn run(self, seat: Seat, mut port: Port) {
        let (number, changed) = self.engine.lock().enter(&self.name, seat.cluster(), seat.node());
        let place = Place { engine: self.engine, number, changed };
        loop {
            let paused = place.engine.lock().is_paused(number);
            select! {
                biased;
                () = place.due() => place.hand_over(&port),
                order = port.next(), if !paused => match order {
                    Some(Order::Publish(to, datagram)) => {
                        place.engine.lock().publish(number, to, &datagram, Instant::now());
                    }
                    Some(Order::Reconnect) => place.engine.lock().reconnect(number),
                    None => return,
                },
            }
        }
    }
}

impl fmt::Debug for BusNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusNode").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The place of a node at the engine, which it leaves when this is dropped.
struct Place {
    engine: SharedEngine,
    number: Number,
    changed: Arc<Notify>,
}

impl Place {
    /// Resolves when something has happened to the node, or may have.
    async fn due(&self) {
        let now = Instant::now();
        let due = self.engine.lock().due(self.number, now);
        match due {
            Some(due) if due <= now => {}
            Some(due) => select! {
                () = sleep_until(due) => {}
                () = self.changed.notified() => {}
            },
            None => self.changed.notified().await,
        }
    }

    fn hand_over(&self, port: &Port) {
        let happened = self.engine.lock().take(self.number, Instant::now());
        for happening in happened {
            match happening {
                Happening::Datagram(datagram) => port.arrived(datagram),
                Happening::Link(up) => port.link(up),
                Happening::Nobody(node) => port.nobody(node),
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.engine.lock().leave(self.number);
    }
}
