//! Runs a bus over Redis: connects, carries datagrams, and begins anew when any connection fails.

use crate::{
    channels::{Channels, slot},
    connect::{self, Connections, located, text, unserved},
    redis::Redis,
};
use futures_util::future::try_join_all;
use redis::{ConnectionInfo, Pipeline, Value, aio::MultiplexedConnection, pipe};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, sleep};
use wse::cluster::{Arrivals, Bus, NodeId, Order, Port, Retry, Seat, To};

/// A pipeline takes no more datagrams when it has so many bytes.
const PIPELINE: usize = 1 << 20;
/// Masters of a Redis Cluster that are asked beside the servers that were given.
const LEARNT: usize = 64;
/// Between two looks at the connections of a Redis Cluster.
const PROBE: Duration = Duration::from_secs(2);
/// So many looks may find that nothing has come to the inbox.
const PROBES: u32 = 3;

/// Why the connections were left.
enum End {
    /// The server that the bus belongs to has shut down.
    Shutdown,
    Lost(String),
}

impl Bus for Redis {
    async fn run(self, seat: Seat, mut port: Port) {
        #[cfg(feature = "tls")]
        choose_provider();
        let own = Channels::of(&seat, self.is_cluster);
        let arrivals = port.arrivals();
        let mut retry = Retry::new();
        // each node begins with another server
        let mut next = seat.node().number() as usize % self.servers.len();
        let mut learnt = Vec::new();
        loop {
            let count = self.servers.len() + learnt.len();
            next %= count;
            let server = self.servers.get(next).unwrap_or_else(|| &learnt[next - self.servers.len()]).clone();
            next += 1;
            let engine = server.addr().to_string();
            let connections = tokio::select! {
                connections = connect(&server, &own, &arrivals, self.is_cluster) => connections,
                () = shutdown(&mut port) => return,
            };
            let error = match connections {
                Ok(connections) => {
                    if self.is_cluster {
                        learnt = connections.map.masters.iter().take(LEARNT).map(|at| located(&server, at)).collect();
                    }
                    retry.up(&engine);
                    arrivals.link(true);
                    let end = carry(connections, &mut port, &arrivals, &own, self.is_cluster).await;
                    arrivals.link(false);
                    match end {
                        End::Shutdown => return,
                        End::Lost(error) => error,
                    }
                }
                Err(error) => error,
            };
            let wait = retry.down(&engine, &error);
            tokio::select! {
                () = sleep(wait) => {}
                () = shutdown(&mut port) => return,
            }
        }
    }
}

/// The TLS library panics where two providers of cryptography are compiled in and none was chosen.
#[cfg(feature = "tls")]
fn choose_provider() {
    use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
    if CryptoProvider::get_default().is_none() {
        let _ = ring::default_provider().install_default();
    }
}

async fn connect(
    server: &ConnectionInfo,
    own: &Channels,
    arrivals: &Arrivals,
    is_cluster: bool,
) -> Result<Connections, String> {
    if is_cluster {
        connect::cluster(server, own, arrivals).await
    } else {
        connect::single(server, own, arrivals).await
    }
}

/// Resolves when the server has shut down. There are no orders while the link is down; one that was on its way is
/// dropped.
async fn shutdown(port: &mut Port) {
    while port.next().await.is_some() {}
}

/// Carries datagrams until a connection is lost. What comes is handed over by the connections that read it.
async fn carry(
    mut connections: Connections,
    port: &mut Port,
    arrivals: &Arrivals,
    own: &Channels,
    is_cluster: bool,
) -> End {
    let fate = connections.fate.clone();
    tokio::select! {
        end = publish(&mut connections, port, arrivals, own, is_cluster) => end,
        () = fate.lost.notified() => End::Lost("connection lost, or a slot has moved".to_owned()),
    }
}

