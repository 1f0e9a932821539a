//! Takes in a session that another node has given: it is parked here, and its device resumes it as any other.

use crate::{
    connection::{handle::Handle, moving::inbox_of, task::Connection},
    server::{
        Inner, Server,
        moves::{
            Brought, Guest,
            crossing::{Fresh, expire_later},
            relay::tell,
            told::Told,
        },
        owner::ServerOwner,
        term::Term,
        users::{
            conn::{Conn, ConnInner},
            joining::{join_moved, join_rooms_of_user},
            standing::{Standing, Terms},
        },
    },
    session::{
        moved::{Moved, MovedDevice, Talk},
        moving::Held,
        sent::moving::SentParts,
    },
    watch::Watched,
};
use bytes::Bytes;
use std::sync::Arc;
use tokio::{runtime, time::Instant};
use wse_cluster::{DeviceId, Entry, NodeId, TakeId};
use wse_proto::{Closed, Kept, Reason, Received};

/// The session that this node has asked for, or none.
pub(crate) fn taken(server: &Arc<Inner>, take: TakeId, given: Option<(NodeId, Entry, Bytes)>) {
    let brought = match given {
        // The device goes on once everything has come that was sent where its session was.
        Some((from, entry, session)) if accept(server, (from, take), entry.id, &session, true) => return,
        Some(_) => Brought::Nothing,
        // Where the other node has said why, nobody waits any more. Otherwise it was not reached in time.
        None => Brought::Again,
    };
    server.moves.lock().brought(take, brought);
}

/// Another node offers a session, to be parked here.
pub(crate) fn offered(server: &Arc<Inner>, from: NodeId, take: TakeId, device: DeviceId, session: &Bytes) {
    accept(server, (from, take), device, session, server.parking.has_room(session.len()));
}

/// Takes a session in if it is `wanted`, and tells whether it is here from now on. False where it is not.
fn accept(
    server: &Arc<Inner>,
    (from, take): (NodeId, TakeId),
    device: DeviceId,
    session: &Bytes,
    wanted: bool,
) -> bool {
    let Some(member) = &server.cluster else { return false };
    let peers = member.look(|node, _| server.peers(node));
    let conn = if wanted { take_in(server, (from, take, peers), device, session) } else { None };
    let accepted = member.with(|node, time| {
        let accepted = node.accept(time, from, take, device, conn.is_some());
        if accepted {
            server.moves.has_come();
        }
        accepted
    });
    if let Some(conn) = conn.filter(|_| !accepted) {
        // It has lapsed: the session is not this node's.
        let mut moves = server.moves.lock();
        moves.guests.remove(&device);
        let fresh = moves.fresh.remove(&device);
        drop(moves);
        drop(fresh);
        conn.close(Closed::broken(Reason::default()));
    }
    accepted
}

/// Takes a session in. `None` where it is none, is here already, or does not fit what this server serves.
fn take_in(
    server: &Arc<Inner>,
    (from, take, peers): (NodeId, TakeId, Vec<NodeId>),
    expected: DeviceId,
    session: &Bytes,
) -> Option<Conn> {
    let (limits, now) = (&server.env.limits, Instant::now());
    let runtime = runtime::Handle::try_current().ok()?;
    // In memory of its own: the bytes may be a part of something larger.
    let session = Bytes::copy_from_slice(session);
    let Some(Moved { device, talk, at_work, origins }) = Moved::read(session, limits, now.into_std()) else {
        tracing::warn!(what = "session", "malformed body from another node");
        return None;
    };
    let MovedDevice { id, cid, protocol, format, binary, hello, remote_addr, term, rooms } = device;
    let fits = |codec: &wse_proto::Codec| codec.format() == format && codec.binary() == binary;
    let spoken = server.spoken.iter().find(|spoken| spoken.protocol.name() == protocol && fits(&spoken.codec))?;
    if id != expected
        || limits.resume_window.is_zero()
        || server.registry.device(id).is_some()
        || server.registry.is_behind(&cid)
    {
        return None;
    }
    let Talk { features, taken, known, acknowledged, kept, tokens, inbox } = talk;
    let sent = acknowledged.saturating_add(kept.iter().map(places).fold(0, u64::saturating_add));
    let waits_for_arrival = !kept.is_empty();
    let handle = Handle::of_server(spoken.clone(), limits, &server.backlogs);
    handle.set_features(features);
    let parts = SentParts { acknowledged, kept, tokens };
    let held = Arc::new(Held::new(limits.session_bytes));
    if !handle.continue_session(parts, &held, limits.session_bytes, now.into_std()) {
        return None;
    }
    let live = server.connections.enter(&handle)?;
    let term =
        term.and_then(|(renewal, end)| Some(Term { renewal: now.checked_add(renewal)?, end: now.checked_add(end)? }));
    let conn = Conn(Arc::new(ConnInner {
        handle: handle.clone(),
        cid,
        id,
        standing: Standing::of_kept(hello, Terms { state: None, term }),
        remote_addr: remote_addr.into(),
        server: server.clone(),
        runtime: Some(runtime.clone()),
    }));
    {
        let mut moves = server.moves.lock();
        moves.guests.insert(id, Guest { at_work, origins, rooms: rooms.clone() });
        moves.passing.remove(&id);
        moves.fresh.insert(id, Fresh::new(conn.clone(), from, Some(take), peers));
    }
    let ready = server.registry.move_in(&conn);
    rooms.iter().for_each(|room| join_moved(&conn, room));
    join_rooms_of_user(&conn);
    let received = Received::continued(taken, known, limits.ping_interval, limits.resume_window, now.into_std());
    let machine = spoken.protocol.moved_machine(limits, received, now.into_std());
    let owner = ServerOwner::moved(server.clone(), conn.clone(), live);
    let inbox = inbox_of(inbox, now);
    handle.take_slot(&server.parking, inbox.bytes());
    runtime.spawn(Watched(Connection::moved(machine, owner, handle, inbox, ready)));
    expire_later(server, id);
    tracing::debug!(cid = conn.cid().as_str(), conn_id = conn.conn_id(), "session taken in");
    if waits_for_arrival {
        runtime.spawn(tell_arrival(Server(server.clone()), conn.clone(), from, sent));
    }
    Some(conn)
}

/// How many places something takes that was kept.
fn places(kept: &Kept<Bytes>) -> u64 {
    if let Kept::GivenUp(places) = kept { *places } else { 1 }
}

/// Tells the node that has given a session that everything has arrived which was sent there: somebody may wait for
/// it.
async fn tell_arrival(server: Server, conn: Conn, to: NodeId, sent: u64) {
    let Some(notice) = conn.0.handle.session(|session| session.notice(sent)) else { return };
    let _ = notice.await; // also when it never will: what is told then is what is known
    let count = conn.0.handle.session(|session| session.acknowledged()).unwrap_or(0);
    tell(&server.0, to, &Told::Acknowledged { device: conn.id(), count });
}
