//! The handle by which the application looks at its cluster.

use crate::server::{Server, cluster::member::Member};
use std::{fmt, sync::Arc};
use tokio::time::Instant;
use wse_cluster::NodeId;

/// The cluster of a server, as this server sees it ([`Server::cluster`]). A handle, cheap to clone. It does not
/// keep the server.
#[derive(Clone)]
pub struct Cluster {
    member: Arc<Member>,
}

impl Server {
    /// The cluster that this server is a node of; `None` for a server that was built without one.
    pub fn cluster(&self) -> Option<Cluster> {
        Some(Cluster { member: self.0.cluster.clone()? })
    }
}

impl Cluster {
    /// This node. A server that starts again is another node.
    pub fn node(&self) -> NodeId {
        self.member.id()
    }

    /// The nodes that are there, this one first, each with [its name](crate::cluster::ClusterOptions::node), which is
    /// empty for one without.
    pub fn nodes(&self) -> Vec<(NodeId, String)> {
        self.member.look(|node, _| node.nodes())
    }

    /// Whether this node hears itself over the bus: what it sends to others arrives, as far as it can tell. It
    /// takes up to 5 s until it notices that nothing arrives any more.
    pub fn is_connected(&self) -> bool {
        self.member.look(|node, time| node.is_connected(time))
    }

    /// Since when it does not: what it knows of devices elsewhere is that old. `None` while it is connected.
    pub fn stale_since(&self) -> Option<Instant> {
        self.member.deaf_since()
    }

    /// Resolves when every other node that lives has taken in all that happened here until now: which devices
    /// are there, which rooms they are in, and what was sent. While the bus is down this waits; it resolves also
    /// when the server has ended. Dropping the future leaves nothing behind.
    ///
    /// ```
    /// # async fn example(server: wse::Server, conn: wse::Conn) -> Result<(), Box<dyn std::error::Error>> {
    /// conn.join("tea")?;
    /// if let Some(cluster) = server.cluster() {
    ///     cluster.settled().await; // from now on the device misses nothing that any server sends to the room
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn settled(&self) {
        self.member.settled().await;
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("node", &self.node()).finish_non_exhaustive()
    }
}
