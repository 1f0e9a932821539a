//! What a server tells of its cluster, for operators.

use wse_cluster::{Down, NodeId};

/// What happened to the cluster, as this server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterEvent {
    /// A node is there.
    Up(NodeId),
    /// A node is gone, and all its devices.
    Down(NodeId, Down),
    /// This node does not hear itself: it reaches no other.
    Deaf,
    /// It hears itself, for the first time or again.
    Back,
    /// Messages for another node were given up, and may have arrived; or too much waited for it already, and they were not
    /// taken.
    Gap {
        /// The node.
        to: NodeId,
        /// How many messages.
        sends: u64,
    },
}

impl ClusterEvent {
    /// Writes a line for the operator.
    pub(crate) fn log(&self) {
        match self {
            ClusterEvent::Up(node) => tracing::info!(%node, "node joined the cluster"),
            ClusterEvent::Down(node, why) => tracing::info!(%node, ?why, "node left the cluster"),
            ClusterEvent::Deaf => tracing::warn!("cluster not reached"),
            ClusterEvent::Back => tracing::info!("cluster reached"),
            ClusterEvent::Gap { to, sends } => {
                tracing::warn!(node = %to, sends, "messages for another node given up");
            }
        }
    }
}
