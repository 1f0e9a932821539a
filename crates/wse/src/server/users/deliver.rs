//! Delivery: the only place that queues a message for its recipients. It never waits, and a slow device
//! does not delay another.

use crate::{
    app::names::Message,
    connection::turn,
    error::SendError,
    server::{
        Inner,
        users::{
            answers::Answers,
            conn::Conn,
            encoded::Encoded,
            recipients::{Recipients, Scope},
            retained::RetainError,
            rooms::Refused,
            shown::Shown,
        },
    },
};
use serde::Serialize;
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
    /// Devices of other servers of a cluster for which it was taken; 0 without a cluster.
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
    let conns = here(server, to);
    let message = Encoded::for_these(server, &message, payload, conns.iter().map(|conn| &**conn.0.handle.spoken()))?;
    Ok(Delivered { here: queue(server, &conns, &message), elsewhere: 0 })
}

/// Sends a message that was encoded before.
pub(crate) fn send_encoded(server: &Inner, to: &Recipients, message: &Encoded) -> Delivered {
    arrive(server, to, message)
}

/// Calls a procedure of each of them, once the answers are polled. The argument is encoded here, once for each
/// format that one of them speaks.
pub(crate) fn ask<P: Serialize, R>(server: &Inner, to: &Recipients, name: &str, payload: &P) -> Answers<R> {
    let conns = here(server, to);
    let formats = conns.iter().map(|conn| conn.0.handle.codec().format());
    let call = Encoded::payload_only(server, name, payload, formats);
    Answers::new(conns, call.map_err(|error| error.to_string().into()), server.env.limits.rpc_timeout)
}

/// Queues a message for devices of this server only, such as one that another node has sent.
pub(crate) fn arrive(server: &Inner, to: &Recipients, message: &Encoded) -> Delivered {
    Delivered { here: queue(server, &here(server, to), message), elsewhere: 0 }
}

/// Sends a message to all members of a room, and keeps it for those who join later: each of them gets it
/// once, and those of one name in the order in which they are kept.
pub(crate) fn retain(server: &Inner, room: &str, message: Encoded) -> Result<Delivered, RetainError> {
    let value = server.rooms.value(message);
    let mut shown = Shown::default();
    loop {
        let turn = server.rooms.turn(room);
        match server.rooms.keep(room, &value, &shown) {
            Ok(members) => {
                let here = queue_by(server, &members, &value.message, Conn::queue_shown);
                drop(turn);
                return Ok(Delivered { here, elsewhere: 0 });
            }
            Err(Refused::TooMany) => return Err(RetainError::TooMany),
            Err(Refused::Unseen(unseen)) => {
                drop(turn); // before code of the application runs
                shown.show(unseen);
            }
        }
    }
}

/// Ends the connections of all of them. Returns how many there were.
pub(crate) fn end(server: &Inner, to: &Recipients, closed: &Closed) -> usize {
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
