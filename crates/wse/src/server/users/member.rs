//! What the registry needs to know of a device.

use crate::server::users::shards::Keyed;
use wse_cluster::DeviceId;
use wse_proto::{Cid, Closed, KeptHello};

/// A device in the registry, found by its id. Clones are the same device.
pub(crate) trait Member: Clone + Keyed<Key = DeviceId> {
    fn id(&self) -> DeviceId;
    fn cid(&self) -> &Cid;
    /// What it said of itself.
    fn hello(&self) -> KeptHello;
    /// Ends its connection. Returns the end that holds: this one, or the one chosen before.
    fn end(&self, closed: Closed) -> Closed;
}
