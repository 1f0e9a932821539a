//! Gives a session of this server to another one, and lets go of it once it is there.

use crate::{
    server::{
        Inner,
        moves::{
            Leaving,
            ask::Ask,
            crossing::{Passing, expire_later},
            relay::{Carrier, tell},
            told::Told,
        },
        users::conn::Conn,
    },
    session::{
        moved::{Moved, MovedDevice},
        moving::{Given, Relay, Relayed},
    },
};
use bytes::Bytes;
use std::{mem::take, sync::Arc, time::Duration};
use tokio::{runtime, sync::oneshot, time::Instant};
use wse_cluster::{DeviceId, NodeId, TakeId};
use wse_proto::{Closed, Features, Reason, TokenCheck};

/// Bytes of the largest session that is given: a little less than what nodes take. One that is larger stays until
/// its handlers and its client have taken some of it.
const LARGEST: usize = (2 << 20) - (64 << 10);

/// How often it is looked whether a session may leave.
const LOOK: Duration = Duration::from_millis(20);

/// Another node asks for the session of a token. The answer follows, at once or once the session's task has let go.
pub(crate) fn asked(server: &Arc<Inner>, from: NodeId, take: TakeId, device: DeviceId, body: &Bytes) {
    let Some(member) = server.cluster.clone() else { return };
    let refuse = |again| {
        tell(server, from, &Told::NotGiven { take, again });
        member.with(|node, time| node.give(time, from, take, device, None));
    };
    let Some(ask) = Ask::read(body) else { return refuse(false) };
    let Some(conn) = server.registry.device(device).filter(|conn| speaks(conn, &ask) && *conn.cid() == ask.cid) else {
        return refuse(false);
    };
    if server.moves.is_fresh(device) {
        return refuse(true); // not every node knows yet that it is here
    }
    match conn.0.handle.give(&ask.token, ask.seen, Instant::now().into_std()) {
        (TokenCheck::Good, given) => {
            server.moves.lock().leaving.insert(device, Leaving { conn: conn.clone(), seen: Vec::new() });
            let (server, member) = (server.clone(), member.clone());
            let give = move |session: Option<Bytes>| {
                if session.is_none() {
                    server.moves.lock().leaving.remove(&device);
                    tell(&server, from, &Told::NotGiven { take, again: true });
                }
                member.with(|node, time| node.give(time, from, take, device, session));
            };
            spawn(&conn, give_when_ready(conn.clone(), given, give));
        }
        (TokenCheck::TooSoon, _) => refuse(true),
        (TokenCheck::Unknown, _) => refuse(false),
    }
}

/// Has the session of a device leave for the node with the fewest devices, while this server stops: its client is told
/// to come back, where it keeps the session, and its handlers finish here. False where the session ends with the
/// server: there is no session, its client does not know of this, or there is no other node.
pub(crate) fn leave(conn: &Conn, closed: &Closed) -> bool {
    let (server, handle) = (&conn.0.server, &conn.0.handle);
    let Some(member) = server.cluster.clone().filter(|_| server.connections.is_down()) else { return false };
    let has_session = handle.session(|session| !session.is_moving()).unwrap_or(false);
    if !has_session || !handle.features().has(Features::MOVE) {
        return false;
    }
    if !member.look(|node, time| node.is_connected(time) && node.nodes().len() > 1) {
        return false;
    }
    let closed = closed.clone();
    if server.moves.is_fresh(conn.id()) {
        leave_when_settled(conn.clone(), closed);
        return true;
    }
    let Some(given) = handle.offer_session(Closed::moved(closed.after().unwrap_or_default())) else { return false };
    let (server, conn, device) = (server.clone(), conn.clone(), conn.id());
    server.moves.lock().leaving.insert(device, Leaving { conn: conn.clone(), seen: Vec::new() });
    spawn(&conn.clone(), async move {
        let mut offered = false;
        let offer = |session: Option<Bytes>| {
            offered =
                session.is_some_and(|session| member.with(|node, time| node.offer(time, device, session)).is_some());
        };
        give_when_ready(conn.clone(), given, offer).await;
        if !offered {
            server.moves.lock().leaving.remove(&device);
            conn.close(closed);
        }
    });
    true
}

/// Has a session leave once every node knows that it is here.
fn leave_when_settled(conn: Conn, closed: Closed) {
    spawn(&conn.clone(), async move {
        while conn.0.server.moves.is_fresh(conn.id()) {
            tokio::time::sleep(LOOK).await;
        }
        conn.0.handle.drain(closed);
    });
}

