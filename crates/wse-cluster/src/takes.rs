//! Sessions on their way between nodes. Whoever gives one keeps it until the other node has said that it is
//! there; whoever takes one in answers the same again when it is given again.

use crate::{DeviceId, Entry, Frame, NodeId, TakeId};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Marks the numbers of offers among those of takes: the one who gives has made them.
const OFFER: u64 = 1 << 63;

/// Answers to one peer that are remembered, so that a session given again has one answer.
const REMEMBERED: usize = 1 << 10;

/// Offers of all peers that wait for their answer.
const OFFERED: usize = 1 << 10;

impl TakeId {
    /// The giving node has made this number.
    pub(crate) fn is_offer(self) -> bool {
        self.0 & OFFER != 0
    }
}

/// A session that this node gives away, and that is not another's yet.
pub(crate) struct Given {
    pub(crate) to: NodeId,
    pub(crate) id: TakeId,
    pub(crate) entry: Entry,
    pub(crate) body: Bytes,
    /// Peers that have seen it at its new node, before this one did.
    pub(crate) seen: BTreeSet<NodeId>,
}

/// A device that has left while its session was on its way.
pub(crate) struct Ended {
    pub(crate) to: NodeId,
    pub(crate) id: TakeId,
    pub(crate) entry: Entry,
    /// How it left.
    pub(crate) closed: Bytes,
    /// The other node has it, and is told to close it.
    pub(crate) there: bool,
}

/// What is on its way, from here and to here.
#[derive(Default)]
pub(crate) struct Takes {
    next: u64,
    pending: BTreeMap<TakeId, (NodeId, u64)>,
    given: BTreeMap<DeviceId, Given>,
    /// Devices that have left while their session was on its way: the other node may have it, or take it in yet.
    ended: BTreeMap<DeviceId, Ended>,
    /// How many sessions are on their way to a node, and the bytes of them.
    ways: BTreeMap<NodeId, (usize, usize)>,
    asked: BTreeSet<(NodeId, TakeId)>,
    offered: BTreeMap<(NodeId, TakeId), Entry>,
    answers: BTreeMap<NodeId, VecDeque<(TakeId, bool)>>,
    /// Devices of this node that a node which was lost may have too.
    unsure: BTreeSet<DeviceId>,
}

impl Given {
    /// The memory that it takes, about: as much again waits in the link.
    fn weight(&self) -> usize {
        weight_of(&self.entry, &self.body)
    }

    pub(crate) fn frame(&self) -> Frame {
        frame_of(self.id, self.entry.clone(), self.body.clone())
    }
}

impl Ended {
    /// Asks the other node whether it has it: without a session, so that it is not taken in by this.
    pub(crate) fn frame(&self) -> Frame {
        frame_of(self.id, self.entry.clone(), Bytes::new())
    }
}

fn frame_of(id: TakeId, entry: Entry, body: Bytes) -> Frame {
    if id.is_offer() { Frame::Offer { id, entry, body } } else { Frame::Given { id, given: Some((entry, body)) } }
}

/// The memory that a session takes on its way, beside what the link has of it.
pub(crate) fn weight_of(entry: &Entry, body: &Bytes) -> usize {
    const BESIDE: usize = 512;
    BESIDE + entry.cid.as_str().len() + body.len()
}

impl Takes {
    /// A number for a take.
    pub(crate) fn id(&mut self) -> TakeId {
        self.next += 1;
        TakeId(self.next)
    }

    /// A number for an offer.
    pub(crate) fn offer_id(&mut self) -> TakeId {
        TakeId(self.id().0 | OFFER)
    }

    // Takes of this node.

    pub(crate) fn open(&mut self, id: TakeId, node: NodeId, deadline: u64) {
        self.pending.insert(id, (node, deadline));
    }

    /// Ends a take that waits for that node. False when it does not.
    pub(crate) fn end(&mut self, id: TakeId, node: NodeId) -> bool {
        self.pending.get(&id).is_some_and(|(other, _)| *other == node) && self.pending.remove(&id).is_some()
    }

    /// Those that wait for a node.
    pub(crate) fn of(&self, node: NodeId) -> Vec<TakeId> {
        self.pending.iter().filter(|(_, (other, _))| *other == node).map(|(id, _)| *id).collect()
    }

    /// Those whose time is over, with the node they wait for.
    pub(crate) fn late(&self, now: u64) -> Vec<(TakeId, NodeId)> {
        let late = self.pending.iter().filter(|(_, (_, deadline))| *deadline <= now);
        late.map(|(id, (node, _))| (*id, *node)).collect()
    }

    pub(crate) fn due(&self) -> u64 {
        self.pending.values().map(|(_, deadline)| *deadline).min().unwrap_or(u64::MAX)
    }

    /// Whether a session of that peer was taken in. Given again, the answer is the same.
    pub(crate) fn remember(&mut self, from: NodeId, id: TakeId, wanted: bool) {
        let answers = self.answers.entry(from).or_default();
        answers.push_back((id, wanted));
        if answers.len() > REMEMBERED {
            answers.pop_front();
        }
    }

    /// What was answered to that peer.
    pub(crate) fn answer(&self, from: NodeId, id: TakeId) -> Option<bool> {
        self.answers.get(&from)?.iter().find(|(other, _)| *other == id).map(|(_, wanted)| *wanted)
    }

    // Takes of others.

    /// The server is asked for a session. False when it is asked for it already, or for too many.
    pub(crate) fn ask(&mut self, from: NodeId, id: TakeId) -> bool {
        self.asked.len() < OFFERED && self.asked.insert((from, id))
    }

