//! How a server takes part in its cluster.

use crate::server::cluster::seal::{ClusterKey, Seal};
use wse_cluster::NodeId;

/// Bytes of the longest name of a node.
const NODE: usize = 64;

/// How a server takes part in its cluster ([`ServerBuilder::cluster_options`](crate::ServerBuilder::cluster_options)).
///
/// ```
/// use wse::cluster::ClusterOptions;
///
/// let options = ClusterOptions::new().name("chat").node("pod-3");
/// ```
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) outside: bool,
    /// Without the feature `tls` there is none.
    keys: Vec<ClusterKey>,
}

impl ClusterOptions {
    /// The cluster named `main`, a node without a name, and nobody publishes from outside.
    pub fn new() -> Self {
        Self { name: "main".to_owned(), node: String::new(), outside: false, keys: Vec::new() }
    }

    /// Sets the name of the cluster. Servers with the same name on the same bus are one cluster, others on that
    /// bus do not meet them.
    ///
    /// # Panics
    /// Unless it is 1 to 32 of `a` to `z`, digits and `-`.
    #[track_caller]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let valid = (1..=32).contains(&self.name.len()) && self.name.bytes().all(fits);
        assert!(valid, "invalid name of a cluster: {:?} is not 1 to 32 of a to z, digits and `-`", self.name);
        self
    }

    /// Sets the name of this node, such as that of its host or pod; empty for none. A server that starts again
    /// under its old name replaces the one that was there at once, also when that was killed: the others do not
    /// wait until its silence tells them. So no two servers of a cluster may have one name at a time.
    ///
    /// # Panics
    /// When it is longer than 64 bytes, or holds control characters.
    #[track_caller]
    pub fn node(mut self, name: impl Into<String>) -> Self {
        self.node = name.into();
        let valid = self.node.len() <= NODE && !self.node.contains(char::is_control);
        assert!(
            valid,
            "invalid name of a node: {:?} is longer than {NODE} bytes or holds control characters",
            self.node
        );
        self
    }

    /// Adds a key of the cluster: 32 bytes that nobody can guess. What the nodes tell each other is sealed with the
    /// first key and opened with any: hidden, proved to come from a node with a key, taken once and within a minute.
    /// So the clocks of all nodes have to agree within a minute. All nodes of a cluster have a key, or none has.
    ///
    /// A key is replaced while the cluster runs: each node gets the new one as its second, then each gets it as its
    /// first, then the old one is taken away.
    ///
    /// ```
    /// use wse::cluster::ClusterOptions;
    ///
    /// # let (new, old) = ([1; 32], [2; 32]);
    /// let options = ClusterOptions::new().key(new).key(old);
    /// ```
    #[cfg(feature = "tls")]
    pub fn key(mut self, key: impl Into<ClusterKey>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// What seals for a node, if the cluster has a key.
    pub(crate) fn seal(&self, node: NodeId) -> Option<Seal> {
        Seal::new(node, &self.keys)
    }

    /// Sets whether others than the nodes may publish to users and rooms over the bus; by default not.
    pub fn outside(mut self, outside: bool) -> Self {
        self.outside = outside;
        self
    }
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self::new()
    }
}
