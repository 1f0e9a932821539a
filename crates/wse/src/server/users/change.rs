//! The changes among users and devices, as small values, and the trait of their observers.

use tokio::sync::oneshot;
use wse_cluster::NodeId;
use wse_proto::{Closed, KeptHello};

/// A change among the devices of one user.
#[derive(Debug)]
pub(crate) enum Change<'a, D> {
    /// A user's first device was added. `Connected` of that device follows.
    Joined(&'a D),
    /// A device was added.
    Connected {
        device: &'a D,
        /// It is one too many, and stays only if it shows that it is there.
        unconfirmed: bool,
    },
    /// An unconfirmed device has shown that it is there.
    Confirmed(&'a D),
    /// A device lost its connection, and its session waits for another.
    Parked(&'a D),
    /// The session of a parked device was resumed over another connection.
    Resumed(&'a D),
    /// A device was added, parked, whose session has come from another node.
    MovedIn(&'a D),
    /// A device was removed, whose session is at that node.
    MovedOut(&'a D, NodeId),
    /// A device was removed.
    Disconnected(&'a D, &'a Closed),
    /// A user's last device was removed, after its `Disconnected`.
    Left {
        last: &'a D,
        closed: &'a Closed,
        /// What the user's first device said of itself.
        first: Option<&'a KeptHello>,
    },
}

/// Resolves when an observer's work on a change is done.
pub(crate) type Handled = oneshot::Receiver<()>;

/// Follows the changes of a registry.
///
/// It is told of the changes of one user in the order in which they happened; those of different
/// users may come at the same time. It is called under the lock of the user's shard, so it must be
/// quick, must not call the registry, and must not run code of the application.
pub(crate) trait Observer<D>: Send + Sync {
    /// Notes a change. It may return what the device's handlers are to wait for before they start. That
    /// counts for `Connected` and `MovedIn` only.
    fn changed(&self, change: &Change<'_, D>) -> Option<Handled>;
}
