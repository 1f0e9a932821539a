//! Delivery over the nodes of a cluster: what goes to devices of other nodes, and what other nodes have sent for
//! devices of this one.
//!
//! What goes to another node is taken by one link, in the order in which it was sent. There it is queued in that
//! order, by one task. So what one caller sends in some order arrives in that order at each device.

use super::{here, queue, queue_by};
use crate::{
    app::names::Message,
    connection::receipt::Receipt,
    error::SendError,
    server::{
        Inner,
        cluster::{
            asking, closing,
            member::Member,
            message::{
                call,
                forms::wanted,
                send::{self, Sent},
            },
        },
        moves::crossing::Listed,
        users::{
            conn::Conn,
            deliver::Delivered,
            encoded::{
                Encoded,
                nodes::{known, spoken_of},
            },
            retained::{Stamp, Value},
            rooms::Refused,
            shown::Shown,
        },
    },
};
use bytes::Bytes;
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use wse_cluster::{DeviceId, Node, NodeId, Recipients, Scope};
use wse_proto::Closed;

/// Longer than any session waits for its acknowledgements: 49 days.
const FOREVER: Duration = Duration::from_millis(u32::MAX as u64);

/// How far the stamp of another server may be ahead of this one's clock, in milliseconds: a day. One that is further
/// ahead would count as the newest for ever.
const AHEAD: u64 = 24 * 60 * 60 * 1000;

/// Sends a message of this process. It is encoded once for each codec that one of the receivers speaks, here or
/// elsewhere. It is an error only when none of these can carry it.
#[cold]
pub(super) fn send<P: Serialize>(
    server: &Inner,
    member: &Arc<Member>,
    to: &Recipients,
    (message, payload): (&impl Message<P>, &P),
) -> Result<Delivered, SendError> {
    let (mut list, codecs) = list(server, member, to);
    let here = list.conns.iter().map(|conn| &**conn.0.handle.spoken());
    if codecs == 0 {
        let message = Encoded::for_these(server, message, payload, here)?;
        return Ok(Delivered { here: queue(server, &list.conns, &message), elsewhere: 0 });
    }
    let wanted = wanted(codecs, known(server));
    let elsewhere = spoken_of(server, wanted.frames).map(|(_, spoken)| spoken);
    let message = Encoded::for_nodes(server, message, payload, here.chain(elsewhere), wanted)?;
    let elsewhere = carry(server, member, to, &message, (codecs, &mut list))?;
    Ok(Delivered { here: queue(server, &list.conns, &message), elsewhere })
}

/// The recipients that are devices of this server, at a moment at which no session came or went.
struct List {
    listed: Listed,
    conns: Vec<Conn>,
}

impl List {
    fn new(server: &Inner, to: &Recipients) -> Self {
        let listed = server.moves.listing(); // before the devices, so that one that comes meanwhile is noticed
        Self { listed, conns: here(server, to) }
    }

    /// Under the node's lock: whether the devices of this server are these, and all others are of other nodes.
    fn is_complete(&mut self, server: &Inner, node: &Node) -> bool {
        server.moves.complete(self.listed, server.node, node, &mut self.conns)
    }
}

/// The recipients here, and what those of other nodes speak.
fn list(server: &Inner, member: &Member, to: &Recipients) -> (List, u8) {
    loop {
        let mut list = List::new(server, to);
        let codecs = member.look(|node, _| list.is_complete(server, node).then(|| node.codecs(to)));
        if let Some(codecs) = codecs {
            return (list, codecs);
        }
    }
}

/// Sends a message to a device of another node, and has its acknowledgement told. The wait has no end of its own:
/// it ends with the device, or with its node.
pub(super) fn send_tracked<P: Serialize>(
    server: &Inner,
    member: &Arc<Member>,
    id: DeviceId,
    message: &impl Message<P>,
    payload: &P,
) -> Result<Receipt, SendError> {
    let codecs = member.look(|node, _| node.codecs(&Scope::Device(id).into()));
    if codecs == 0 {
        return Err(SendError::NotReady);
    }
    let wanted = wanted(codecs, known(server));
    let spoken = spoken_of(server, wanted.frames).map(|(_, spoken)| spoken);
    let message = Encoded::for_nodes(server, message, payload, spoken, wanted)?;
    let sent = send::write(server, &message, codecs, None).ok_or(SendError::NotReady)?;
    let call = asking::call(member, &[id], FOREVER, call::of_message(&sent))?.into_iter().next();
    Ok(call.map_or_else(Receipt::none, |call| Receipt::elsewhere(Box::pin(call.arrived()))))
}

/// Sends a message that was encoded before.
pub(super) fn send_encoded(server: &Inner, member: &Member, to: &Recipients, message: &Encoded) -> Delivered {
    let (mut list, codecs) = list(server, member, to);
    let elsewhere = match codecs {
        0 => 0,
        _ => {
            carry(server, member, to, message, (codecs, &mut list)).unwrap_or_else(|it| not_taken(message.name(), &it))
        }
    };
    Delivered { here: queue(server, &list.conns, message), elsewhere }
}

/// Sends a message to devices of other nodes, and lists those of this one anew where a session has come. Returns for how
/// many it was taken.
fn carry(
    server: &Inner,
    member: &Member,
    to: &Recipients,
    message: &Encoded,
    (codecs, list): (u8, &mut List),
) -> Result<usize, SendError> {
    let Some(bytes) = send::write(server, message, codecs, None) else { return Ok(0) };
    loop {
        match carry_listed(server, member, to, &bytes, list)? {
            Some(elsewhere) => return Ok(elsewhere),
            None => *list = List::new(server, to),
        }
    }
}