/// Waits for the session's task, and gives what it says. Nothing is given of a session that has ended, or is too large.
async fn give_when_ready(conn: Conn, given: oneshot::Receiver<Given>, give: impl FnOnce(Option<Bytes>)) {
    let session = match given.await {
        Ok(given) => {
            let session = moved(&conn, given).write(Instant::now().into_std());
            if session.len() <= LARGEST {
                Some(session)
            } else {
                tracing::debug!(cid = conn.cid().as_str(), conn_id = conn.conn_id(), "session too large to move");
                conn.0.handle.come_back();
                None
            }
        }
        Err(_) => None,
    };
    give(session);
}

/// The other node has the session. It is forgotten here.
pub(crate) fn has_moved(server: &Arc<Inner>, device: DeviceId, to: NodeId) {
    let leaving = server.moves.lock().leaving.get(&device).map(|leaving| leaving.conn.clone());
    let (Some(member), Some(conn)) = (&server.cluster, leaving) else {
        // Another node turns out to have a device of this one.
        if let Some(conn) = server.registry.device(device) {
            conn.close(Closed::broken(Reason::default()));
        }
        return;
    };
    let relay: Arc<dyn Relay> = Arc::new(Carrier::new(server, device));
    if !conn.0.handle.leave(&relay) {
        // It has ended here while it was on its way.
        server.moves.lock().leaving.remove(&device);
        let closed = conn.0.handle.closed().unwrap_or_else(|| Closed::broken(Reason::default()));
        return tell(server, to, &Told::Close { device, closed });
    }
    let peers = member.look(|node, _| server.peers(node));
    let rooms = server.rooms.of_device(device);
    tracing::debug!(cid = conn.cid().as_str(), conn_id = conn.conn_id(), node = %to, "session moved");
    server.registry.move_out(&conn, to);
    let mut moves = server.moves.lock();
    let seen = moves.leaving.remove(&device).map(|leaving| leaving.seen).unwrap_or_default();
    let unseen = peers.into_iter().filter(|node| *node != to && !seen.contains(node)).collect();
    moves.passing.insert(device, Passing::new(conn.clone(), rooms, unseen));
    moves.guests.remove(&device);
    moves.fresh.remove(&device);
    moves.has_left(&conn);
    drop(moves);
    // All that came here before from these was carried, and all that was sent here.
    let passed = seen.into_iter().chain([server.node, to]).collect();
    conn.0.handle.relay(Relayed::Passed(passed));
    expire_later(server, device);
}

/// The other node does not have the session: it stays.
pub(crate) fn returned(server: &Arc<Inner>, device: DeviceId) {
    let leaving = server.moves.lock().leaving.remove(&device);
    let Some(Leaving { conn, .. }) = leaving else { return };
    if server.connections.is_down() {
        conn.close(Closed::restart(Duration::ZERO)); // its client was told to go
    } else {
        conn.0.handle.come_back();
    }
}

/// The session as it is given, with what other nodes still have of it.
fn moved(conn: &Conn, given: Given) -> Moved {
    let server = &conn.0.server;
    let spoken = conn.0.handle.spoken();
    let now = Instant::now();
    let left = |end: Instant| end.saturating_duration_since(now);
    let device = MovedDevice {
        id: conn.id(),
        cid: conn.cid().clone(),
        protocol: spoken.protocol.name().to_owned(),
        format: spoken.codec.format(),
        binary: spoken.codec.binary(),
        hello: conn.hello(),
        remote_addr: conn.remote_addr(),
        term: conn.0.standing.term().map(|term| (left(term.renewal), left(term.end))),
        rooms: server.rooms.of_device(conn.id()),
    };
    let Given { talk, at_work } = given;
    let mut guest = server.moves.lock().guests.get(&device.id).cloned().unwrap_or_default();
    let here = at_work.into_iter().map(|stamp| (stamp, server.node));
    let at_work = take(&mut guest.at_work).into_iter().chain(here).collect();
    let mut moved = Moved { device, talk, at_work, origins: guest.origins };
    moved.add_origin(server.node);
    moved
}

/// Whether the device speaks what the one that asks speaks.
fn speaks(conn: &Conn, ask: &Ask) -> bool {
    let spoken = conn.0.handle.spoken();
    spoken.protocol.name() == ask.protocol && spoken.codec.format() == ask.format
}

/// Runs in the runtime of the device, or else in this one.
fn spawn(conn: &Conn, future: impl Future<Output = ()> + Send + 'static) {
    // A device without a runtime has no task that could give its session.
    if let Some(runtime) = conn.0.runtime.clone().or_else(|| runtime::Handle::try_current().ok()) {
        runtime.spawn(future);
    }
}
