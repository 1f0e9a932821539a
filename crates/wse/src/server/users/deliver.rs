//! Delivery: the only place that queues a message for its recipients, here and for other nodes. It never waits, and
//! a slow device does not delay another.

use crate::{
    app::names::Message,
    connection::{receipt::Receipt, turn},
    error::SendError,
    server::{
        Inner,
        cluster::{message::values, telling},
        users::{
            answers::Answers, conn::Conn, elsewhere::Elsewhere, encoded::Encoded, retained::RetainError,
            rooms::Refused, shown::Shown,
        },
    },
};
use serde::Serialize;
use wse_cluster::{DeviceId, Recipients, Scope};
use wse_proto::Closed;

/// How many devices took a message into their queues.
///
/// ```
/// # fn example(server: wse::Server) -> Result<(), wse::SendError> {
/// let delivered = server.user("ann").send("news", "hello")?;
/// println!("{} devices", delivered.total());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// Devices of this server that took it.
    pub here: usize,
    /// Devices of other servers of a cluster for which it was taken, as far as this server knows them; of a room by the
    /// counts that the others told last. 0 without a cluster. What becomes of the message there is not known here:
    /// [`Device::send_tracked`](crate::Device::send_tracked) tells it.
    pub elsewhere: usize,
}

impl Delivered {
    /// Both together.
    pub fn total(self) -> usize {
        self.here + self.elsewhere
    }
}

/// Sends a message of this process. It is encoded once for each codec that one of the receivers speaks. It
/// is an error only when none of these codecs can carry it.
pub(crate) fn send<P: Serialize>(
    server: &Inner,
    to: &Recipients,
    message: impl Message<P>,
    payload: &P,
) -> Result<Delivered, SendError> {
    if let Some(member) = &server.cluster {
        return nodes::send(server, member, to, (&message, payload));
    }
    let conns = here(server, to);
    let message = Encoded::for_these(server, &message, payload, conns.iter().map(|conn| &**conn.0.handle.spoken()))?;
    Ok(Delivered { here: queue(server, &conns, &message), elsewhere: 0 })
}

/// Sends a message that was encoded before.
pub(crate) fn send_encoded(server: &Inner, to: &Recipients, message: &Encoded) -> Delivered {
    match &server.cluster {
        None => arrive(server, to, message),
        Some(member) => nodes::send_encoded(server, member, to, message),
    }
}

/// Queues a message for devices of this server only.
pub(crate) fn arrive(server: &Inner, to: &Recipients, message: &Encoded) -> Delivered {
    Delivered { here: queue(server, &here(server, to), message), elsewhere: 0 }
}

/// Sends a message to a device of another node, and has its acknowledgement told.
pub(crate) fn send_tracked<P: Serialize>(
    server: &Inner,
    id: DeviceId,
    message: impl Message<P>,
    payload: &P,
) -> Result<Receipt, SendError> {
    let member = server.cluster.as_ref().ok_or(SendError::NotReady)?;
    nodes::send_tracked(server, member, id, &message, payload)
}

/// Calls a procedure of each of them, once the answers are polled. The argument is encoded here, once for each
/// format that one of them speaks.
pub(crate) fn ask<P: Serialize, R>(server: &Inner, to: &Recipients, name: &str, payload: &P) -> Answers<R> {
    let conns = here(server, to);
    let elsewhere = server.cluster.as_ref().and_then(|member| Elsewhere::of(member, to));
    let formats = conns.iter().map(|conn| conn.0.handle.codec().format());
    let formats = formats.chain(elsewhere.iter().flat_map(Elsewhere::formats));
    let call = Encoded::payload_only(server, name, payload, formats);
    let call = call.map_err(|error| error.to_string().into());
    Answers::new(conns, elsewhere, call, server.env.limits.rpc_timeout)
}

/// The ids of all recipients.
pub(crate) async fn ids(server: &Inner, to: &Recipients) -> Vec<DeviceId> {
    let mut ids: Vec<DeviceId> = here(server, to).iter().map(Conn::id).collect();
    if let Some(elsewhere) = server.cluster.as_ref().and_then(|member| Elsewhere::of(member, to)) {
        ids.extend(elsewhere.ids(server.env.limits.rpc_timeout).await);
    }
    ids
}

