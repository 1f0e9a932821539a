//! What is sent to a device while its session moves, exactly once and in order: by the node that had it, or by the one
//! that has it.
//!
//! Each node learns at another moment that a session has moved, and says so at that moment to both, over the links by
//! which it sends. So both links are split at the same point: what a node has sent before, the first passes on, and the
//! second leaves alone; what it sends afterwards, the second takes, and the first leaves alone. It takes longer over
//! the first, which says therefore when all of it was passed on; until then the second holds what has come directly.
//!
//! A session does not move on before every node knows where it is, so there are never more than two.
//!
//! What this server itself sends is split by the lock of its node: whose a device is does not change while a message
//! is taken for the other nodes.

use crate::{
    server::{
        Inner,
        moves::{Brought, Moves, State},
        users::{conn::Conn, encoded::Encoded},
    },
    session::moving::Relayed,
};
use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};
use wse_cluster::{DeviceId, Node, NodeId, Recipients, Scope, TakeId};

/// So long a node may take to learn that a session has moved, and the other one to pass on what it has sent. One that
/// takes longer has begun anew meanwhile, or is gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many messages of other nodes are held for one device, and no more bytes of them than a session may keep. Beyond,
/// they do not wait for those that are passed on.
const HELD: usize = 1024;

/// What a message that is held takes besides its bytes.
const BESIDE: usize = 64;

/// A session that has come, while something is still to come after it.
pub(super) struct Fresh {
    conn: Conn,
    /// The node that had it.
    from: NodeId,
    /// The device that waits for it.
    take: Option<TakeId>,
    /// The nodes that may not know yet that it is here.
    unseen: Vec<NodeId>,
    /// The nodes of which not everything was passed on yet. With the node that had it, what was sent there has come.
    open: Vec<NodeId>,
    /// What these have sent here since.
    held: Vec<(NodeId, Encoded)>,
    /// How many bytes of it there are, and may be.
    held_bytes: usize,
    limit: usize,
}

/// A session that is elsewhere, while not every node knows that.
pub(super) struct Passing {
    conn: Conn,
    /// The rooms that it was in.
    rooms: Vec<Arc<str>>,
    /// The nodes that may not know it.
    unseen: Vec<NodeId>,
}

/// What is to be done without a lock.
#[derive(Default)]
#[must_use = "it is done without a lock"]
pub(super) struct Released {
    /// Everything has come that was sent where the session was.
    arrived: Option<Conn>,
    /// What other nodes have sent since.
    messages: Vec<(Conn, Encoded)>,
}

impl Released {
    pub(super) fn act(self) {
        if let Some(conn) = self.arrived {
            conn.0.handle.arrive();
        }
        for (conn, message) in self.messages {
            let _ = conn.queue(&message); // as any message of another node: that device may have gone
        }
    }
}

impl Fresh {
    pub(super) fn new(conn: Conn, from: NodeId, take: Option<TakeId>, mut peers: Vec<NodeId>) -> Self {
        if !peers.contains(&from) {
            peers.push(from);
        }
        let limit = conn.0.server.env.limits.session_bytes;
        Self { conn, from, take, unseen: peers.clone(), open: peers, held: Vec::new(), held_bytes: 0, limit }
    }

    /// Holds a message of a node, if it has to wait. Where it is too much, all of that node is let go before.
    fn hold(&mut self, from: NodeId, message: &Encoded, released: &mut Released) -> bool {
        let bytes = message.size() + BESIDE;
        if self.held.len() >= HELD || self.held_bytes + bytes > self.limit {
            self.passed(&[from], released);
        }
        let waits = self.open.contains(&from);
        if waits {
            self.held_bytes += bytes;
            self.held.push((from, message.clone()));
        }
        waits
    }

    /// Everything was passed on that these nodes have sent before.
    fn passed(&mut self, nodes: &[NodeId], released: &mut Released) {
        if nodes.contains(&self.from) && self.open.contains(&self.from) {
            released.arrived = Some(self.conn.clone());
        }
        self.open.retain(|node| !nodes.contains(node));
        for (_, message) in self.held.extract_if(.., |(node, _)| nodes.contains(node)) {
            self.held_bytes -= message.size() + BESIDE;
            released.messages.push((self.conn.clone(), message));
        }
    }

    fn is_over(&self) -> bool {
        self.unseen.is_empty() && self.open.is_empty()
    }
}

impl Passing {
    pub(super) fn new(conn: Conn, rooms: Vec<Arc<str>>, unseen: Vec<NodeId>) -> Self {
        Self { conn, rooms, unseen }
    }

    fn is_among(&self, to: &Recipients) -> bool {
        let within = match &to.scope {
            Scope::Everyone => true,
            Scope::User(cid) => cid == self.conn.cid(),
            Scope::Device(id) => *id == self.conn.id(),
            Scope::Room(room) => self.rooms.contains(room),
        };
        within && !to.leaves_out(self.conn.id(), self.conn.cid())
    }
}

/// Which sessions had come when the devices of this server were listed for a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed(u64);

impl Moves {
    /// To be called before the devices of this server are listed for a message that goes to other nodes too.
    pub(crate) fn listing(&self) -> Listed {
        Listed(self.came.load(Ordering::Acquire))
    }

    /// Under the lock of the node, with which the message is taken for the others: leaves out devices that are
    /// listed here and are another node's. False when one has come since: the list has to be made anew.
    pub(crate) fn complete(&self, listed: Listed, here: NodeId, node: &Node, conns: &mut Vec<Conn>) -> bool {
        if self.listing() != listed {
            return false;
        }
        if self.are_crossing() {
            conns.retain(|conn| node.device(conn.id()).is_none_or(|(owner, _)| owner == here));
        }
        true
    }

