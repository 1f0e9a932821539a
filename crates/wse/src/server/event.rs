//! What a server tells the application.

use crate::server::{
    cluster::event::ClusterEvent,
    users::{conn::Conn, user::User},
};
use std::{net::IpAddr, sync::Arc};
use wse_cluster::NodeId;
use wse_proto::{Closed, Payload, RpError};

/// What happens on a server. The listeners added by [`when`](crate::ServerBuilder::when) are told.
///
/// `Joined` and `Left`, `Connected` and `Disconnected` come strictly in pairs, each once. The events
/// of one user come in order, one listener at a time: `Joined`, `Connected`, …, `Disconnected`, `Left`.
/// The handlers of a connection start after its `Connected` was handled.
///
/// In a [cluster](crate::ServerBuilder::cluster) `Joined` and `Left` are of all nodes together. One of the nodes
/// tells each, whichever has the devices, and without order against the events of those. While 256 events of a
/// user wait at that node, a `Joined` and the `Left` behind it, or the reverse, may be left out together. The last
/// node of a cluster tells nobody's `Left` when it shuts down.
///
/// ```
/// use wse::{Event, Server};
///
/// let server = Server::builder()
///     .identify(async |stranger, name: String| Ok(stranger.accept(name)))
///     .when(async |event| match event {
///         Event::Joined(user) => println!("{user} is here"),
///         Event::Left(user, closed) => println!("{user} left: {closed}"),
///         Event::Error { code, error, .. } => eprintln!("{code}: {error}"),
///         _ => {}
///     })
///     .build();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The first device of a user has come.
    Joined(User),
    /// The last device of a user has left. The value tells how.
    Left(User, Closed),
    /// A device has come.
    Connected(Conn),
    /// The session of a device has come from another server of the cluster. It stands in place of `Connected`, and
    /// `Resumed` follows once the device is back: what it said before waits for that. [`Conn::state`] is `None`
    /// until then, since the application's state does not travel; `identify` runs here, and what it accepts holds.
    MovedIn(Conn),
    /// The session of a device is at another server of the cluster, that node. It stands in place of
    /// `Disconnected`. Handlers that run go on: what they send reaches the device, and their calls are answered.
    MovedOut(Conn, NodeId),
    /// A device has left. The value tells how: 1006 when it sent no close frame.
    Disconnected(Conn, Closed),
    /// A device has lost its connection, but not its session. For
    /// [`Limits::resume_window`](crate::Limits::resume_window) it counts as there, and what is sent to
    /// it is kept. `Resumed` or `Disconnected` follows.
    Parked(Conn),
    /// A parked device has another connection. Nothing was lost, and nothing comes twice.
    Resumed(Conn),
    /// Something happened to the [cluster](crate::cluster) of this server. While 256 of these wait for the
    /// application, no more are told.
    Cluster(ClusterEvent),
    /// A message came for which there is no handler.
    Ignored {
        /// The device that sent it.
        conn: Conn,
        /// Its type.
        name: Arc<str>,
        /// What it carried.
        payload: Payload<'static>,
    },
    /// A handler, procedure or identify failed, a stranger broke the protocol, or a message to several
    /// devices has no form on the wire of some, which got nothing. This is the whole error; the peer got
    /// less of it.
    ///
    /// A message without a form on some wires is told once, however many devices that were, with the code
    /// `wse.client.rp.invalid`. While 256 of these wait for the application, no more are told.
    ///
    /// Of strangers that broke the protocol at most ten are told in a second, so that they cannot flood
    /// the application. The text of the next one says how many were not told.
    Error {
        /// The code for this kind of failure.
        code: &'static str,
        /// The device for which it ran; `None` for a stranger, and for a message to several devices.
        conn: Option<Conn>,
        /// The address of the device or stranger, if its stream has one; behind trusted proxies the one
        /// they name.
        remote_addr: Option<IpAddr>,
        /// The type of the message or the name of the procedure; `None` for a stranger.
        name: Option<Arc<str>>,
        /// What it failed with.
        error: Arc<RpError>,
    },
}
