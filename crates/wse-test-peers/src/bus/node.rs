//! A node that a test drives: it gives a bus orders and remembers what comes.

use bytes::Bytes;
use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use wse::cluster::{Arrival, Bus, NodeId, Order, Port, Reach, Seat, To};

/// How long something may take that takes a moment, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A node without a server.
#[derive(Debug)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    orders: UnboundedSender<Order>,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    datagrams: Vec<Bytes>,
    outside: Vec<(Bytes, Reach)>,
    nobody: Vec<NodeId>,
    links: Vec<bool>,
}

/// Waits until it is so; panics with what was waited for.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

impl Node {
    /// Runs a bus as that node of the cluster `t`, which others may ask from outside.
    pub fn start(bus: impl Bus, number: u64) -> Self {
        Self::start_on(&Handle::current(), bus, number, |_| ())
    }

    /// The same in another runtime; `read` is called with each datagram within the bus.
    pub fn start_on(
        runtime: &Handle,
        bus: impl Bus,
        number: u64,
        read: impl Fn(&Bytes) + Send + Sync + 'static,
    ) -> Self {
        let (orders, taken) = unbounded_channel();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = Arc::clone(&seen);
        let port = Port::scripted(taken, move |arrival| {
            if let Arrival::Datagram(datagram) = &arrival {
                read(datagram);
            }
            let mut seen = lock(&noted);
            match arrival {
                Arrival::Datagram(datagram) => seen.datagrams.push(datagram),
                Arrival::Outside(request, reach) => seen.outside.push((request, reach)),
                Arrival::Nobody(node) => seen.nobody.push(node),
                Arrival::Link(up) => seen.links.push(up),
            }
        });
        let id = NodeId::new(number);
        let task = runtime.spawn(bus.run(Seat::new("t", id, true), port));
        Self { id, orders, seen, task }
    }

    /// Has the bus publish.
    pub fn publish(&self, to: To, datagram: impl Into<Bytes>) {
        let _ = self.orders.send(Order::Publish(to, datagram.into()));
    }

    /// Has the bus connect again.
    pub fn reconnect(&self) {
        let _ = self.orders.send(Order::Reconnect);
    }

    /// Waits until the link is up.
    pub async fn linked(&self) {
        until("the link is up", || self.is_linked()).await;
    }

    /// Waits until the link is down.
    pub async fn unlinked(&self) {
        until("the link is down", || !self.is_linked()).await;
    }

    /// Whether the link is up.
    pub fn is_linked(&self) -> bool {
        lock(&self.seen).links.last() == Some(&true)
    }

    /// What was said of the link.
    pub fn links(&self) -> Vec<bool> {
        lock(&self.seen).links.clone()
    }

    /// What has come since the last call.
    pub fn take(&self) -> Vec<Bytes> {
        mem::take(&mut lock(&self.seen).datagrams)
    }

    /// Waits until so many datagrams have come since the last take, and takes them.
    pub async fn next(&self, count: usize) -> Vec<Bytes> {
        until("datagrams come", || lock(&self.seen).datagrams.len() >= count).await;
        self.take()
    }

    /// Whether a datagram has come that was not taken.
    pub fn has(&self, datagram: &[u8]) -> bool {
        lock(&self.seen).datagrams.iter().any(|came| came == datagram)
    }

    /// What has come from outside.
    pub fn outside(&self) -> Vec<(Bytes, Reach)> {
        lock(&self.seen).outside.clone()
    }

    /// Whether it was hinted that nobody listens there.
    pub fn is_told_of(&self, node: NodeId) -> bool {
        lock(&self.seen).nobody.contains(&node)
    }

    /// Sends to another node until that hears it: for engines that have just lost something.
    pub async fn reach(&self, other: &Node, text: &str) {
        let start = Instant::now();
        while !other.has(text.as_bytes()) {
            assert!(start.elapsed() < PATIENCE, "node {} does not reach node {}: {text}", self.id, other.id);
            self.publish(To::Node(other.id), text.to_owned());
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the node, as a server does that shuts down, and waits for the end of the bus.
    pub async fn end(self) {
        drop(self.orders);
        timeout(PATIENCE, self.task).await.expect("the bus ends").expect("the bus does not panic");
    }

    /// Whether the bus still runs.
    pub fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