/// Sends a message to all members of a room, and keeps it for those who join later: each of them gets it
/// once, and those of one name in the order in which they are kept.
pub(crate) fn retain(server: &Inner, room: &str, message: Encoded) -> Result<Delivered, RetainError> {
    let mut value = server.rooms.value(message, nodes::stamp(server));
    let mut shown = Shown::default();
    loop {
        let turn = server.rooms.turn(room);
        value.stamp = nodes::stamp(server);
        let listed = server.moves.listing();
        match server.rooms.keep(room, &value, &shown) {
            Ok(mut members) => {
                let retained = nodes::retain(server, room, &value, (listed, &mut members));
                let Some(elsewhere) = retained else { continue }; // a session has come, perhaps into this room
                let here = queue_by(server, &members, &value.message, Conn::queue_shown);
                drop(turn);
                return Ok(Delivered { here, elsewhere });
            }
            Err(Refused::Older) => return Ok(Delivered::default()), // never: the stamp is the newest
            Err(Refused::TooMany) => return Err(RetainError::TooMany),
            Err(Refused::Unseen(unseen)) => {
                drop(turn); // before code of the application runs
                shown.show(unseen);
            }
        }
    }
}

/// Forgets what a room retains under a name, here and at other nodes. False when nothing is retained here.
pub(crate) fn forget(server: &Inner, room: &str, name: &str) -> bool {
    let turn = server.rooms.turn(room);
    let stamp = nodes::stamp(server);
    let forgotten = server.rooms.forget(room, name, stamp);
    if let Some(member) = &server.cluster {
        telling::nodes_of_room(member, room, || vec![values::forget(room, name, stamp)]);
    }
    drop(turn);
    forgotten
}

/// Ends the connections of all of them. Returns how many there were.
pub(crate) fn end(server: &Inner, to: &Recipients, closed: &Closed) -> usize {
    end_here(server, to, closed) + nodes::end(server, to, closed)
}

/// Ends the connections of those of this server. Returns how many there were.
pub(crate) fn end_here(server: &Inner, to: &Recipients, closed: &Closed) -> usize {
    let conns = here(server, to);
    conns.iter().for_each(|conn| conn.close(closed.clone()));
    conns.len()
}

/// The recipients that are connected to this server at this moment.
pub(crate) fn connected(server: &Inner, to: &Recipients) -> Vec<Conn> {
    let mut conns = here(server, to);
    conns.retain(|conn| conn.is_open() && !conn.0.handle.is_parked());
    conns
}

/// The recipients that are devices of this server.
fn here(server: &Inner, to: &Recipients) -> Vec<Conn> {
    let mut conns = match &to.scope {
        Scope::Everyone => server.registry.everyone(),
        Scope::User(cid) => server.registry.of_user(cid),
        Scope::Device(id) => server.registry.device(*id).into_iter().collect(),
        Scope::Room(name) => server.rooms.members(name),
    };
    if !to.except.is_empty() {
        conns.retain(|conn| !to.leaves_out(conn.id(), conn.cid()));
    }
    conns
}

/// Queues a message for each whose wire can carry it. Returns how many took it. The application is told
/// once of all whose wire cannot.
fn queue(server: &Inner, conns: &[Conn], message: &Encoded) -> usize {
    queue_by(server, conns, message, Conn::queue)
}

fn queue_by(
    server: &Inner,
    conns: &[Conn],
    message: &Encoded,
    queue: impl Fn(&Conn, &Encoded) -> Result<Option<u64>, SendError>,
) -> usize {
    let (mut taken, mut left_out) = (0, None);
    for conn in conns {
        match queue(conn, message) {
            Ok(_) => taken += 1,
            Err(error @ (SendError::Encode(_) | SendError::TooBig(_))) => left_out = left_out.or(Some((conn, error))),
            Err(_) => {} // that device is gone, too slow, or the hook has stopped it
        }
    }
    if let Some((conn, error)) = left_out {
        tracing::warn!(name = message.name(), %error, "message without a form on some wires");
        server.events.left_out(conn, message.name(), error);
    }
    turn::produced(message.size());
    taken
}

pub(crate) mod nodes;
