//! Questions, which never wait.

use super::Node;
use crate::{DeviceId, Entry, NodeId, Time, directory::HERE};
use wse_proto::Cid;

impl Node {
    /// Every device of a user, of all nodes, with its node; the oldest first.
    pub fn devices_of(&self, cid: &Cid) -> Vec<(NodeId, Entry)> {
        let Some(user) = self.directory.find(cid.as_str()) else { return Vec::new() };
        let devices = self.directory.devices(user).into_iter();
        let mut all: Vec<_> = devices.filter_map(|(owner, entry)| Some((self.members.node(owner)?, entry))).collect();
        all.sort_unstable_by_key(|(_, entry)| (entry.since, entry.id));
        all
    }

    /// A device and its node.
    pub fn device(&self, id: DeviceId) -> Option<(NodeId, Entry)> {
        let (owner, entry) = self.directory.locate(id)?;
        Some((self.members.node(owner)?, entry))
    }

    /// How many devices a user has, of all nodes.
    pub fn count_of(&self, cid: &Cid) -> usize {
        self.directory.find(cid.as_str()).map_or(0, |user| self.directory.count(user))
    }

    /// How many users and devices there are, of all nodes.
    pub fn counts(&self) -> (usize, usize) {
        self.directory.counts()
    }

    /// Calls `each` with every user and its devices of other nodes, in no order.
    pub fn each_elsewhere(&self, mut each: impl FnMut(&Cid, &[(NodeId, Entry)])) {
        for (user, cid, _) in self.directory.users(0) {
            let devices = self.directory.devices(user).into_iter().filter(|(owner, _)| *owner != HERE);
            let there: Vec<_> = devices.filter_map(|(owner, entry)| Some((self.members.node(owner)?, entry))).collect();
            if !there.is_empty() {
                each(cid, &there);
            }
        }
    }

    /// Calls `each` with users who have a device at any node: the first so many of those who stand at `from` or behind
    /// it. Returns where to go on; `None` after the last. Who has a device all the time comes exactly once, whoever
    /// else comes and goes between two calls.
    pub fn users(&self, from: u32, most: usize, mut each: impl FnMut(&Cid)) -> Option<u32> {
        let mut users = self.directory.users(from);
        for (user, cid, _) in users.by_ref().take(most) {
            if self.directory.is_online(user) {
                each(cid);
            }
        }
        users.next().map(|(user, ..)| user)
    }

    /// How many members a room has at other nodes, by the last counts.
    pub fn members_elsewhere(&self, room: &str) -> usize {
        self.rooms.at(room).iter().map(|(_, members)| *members as usize).sum()
    }

    /// The other nodes where a room has members.
    pub fn nodes_of_room(&self, room: &str) -> Vec<NodeId> {
        self.rooms.at(room).iter().filter_map(|(owner, _)| self.members.node(*owner)).collect()
    }

    /// How many members a room has at another node.
    #[cfg(test)]
    pub(crate) fn rooms_at(&self, room: &str, node: NodeId) -> usize {
        let there = self.rooms.at(room).iter().filter(|(owner, _)| self.members.node(*owner) == Some(node));
        there.map(|(_, members)| *members as usize).sum()
    }

    /// Devices that have left while their session was on its way, and may be elsewhere.
    #[cfg(test)]
    pub(crate) fn ended_on_their_way(&self) -> usize {
        self.members.ids().into_iter().map(|id| self.takes.ended_to(id).len()).sum()
    }

    /// The nodes that are there, this one first, with their names.
    pub fn nodes(&self) -> Vec<(NodeId, String)> {
        let peers = self.members.iter().map(|(id, peer)| (id, peer.name.clone()));
        std::iter::once((self.id, self.config.name.clone())).chain(peers).collect()
    }

    /// The nodes that close devices by another limit than this one.
    pub fn other_limits(&self) -> Vec<(NodeId, u32)> {
        let other = self.members.iter().filter(|(_, peer)| peer.limit as usize != self.config.limit);
        other.map(|(id, peer)| (id, peer.limit)).collect()
    }

    /// Whether this node hears itself.
    pub fn is_connected(&self, time: Time) -> bool {
        self.hearing.is_connected(time.ms, &self.config)
    }

    /// Since when it does not, in [`Time::ms`].
    pub fn deaf_since(&self) -> Option<u64> {
        self.hearing.deaf_since
    }

    /// A mark of all that was said so far, for [`is_settled`](Self::is_settled).
    pub fn said(&self) -> Vec<(NodeId, u32, u64)> {
        let said = self.members.iter().map(|(id, peer)| (id, peer.link.said()));
        said.map(|(id, (generation, number))| (id, generation, number)).collect()
    }

    /// Whether every peer that lives has acknowledged what was said up to that mark.
    pub fn is_settled(&self, mark: &[(NodeId, u32, u64)]) -> bool {
        mark.iter().all(|(id, generation, number)| {
            self.members.get(*id).is_none_or(|peer| peer.link.has_acknowledged((*generation, *number)))
        })
    }

    /// Bytes that wait for other nodes, and of sessions that are on their way there.
    pub fn waiting_bytes(&self) -> usize {
        self.members.bytes() + self.takes.bytes()
    }

    /// How often the copy of another node's devices was not what that node has. It is an assertion: 0.
    pub fn mismatches(&self) -> u64 {
        self.mismatches
    }

    /// Frames that made no sense and were left out.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }
}
