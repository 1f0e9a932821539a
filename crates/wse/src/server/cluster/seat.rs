//! Who a node is to its bus.

use std::sync::Arc;
use wse_cluster::NodeId;

/// Who a node is to its bus: the names of what it subscribes to are made of this.
#[derive(Clone, Debug)]
pub struct Seat {
    pub(crate) cluster: Arc<str>,
    pub(crate) node: NodeId,
    pub(crate) outside: bool,
}

impl Seat {
    /// The seat of that node in that cluster, for the test of a bus.
    pub fn new(cluster: &str, node: NodeId, outside: bool) -> Self {
        Self { cluster: cluster.into(), node, outside }
    }

    /// The name of the cluster: `a` to `z`, digits and `-`, at most 32.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Whether the application lets others publish from outside
    /// ([`ClusterOptions::outside`](crate::cluster::ClusterOptions::outside)).
    pub fn outside(&self) -> bool {
        self.outside
    }
}