    /// The server has answered. False when the other node has been lost meanwhile.
    pub(crate) fn answered(&mut self, from: NodeId, id: TakeId) -> bool {
        self.asked.remove(&(from, id))
    }

    // What this node gives.

    pub(crate) fn give(&mut self, given: Given) {
        self.keep(given.entry.id);
        let way = self.ways.entry(given.to).or_default();
        *way = (way.0 + 1, way.1 + given.weight());
        self.given.insert(given.entry.id, given);
    }

    /// How many sessions are on their way to a node, and the bytes of them.
    pub(crate) fn way(&self, to: NodeId) -> (usize, usize) {
        self.ways.get(&to).copied().unwrap_or_default()
    }

    /// Bytes of all sessions that are on their way.
    pub(crate) fn bytes(&self) -> usize {
        self.ways.values().map(|(_, bytes)| bytes).sum()
    }

    /// Whether that is on its way to that node, under that number.
    pub(crate) fn is_given(&self, to: NodeId, id: TakeId, device: DeviceId) -> bool {
        self.given.get(&device).is_some_and(|given| (given.to, given.id) == (to, id))
    }

    /// It is on its way no more: this node keeps it.
    pub(crate) fn keep(&mut self, device: DeviceId) {
        self.end_way(device);
    }

    fn end_way(&mut self, device: DeviceId) -> Option<Given> {
        let given = self.given.remove(&device)?;
        if let Some(way) = self.ways.get_mut(&given.to) {
            *way = (way.0 - 1, way.1 - given.weight());
            if way.0 == 0 {
                self.ways.remove(&given.to);
            }
        }
        Some(given)
    }

    /// What is on its way to a node.
    pub(crate) fn given_to(&self, node: NodeId) -> impl Iterator<Item = &Given> {
        self.given.values().filter(move |given| given.to == node)
    }

    /// A session on its way to another node.
    pub(crate) fn given(&self, device: DeviceId) -> Option<&Given> {
        self.given.get(&device)
    }

    /// A peer has seen the device at its new node.
    pub(crate) fn seen(&mut self, from: NodeId, device: DeviceId) {
        if let Some(given) = self.given.get_mut(&device) {
            given.seen.insert(from);
        }
    }

    /// A device is not this node's any more. Returns the peers that know where it is.
    pub(crate) fn forget(&mut self, device: DeviceId) -> BTreeSet<NodeId> {
        self.unsure.remove(&device);
        self.end_way(device).map(|given| given.seen).unwrap_or_default()
    }

    /// A device leaves. If its session is on its way, this is remembered until it is known where that is.
    pub(crate) fn leave(&mut self, device: DeviceId, closed: &Bytes) {
        if let Some(Given { to, id, entry, .. }) = self.end_way(device) {
            self.ended.insert(device, Ended { to, id, entry, closed: closed.clone(), there: false });
        }
    }

    /// A device that has left while its session was on its way.
    pub(crate) fn ended(&self, device: DeviceId) -> Option<&Ended> {
        self.ended.get(&device)
    }

    /// A node has its session. Returns how it left, and whether this is new.
    pub(crate) fn ended_is_at(&mut self, device: DeviceId, node: NodeId) -> Option<(Bytes, bool)> {
        let ended = self.ended.get_mut(&device)?;
        let new = !std::mem::replace(&mut ended.there, true);
        ended.to = node;
        Some((ended.closed.clone(), new))
    }

    /// Its session is nowhere any more.
    pub(crate) fn end_ended(&mut self, device: DeviceId) -> Option<Ended> {
        self.ended.remove(&device)
    }

    /// Those whose session was on its way to a node, or is there.
    pub(crate) fn ended_to(&self, node: NodeId) -> Vec<DeviceId> {
        self.ended.iter().filter(|(_, ended)| ended.to == node).map(|(device, _)| *device).collect()
    }

    /// Keeps what was on its way to a node.
    pub(crate) fn keep_from(&mut self, node: NodeId) -> Vec<DeviceId> {
        let ids: Vec<DeviceId> = self.given_to(node).map(|given| given.entry.id).collect();
        ids.iter().for_each(|id| self.keep(*id));
        ids
    }

    // What is given or offered to this node, and waits for its server.

    /// Whether the server is asked about it.
    pub(crate) fn waits(&self, from: NodeId, id: TakeId) -> bool {
        self.offered.contains_key(&(from, id))
    }

    /// Another node gives a session. Returns whether this is new; `None`: too many wait for an answer.
    pub(crate) fn offered(&mut self, from: NodeId, id: TakeId, entry: &Entry) -> Option<bool> {
        if self.offered.len() >= OFFERED {
            return None;
        }
        Some(self.offered.insert((from, id), entry.clone()).is_none())
    }

    /// The server has answered. `None`: it has lapsed.
    pub(crate) fn accept(&mut self, from: NodeId, id: TakeId, device: DeviceId) -> Option<Entry> {
        let entry = self.offered.remove(&(from, id))?;
        (entry.id == device).then_some(entry)
    }

    // What this node has got back.

    /// A node that was lost may have this device too.
    pub(crate) fn be_unsure(&mut self, device: DeviceId) {
        self.unsure.insert(device);
    }

    /// No other node can have it, or it is not this node's any more.
    pub(crate) fn be_sure(&mut self, device: DeviceId) {
        self.unsure.remove(&device);
    }

    pub(crate) fn is_unsure(&self, device: DeviceId) -> bool {
        self.unsure.contains(&device)
    }

    /// The other node is lost: what it has asked and offered has lapsed.
    pub(crate) fn lapse(&mut self, node: NodeId) {
        self.asked.retain(|(from, _)| *from != node);
        self.offered.retain(|(from, _), _| *from != node);
        self.answers.remove(&node);
    }
}
