//! What a bus is told to do.

use bytes::Bytes;
use wse_cluster::To;

/// What a bus is to do.
#[derive(Clone, Debug)]
pub enum Order {
    /// Publish a datagram of at most 64 KiB, and 64 bytes where the cluster has a key.
    Publish(To, Bytes),
    /// The link is said to be up, and nothing comes back for 5 s: connect again.
    Reconnect,
}