/// Publishes what is ordered, all that waits in one pipeline a master.
async fn publish(
    connections: &mut Connections,
    port: &mut Port,
    arrivals: &Arrivals,
    own: &Channels,
    is_cluster: bool,
) -> End {
    let mut probe = interval(PROBE);
    probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let fate = connections.fate.clone();
    let mut silent = 0;
    loop {
        let mut batch = Batch::new(connections, own, is_cluster);
        let mut next = tokio::select! {
            order = port.next() => match order {
                Some(order) => Some(order),
                None => return End::Shutdown,
            },
            _ = probe.tick(), if is_cluster => {
                silent = if fate.take_probed() { 0 } else { silent + 1 };
                if silent > PROBES {
                    return End::Lost("nothing comes back to the inbox".to_owned());
                }
                if let Err(error) = batch.probe() {
                    return End::Lost(error);
                }
                None
            }
        };
        while let Some(order) = next {
            match order {
                Order::Publish(to, datagram) => {
                    if let Err(error) = batch.add(to, &datagram) {
                        return End::Lost(error);
                    }
                }
                Order::Reconnect => return End::Lost("nothing comes back from it".to_owned()),
            }
            next = if batch.bytes < PIPELINE { port.more() } else { None };
        }
        if let Err(error) = batch.send(arrivals).await {
            return End::Lost(error);
        }
    }
}

/// What is published at once.
struct Batch<'a> {
    connections: &'a mut Connections,
    own: &'a Channels,
    command: &'static str,
    /// Of each master.
    pipelines: Vec<Commands>,
    bytes: usize,
}

/// The commands for one master, and the node whose inbox each is for.
struct Commands {
    pipeline: Pipeline,
    inboxes: Vec<Option<NodeId>>,
}

impl<'a> Batch<'a> {
    fn new(connections: &'a mut Connections, own: &'a Channels, is_cluster: bool) -> Self {
        let command = if is_cluster { "SPUBLISH" } else { "PUBLISH" };
        let masters = connections.map.masters.len();
        let pipelines = (0..masters).map(|_| Commands { pipeline: pipe(), inboxes: Vec::new() }).collect();
        Self { connections, own, command, pipelines, bytes: 0 }
    }

    /// Adds a datagram. The error: no master has the slot of its channel.
    fn add(&mut self, to: To, datagram: &[u8]) -> Result<(), String> {
        let inbox = match to {
            To::Node(node) => Some(node),
            To::All => None,
        };
        self.bytes += datagram.len();
        self.put(self.own.of_datagram(to), datagram, inbox)
    }

    /// Adds an empty message to the own inbox, and a sign of life for each master: what is silent for long may be
    /// cut on the way without a word.
    fn probe(&mut self) -> Result<(), String> {
        self.put(self.own.inbox(), &[], None)?;
        for Commands { pipeline, inboxes } in &mut self.pipelines {
            pipeline.cmd("PING");
            inboxes.push(None);
        }
        Ok(())
    }

    fn put(&mut self, channel: String, payload: &[u8], inbox: Option<NodeId>) -> Result<(), String> {
        let master = self.connections.map.master_of(slot(&channel)).ok_or_else(|| unserved(&channel))?;
        let Commands { pipeline, inboxes } = &mut self.pipelines[master];
        pipeline.cmd(self.command).arg(channel).arg(payload);
        inboxes.push(inbox);
        Ok(())
    }

    /// Sends it, and reads how many have heard each datagram.
    async fn send(self, arrivals: &Arrivals) -> Result<(), String> {
        let pairs = self.connections.publishers.iter_mut().zip(&self.pipelines);
        let sent = pairs.filter(|(_, commands)| !commands.inboxes.is_empty());
        let answers = try_join_all(sent.map(|(publisher, commands)| commands.send(publisher))).await?;
        for node in answers.into_iter().flatten() {
            arrivals.nobody(node);
        }
        Ok(())
    }
}

impl Commands {
    /// Returns the nodes at whose inboxes nobody listens.
    async fn send(&self, publisher: &mut MultiplexedConnection) -> Result<Vec<NodeId>, String> {
        let answers: Vec<Value> = self.pipeline.query_async(publisher).await.map_err(text)?;
        let unheard = answers.iter().zip(&self.inboxes).filter(|(heard, _)| **heard == Value::Int(0));
        Ok(unheard.filter_map(|(_, inbox)| *inbox).collect())
    }
}
