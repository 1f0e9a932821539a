//! Servers that are nodes of one cluster, with their events in hand.

use std::time::Duration;
use wse::{
    Limits, Server, ServerBuilder,
    cluster::{Bus, ClusterOptions, NodeId},
};
use wse_test_peers::{Events, events, server};

pub(crate) const S: Duration = Duration::from_secs(1);

/// So long after its start a node reports who is there.
pub(crate) const READY: Duration = Duration::from_secs(10);

pub(crate) struct Node {
    pub(crate) server: Server,
    events: Events,
}

/// No pings, so that nothing happens by itself.
pub(crate) fn limits(conns_per_user: usize) -> Limits {
    Limits { conns_per_user, ping_interval: Duration::ZERO, ..Limits::default() }
}

/// A server that accepts every device as the user whose name is the identity.
pub(crate) fn node_with(bus: impl Bus, name: &str, configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Node {
    let (when, events) = events();
    let options = ClusterOptions::new().node(name);
    let server = server(|builder| configure(builder.cluster(bus).cluster_options(options).when(when)));
    Node { server, events }
}

pub(crate) fn node(bus: &wse_test::Bus, name: &str, conns_per_user: usize) -> Node {
    node_with(bus.node(name), name, |builder| builder.limits(limits(conns_per_user)))
}

/// Nodes that know each other and report.
pub(crate) async fn nodes<const N: usize>(bus: &wse_test::Bus, names: [&str; N], conns_per_user: usize) -> [Node; N] {
    let mut nodes = names.map(|name| node(bus, name, conns_per_user));
    tokio::time::sleep(READY).await;
    for node in &mut nodes {
        assert_eq!(node.names().len(), N, "they know each other");
        node.events.so_far();
    }
    nodes
}

impl Node {
    pub(crate) fn id(&self) -> NodeId {
        self.server.cluster().expect("it is a node").node()
    }

    /// The names of the nodes that this one knows, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let nodes = self.server.cluster().expect("it is a node").nodes();
        assert_eq!(nodes[0].0, self.id(), "itself first");
        let mut names: Vec<String> = nodes.into_iter().map(|(_, name)| name).collect();
        names.sort();
        names
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.server.cluster().expect("it is a node").is_connected()
    }

    /// What it has told its application since the last time.
    pub(crate) fn told(&mut self) -> Vec<String> {
        self.events.so_far()
    }

    /// The same of these kinds only.
    pub(crate) fn told_of(&mut self, kinds: &[&str]) -> Vec<String> {
        let mut told = self.told();
        told.retain(|line| kinds.iter().any(|kind| line.starts_with(kind)));
        told
    }
}

/// What all nodes together have told of users since the last time.
pub(crate) fn reports<const N: usize>(nodes: [&mut Node; N]) -> Vec<String> {
    nodes.into_iter().flat_map(|node| node.told_of(&["joined", "left"])).collect()
}
