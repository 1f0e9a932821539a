//! What is left of a session where it was, and what is carried between there and where it is: what handlers still send,
//! what the client says to them, and how it ends. It goes over the link between the nodes, in order and once.

use crate::{
    server::{
        Inner,
        cluster::member::Member,
        moves::{Brought, told::Told, untold::Reached},
        users::conn::Conn,
    },
    session::moving::{Relay, Relayed},
    sync::{Mutex, MutexGuard},
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, Weak},
};
use wse_cluster::{DeviceId, NodeId};
use wse_proto::{Closed, Code, Payload, Reason, RpError};

/// So often something is passed on to the node that has the session by then.
const HOPS: u8 = 8;

/// Tells a node something. Of what its link does not take now a frame is given up, as any message, and all else waits.
/// No lock may be held.
pub(super) fn tell(server: &Arc<Inner>, to: NodeId, told: &Told) {
    let Some(member) = &server.cluster else { return };
    let body = told.write();
    if to == member.id() {
        return heard(server, &body);
    }
    let untold = &server.moves.untold;
    if let Told::Frame { .. } = told {
        if reach(member, to, body) != Reached::Yes {
            untold.lost(to);
        }
    } else if !untold.tell(to, body, |to, body| reach(member, to, body)) {
        tracing::warn!(node = %to, "node not told of a session: too much waits for it");
    }
}

fn reach(member: &Member, to: NodeId, body: Bytes) -> Reached {
    member.with(|node, time| {
        if node.app(time, to, body) {
            Reached::Yes
        } else if node.nodes().iter().any(|(id, _)| *id == to) {
            Reached::NotNow
        } else {
            Reached::Gone
        }
    })
}

/// Tells nodes what they could not be told before. Returns how many frames for which of them were given up.
pub(crate) fn tell_again(server: &Inner, member: &Member) -> Vec<(NodeId, u64)> {
    server.moves.untold.again(|to, body| reach(member, to, body))
}

/// Another node has told something of a session.
pub(crate) fn heard(server: &Arc<Inner>, body: &Bytes) {
    let Some(told) = Told::read(body) else {
        return tracing::warn!(what = "of a session", "malformed body from another node");
    };
    match told {
        Told::Frame { device, hops, frame, age } => match server.registry.device(device) {
            Some(conn) => conn.0.handle.send_relayed(&frame, age.as_ref()),
            None => pass_on(server, device, hops, |hops| Told::Frame { device, hops, frame, age }),
        },
        Told::Answered { device, hops, stamp } => {
            if server.registry.device(device).is_none() {
                return pass_on(server, device, hops, |hops| Told::Answered { device, hops, stamp });
            }
            if let Some(guest) = server.moves.lock().guests.get_mut(&device) {
                guest.at_work.retain(|(other, _)| *other != stamp);
            }
        }
        Told::Close { device, closed } => {
            if let Some(conn) = server.registry.device(device) {
                conn.close(closed);
            }
        }
        Told::Settled { device, stamp, answer } => {
            for conn in left_of(server, device) {
                let answer = answer.as_ref().map(Payload::borrowed).map_err(Payload::borrowed);
                drop(conn.0.handle.calls().settle(&stamp, answer));
            }
        }
        Told::Cancel { device, stamp } => {
            left_of(server, device).iter().for_each(|conn| conn.0.handle.cancel_elsewhere(&stamp));
        }
        Told::Acknowledged { device, count } => {
            left_of(server, device).iter().for_each(|conn| conn.0.handle.acknowledged_elsewhere(count));
        }
        Told::Passed { device, nodes } => server.moves.passed(device, &nodes),
        Told::Ended { device, closed } => end(server, device, &closed),
        Told::NotGiven { take, again } => {
            let how = if again { Brought::Again } else { Brought::Nothing };
            server.moves.lock().brought(take, how);
        }
    }
}

/// The client has answered a call that is not waited for here: it may be waited for where the session was before.
pub(crate) fn unsettled(conn: &Conn, stamp: &str, answer: Result<Payload<'_>, Payload<'_>>) {
    let server = &conn.0.server;
    let Some(guest) = server.guest(conn.id()) else { return };
    let answer = answer.map(Payload::into_owned).map_err(Payload::into_owned);
    let told = Told::Settled { device: conn.id(), stamp: stamp.to_owned(), answer };
    guest.origins.iter().for_each(|node| tell(server, *node, &told));
}

/// The client does not wait any more for the answer to a call that is not here.
pub(crate) fn uncancelled(conn: &Conn, stamp: &str) {
    let server = &conn.0.server;
    let guest = server.guest(conn.id()).unwrap_or_default();
    if let Some((_, node)) = guest.at_work.into_iter().find(|(other, _)| other == stamp) {
        tell(server, node, &Told::Cancel { device: conn.id(), stamp: stamp.to_owned() });
    }
}