/// `None` when a session has come since the devices of this server were listed; then nothing is sent.
fn carry_listed(
    server: &Inner,
    member: &Member,
    to: &Recipients,
    bytes: &Bytes,
    list: &mut List,
) -> Result<Option<usize>, SendError> {
    let sent = member.with(|node, time| list.is_complete(server, node).then(|| node.send(time, to, bytes.clone())));
    sent.transpose().map_err(|_| SendError::TooBig(bytes.len()))
}

/// The log has it where nobody else is told.
fn not_taken(name: &str, error: &SendError) -> usize {
    tracing::warn!(name, %error, "message not taken for other nodes");
    0
}

/// Ends the connections of devices of other nodes that are there now. Returns how many there were.
pub(super) fn end(server: &Inner, to: &Recipients, closed: &Closed) -> usize {
    let Some(member) = &server.cluster else { return 0 };
    member.with(|node, time| node.close(time, to, closing::write(closed)))
}

/// Ends the connections of these devices, as another node has asked for.
pub(crate) fn close_here(server: &Inner, devices: &[DeviceId], closed: &Closed) {
    for conn in devices.iter().filter_map(|device| server.registry.device(*device)) {
        conn.close(closed.clone());
    }
}

/// Queues a message of another node for devices of this one. The hook sees it here.
pub(crate) fn arrived(server: &Inner, from: NodeId, to: &Recipients, message: &Bytes) {
    let Some(sent) = Sent::read(message) else {
        return tracing::warn!(what = "message", "malformed body from another node");
    };
    if let (Some(stamp), Scope::Room(room)) = (sent.stamp, &to.scope) {
        let sort_out = |message: &Encoded, members: &mut Vec<Conn>| server.moves.sort_out(from, to, message, members);
        return retained(server, room, (sent, stamp), sort_out);
    }
    let message = Encoded::arrived(server, &sent.name, sent.age.as_ref(), sent.forms);
    let mut conns = here(server, to);
    server.moves.sort_out(from, to, &message, &mut conns);
    queue(server, &conns, &message);
}

/// Queues a message of another node for the members that a room has here, and keeps it, unless a newer one of that
/// name is kept. It is queued for those whom `sort_out` leaves.
pub(crate) fn retained(
    server: &Inner,
    room: &str,
    (sent, stamp): (Sent, Stamp),
    sort_out: impl Fn(&Encoded, &mut Vec<Conn>),
) {
    if !is_plausible(server, stamp) {
        return;
    }
    let message = Encoded::arrived(server, &sent.name, sent.age.as_ref(), sent.forms.detached());
    let value = server.rooms.value(message, stamp);
    let mut shown = Shown::default();
    loop {
        let turn = server.rooms.turn(room);
        server.rooms.observe(stamp);
        match server.rooms.keep(room, &value, &shown) {
            Ok(mut members) => {
                sort_out(&value.message, &mut members);
                queue_by(server, &members, &value.message, Conn::queue_shown);
            }
            Err(Refused::Older) => {}
            // Other messages came here before it. Those who are there get it all the same.
            Err(Refused::TooMany) => {
                let mut members = server.rooms.members(room);
                sort_out(&value.message, &mut members);
                queue(server, &members, &value.message);
            }
            Err(Refused::Unseen(unseen)) => {
                drop(turn); // before code of the application runs
                shown.show(unseen);
                continue;
            }
        }
        return;
    }
}

/// Whether a clock may have made a stamp.
fn is_plausible(server: &Inner, stamp: Stamp) -> bool {
    let plausible = stamp.at >> 16 <= wall(server).saturating_add(AHEAD);
    if !plausible {
        tracing::warn!(what = "stamp", "malformed body from another node");
    }
    plausible
}

/// The clock on the wall of a node; 0 without a cluster.
fn wall(server: &Inner) -> u64 {
    server.cluster.as_ref().map_or(0, |member| member.look(|_, time| time.wall))
}

/// The stamp of a message that this server retains or forgets now. In the turn of its room.
pub(super) fn stamp(server: &Inner) -> Stamp {
    server.rooms.stamp(server.node, wall(server))
}

/// Sends a message that a room retains to the nodes where the room has members. Returns for how many devices it was
/// taken; `None` when a session has come since the members were listed, and nothing was sent.
pub(super) fn retain(
    server: &Inner,
    room: &str,
    value: &Value,
    (listed, members): (Listed, &mut Vec<Conn>),
) -> Option<usize> {
    let Some(member) = &server.cluster else { return Some(0) };
    let to = Scope::Room(room.into()).into();
    let codecs = member.look(|node, _| node.codecs(&to));
    if codecs == 0 {
        return Some(0);
    }
    let message = &value.message;
    let Some(bytes) = send::write(server, message, codecs, Some(value.stamp)) else { return Some(0) };
    let mut list = List { listed, conns: std::mem::take(members) };
    let sent = carry_listed(server, member, &to, &bytes, &mut list);
    *members = list.conns;
    sent.unwrap_or_else(|error| Some(not_taken(message.name(), &error)))
}

/// Forgets what a room retains under a name, as another node has asked for.
pub(crate) fn forgotten(server: &Inner, room: &str, name: &str, stamp: Stamp) {
    if is_plausible(server, stamp) {
        let _turn = server.rooms.turn(room);
        server.rooms.observe(stamp);
        server.rooms.forget(room, name, stamp);
    }
}
