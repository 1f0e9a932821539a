//! What is done with the devices of a user while none of them can come or go.

use crate::server::users::{member::Member, registry::Registry};
use wse_proto::Cid;

impl<D: Member> Registry<D> {
    /// Calls `act` with the devices of a user, the oldest first, under the lock of the user's shard. It must
    /// be quick, must not call the registry, and must not run code of the application.
    pub(crate) fn with_devices<T>(&self, cid: &Cid, act: impl FnOnce(&[D]) -> T) -> T {
        let users = self.users.lock(cid);
        act(users.get().map_or(&[], |user| user.devices()))
    }
}