/// A session of this node has ended.
pub(crate) fn ended(conn: &Conn, closed: &Closed) {
    let server = &conn.0.server;
    if server.cluster.is_none() {
        return;
    }
    let guest = server.moves.lock().guests.remove(&conn.id());
    let told = Told::Ended { device: conn.id(), closed: closed.clone() };
    guest.into_iter().flat_map(|guest| guest.origins).for_each(|node| tell(server, node, &told));
}

/// A node is gone. What it still had of sessions that are here is lost, and so are the sessions it had.
pub(crate) fn down(server: &Arc<Inner>, node: NodeId) {
    let Some(member) = &server.cluster else { return };
    server.moves.untold.forget(node);
    server.moves.forget(node);
    let (lost, left): (Vec<_>, Vec<_>) = {
        let mut moves = server.moves.lock();
        let lost = moves.guests.iter_mut().map(|(device, guest)| {
            guest.origins.retain(|origin| *origin != node);
            let (lost, at_work) = guest.at_work.drain(..).partition(|(_, at)| *at == node);
            guest.at_work = at_work;
            (*device, lost)
        });
        (lost.collect::<Vec<(DeviceId, Vec<(String, NodeId)>)>>(), moves.left.keys().copied().collect())
    };
    for (device, stamps) in lost {
        let Some(conn) = server.registry.device(device) else { continue };
        let codec = conn.0.handle.codec();
        let error = RpError::new(Code::RP_FAILED).message("the server that ran it is gone");
        for (stamp, _) in stamps {
            let payload = Payload::null(codec.format());
            let answer = codec.error(&error, "", &payload, false);
            conn.0.handle.answer_lost(&stamp, &answer);
        }
    }
    for device in left {
        if member.look(|node, _| node.device(device)).is_none() {
            end(server, device, &Closed::broken(Reason::default()));
        }
    }
}

/// A session that was here before has ended at another node.
fn end(server: &Arc<Inner>, device: DeviceId, closed: &Closed) {
    for conn in left_of(server, device) {
        conn.0.handle.ended_elsewhere(closed.clone());
    }
    server.moves.lock().left.remove(&device);
}

/// The `Conn`s of a session that was here before.
fn left_of(server: &Inner, device: DeviceId) -> Vec<Conn> {
    server.moves.lock().left_of(device)
}

/// Passes something on to the node that has the session now.
fn pass_on(server: &Arc<Inner>, device: DeviceId, hops: u8, told: impl FnOnce(u8) -> Told) {
    let Some(member) = &server.cluster else { return };
    let owner = member.look(|node, _| node.device(device)).map(|(node, _)| node);
    if let Some(to) = owner.filter(|to| *to != member.id() && hops < HOPS) {
        tell(server, to, &told(hops + 1));
    }
}

impl Inner {
    fn guest(&self, device: DeviceId) -> Option<super::Guest> {
        self.cluster.as_ref()?;
        self.moves.lock().guests.get(&device).cloned()
    }
}

/// Carries what is done here with a session that is elsewhere.
pub(super) struct Carrier {
    server: Weak<Inner>,
    device: DeviceId,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Relayed>,
    /// Somebody carries.
    busy: bool,
}

impl Carrier {
    pub(super) fn new(server: &Arc<Inner>, device: DeviceId) -> Self {
        Self { server: Arc::downgrade(server), device, queue: Mutex::default() }
    }

    fn tell(&self, what: Relayed) {
        let Some(server) = self.server.upgrade() else { return };
        let device = self.device;
        let told = match what {
            Relayed::Frame(frame, age) => Told::Frame { device, hops: 0, frame, age },
            Relayed::Answered(stamp) => Told::Answered { device, hops: 0, stamp },
            Relayed::Close(closed) => Told::Close { device, closed },
            Relayed::Passed(nodes) => Told::Passed { device, nodes },
        };
        let owner = server.cluster.as_ref().and_then(|member| member.look(|node, _| node.device(device)));
        match owner {
            Some((to, _)) => tell(&server, to, &told),
            None => end(&server, device, &Closed::broken(Reason::default())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relay for Carrier {
    fn put(&self, what: Relayed) {
        self.lock().waiting.push_back(what);
    }

    fn carry(&self) {
        let mut queue = self.lock();
        if std::mem::replace(&mut queue.busy, true) {
            return; // the one that carries looks again
        }
        while let Some(what) = queue.waiting.pop_front() {
            drop(queue);
            self.tell(what);
            queue = self.lock();
        }
        queue.busy = false;
    }
}