    /// Whether some node may not know yet where a session is.
    pub(crate) fn are_crossing(&self) -> bool {
        self.crossing.load(Ordering::Acquire) > 0
    }

    /// Whether a session has come a moment ago: not every node knows it, or not everything has come that was sent where
    /// it was.
    pub(super) fn is_fresh(&self, device: DeviceId) -> bool {
        self.are_crossing() && self.lock().fresh.contains_key(&device)
    }

    /// Notes that a session has come: lists that were made before are not complete.
    pub(super) fn has_come(&self) {
        self.came.fetch_add(1, Ordering::AcqRel);
    }

    /// Leaves out the devices of this server that get a message of another node from where they were before, or later,
    /// and adds those to which this one passes it on.
    pub(crate) fn sort_out(&self, from: NodeId, to: &Recipients, message: &Encoded, conns: &mut Vec<Conn>) {
        if !self.are_crossing() {
            return;
        }
        let (mut moves, mut released) = (self.lock(), Released::default());
        let State { leaving, passing, fresh, .. } = &mut *moves;
        conns.retain(|conn| {
            if leaving.get(&conn.id()).is_some_and(|leaving| leaving.seen.contains(&from)) {
                return false; // it goes there
            }
            let Some(fresh) = fresh.get_mut(&conn.id()) else { return true };
            if fresh.unseen.contains(&from) {
                return false; // it comes from there
            }
            !fresh.hold(from, message, &mut released)
        });
        let passed_on = passing.values().filter(|passing| passing.unseen.contains(&from) && passing.is_among(to));
        conns.extend(passed_on.map(|passing| passing.conn.clone()));
        drop(moves);
        released.act();
    }

    /// Leaves out the devices that have been in a room since their session came: what the room retained before they have
    /// had.
    pub(crate) fn leave_out_moved(&self, room: &str, members: &mut Vec<Conn>) {
        let moves = self.lock();
        if !moves.guests.is_empty() {
            let came_with = |conn: &Conn| {
                moves.guests.get(&conn.id()).is_some_and(|guest| guest.rooms.iter().any(|name| **name == *room))
            };
            members.retain(|conn| !came_with(conn));
        }
    }

    /// What that node sends to the device goes to its new node from here on.
    pub(crate) fn seen(&self, from: NodeId, device: DeviceId) {
        let mut moves = self.lock();
        if let Some(leaving) = moves.leaving.get_mut(&device) {
            leaving.seen.push(from);
        }
        if let Some(fresh) = moves.fresh.get_mut(&device) {
            fresh.unseen.retain(|node| *node != from);
        }
        moves.fresh.retain(|_, fresh| !fresh.is_over());
        let Some(passing) = moves.passing.get_mut(&device) else { return };
        passing.unseen.retain(|node| *node != from);
        let (conn, is_over) = (passing.conn.clone(), passing.unseen.is_empty());
        let over = if is_over { moves.passing.remove(&device) } else { None };
        drop(moves);
        drop(over); // what the application keeps with a device is its own
        conn.0.handle.relay(Relayed::Passed(vec![from]));
    }

    /// The node that had a session has passed on what these nodes have sent before.
    pub(super) fn passed(&self, device: DeviceId, nodes: &[NodeId]) {
        let (mut moves, mut released) = (self.lock(), Released::default());
        if let Some(fresh) = moves.fresh.get_mut(&device) {
            fresh.passed(nodes, &mut released);
        }
        let take = released.arrived.as_ref().and_then(|_| moves.fresh.get_mut(&device)?.take.take());
        moves.fresh.retain(|_, fresh| !fresh.is_over());
        drop(moves);
        released.act();
        if let Some(take) = take {
            self.lock().brought(take, Brought::Here);
        }
    }

    /// Nothing more comes after a session, or is passed on to it: its time is over.
    fn expire(&self, device: DeviceId) {
        let mut moves = self.lock();
        let open = moves.fresh.get_mut(&device).map(|fresh| std::mem::take(&mut fresh.unseen));
        let open = open.and_then(|_| moves.fresh.get(&device).map(|fresh| fresh.open.clone()));
        let over = moves.passing.remove(&device);
        drop(moves);
        drop(over);
        if let Some(open) = open {
            self.passed(device, &open);
        }
        self.lock().fresh.retain(|_, fresh| !fresh.is_over());
    }

    /// A node is gone: it sends and passes on nothing more.
    pub(super) fn forget(&self, gone: NodeId) {
        let mut moves = self.lock();
        moves.passing.values_mut().for_each(|passing| passing.unseen.retain(|node| *node != gone));
        let over: Vec<_> = moves.passing.extract_if(|_, passing| passing.unseen.is_empty()).collect();
        let mut open = Vec::new();
        for (device, fresh) in &mut moves.fresh {
            fresh.unseen.retain(|node| *node != gone);
            let lost = if fresh.from == gone { fresh.open.clone() } else { vec![gone] };
            open.push((*device, lost));
        }
        drop(moves);
        drop(over);
        open.iter().for_each(|(device, lost)| self.passed(*device, lost));
    }
}

/// Ends what is known of a move after its time.
pub(super) fn expire_later(server: &Arc<Inner>, device: DeviceId) {
    let server: Weak<Inner> = Arc::downgrade(server);
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        tokio::time::sleep(PATIENCE).await;
        if let Some(server) = server.upgrade() {
            server.moves.expire(device);
        }
    });
}

impl Inner {
    /// The nodes that are there besides this one.
    pub(super) fn peers(&self, node: &Node) -> Vec<NodeId> {
        node.nodes().into_iter().map(|(id, _)| id).filter(|id| *id != self.node).collect()
    }
}
