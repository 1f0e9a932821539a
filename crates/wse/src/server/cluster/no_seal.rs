//! Replaces `seal.rs` when the feature `tls` is off: no cluster has a key, and nothing is sealed.

use bytes::Bytes;
use wse_cluster::NodeId;

/// There is none.
#[derive(Clone, Debug)]
pub(crate) enum ClusterKey {}

/// There is none.
pub(crate) enum Seal {}

/// Nothing is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unopened {}

impl Seal {
    pub(crate) fn new(_: NodeId, _: &[ClusterKey]) -> Option<Self> {
        None
    }

    pub(crate) fn seal(&self, _: &[u8], _: u64) -> Bytes {
        match *self {}
    }

    pub(crate) fn open(&self, _: &[u8], _: u64) -> Result<Bytes, Unopened> {
        match *self {}
    }
}
