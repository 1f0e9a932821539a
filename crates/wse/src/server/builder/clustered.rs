//! How it is configured that a server is a node of a cluster.

use crate::server::{
    builder::ServerBuilder,
    cluster::{bus::Bus, driver, member::Member, options::ClusterOptions},
};
use std::{sync::Arc, time::Duration};
use wse_cluster::{Config, Node, NodeId};
use wse_proto::Limits;

impl<I> ServerBuilder<I> {
    /// Makes the server a node of a cluster, over a bus that carries what its nodes tell each other.
    ///
    /// What is sent to users, rooms and everyone then reaches the devices of all nodes, at most
    /// [`Limits::conns_per_user`](crate::Limits::conns_per_user) devices of a user are there on all of them
    /// together, and one node tells that a user has [joined or left](crate::Event). The nodes should have the same
    /// limits, and have to agree about who is whose user.
    ///
    /// The server does not wait for the bus. While that is down it serves its own devices as ever, and joins when
    /// it can. The bus runs in the runtime in which the server is built, or else first served; where that
    /// runtime ends, the server is alone from then on, and tells of nobody that has joined or left.
    pub fn cluster(mut self, bus: impl Bus) -> Self {
        self.options.bus = Some(driver::erase(bus));
        self
    }

    /// Sets the names of the cluster and of this node. Without a [bus](Self::cluster) they mean nothing.
    pub fn cluster_options(mut self, options: ClusterOptions) -> Self {
        self.options.cluster = options;
        self
    }
}

/// A node that begins.
pub(super) fn member(id: NodeId, options: &ClusterOptions, limits: &Limits) -> Arc<Member> {
    let mut config = Config::default();
    config.name.clone_from(&options.node);
    config.limit = limits.conns_per_user;
    config.grace = millis(limits.presence_grace);
    Arc::new(Member::new(id, options.seal(id), |time| Node::new(id, config, time)))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
