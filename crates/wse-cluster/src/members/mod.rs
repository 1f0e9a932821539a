//! The other nodes: which are there, what is known of each, and who is not listened to any more.

mod hearing;
mod peer;

use crate::{
    Config, NodeId,
    directory::{HERE, Owner},
};
pub(crate) use hearing::{Heard, Hearing};
pub(crate) use peer::{Cursor, Loading, Peer, Tag, digest, room_weight, user_weight};
use std::collections::BTreeMap;

/// How long a node that has gone is remembered.
const REMEMBERED: u64 = 60_000;

/// Nodes that have gone and are remembered; the earliest is forgotten first.
const MOST_REMEMBERED: usize = 4_096;

/// A node that has gone.
struct Departed {
    at: u64,
    /// It will not come back: it said goodbye, or another has its name.
    for_good: bool,
    /// Its last generation that was taken in.
    floor: u32,
}

/// The other nodes.
#[derive(Default)]
pub(crate) struct Members {
    peers: BTreeMap<NodeId, Peer>,
    /// Which node the directory means; the first one is this node.
    owners: Vec<Option<NodeId>>,
    departed: BTreeMap<NodeId, Departed>,
    generation: u32,
}

impl Members {
    pub(crate) fn new(id: NodeId) -> Self {
        Self { owners: vec![Some(id)], ..Self::default() }
    }

    pub(crate) fn get(&self, id: NodeId) -> Option<&Peer> {
        self.peers.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: NodeId) -> Option<&mut Peer> {
        self.peers.get_mut(&id)
    }

    pub(crate) fn contains(&self, id: NodeId) -> bool {
        self.peers.contains_key(&id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(crate) fn ids(&self) -> Vec<NodeId> {
        self.peers.keys().copied().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &Peer)> {
        self.peers.iter().map(|(id, peer)| (*id, peer))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (NodeId, &mut Peer)> {
        self.peers.iter_mut().map(|(id, peer)| (*id, peer))
    }

    /// The node that the directory means.
    pub(crate) fn node(&self, owner: Owner) -> Option<NodeId> {
        self.owners.get(owner as usize).copied().flatten()
    }

    /// The peer that the directory means; `None` for this node.
    pub(crate) fn peer(&self, owner: Owner) -> Option<&Peer> {
        if owner == HERE { None } else { self.peers.get(&self.node(owner)?) }
    }

    /// The next generation of links, one number for all peers.
    pub(crate) fn generation(&mut self) -> u32 {
        self.generation += 1;
        self.generation
    }

    /// A node is heard of for the first time. False when there are too many.
    pub(crate) fn add(&mut self, now: u64, id: NodeId, config: &Config) -> bool {
        if self.peers.len() >= config.peers.min(usize::from(Owner::MAX)) {
            return false;
        }
        let free = self.owners.iter().position(Option::is_none);
        let owner = free.unwrap_or_else(|| {
            self.owners.push(None);
            self.owners.len() - 1
        });
        self.owners[owner] = Some(id);
        let floor = self.departed.remove(&id).map_or(0, |departed| departed.floor);
        let generation = self.generation();
        self.peers.insert(id, Peer::new(now, owner as Owner, generation, floor, config));
        true
    }

    /// A node is gone; `for_good`: it is not listened to any more.
    pub(crate) fn remove(&mut self, now: u64, id: NodeId, for_good: bool) -> Option<Peer> {
        let peer = self.peers.remove(&id)?;
        if self.departed.len() >= MOST_REMEMBERED {
            let earliest = self.departed.iter().min_by_key(|(_, departed)| departed.at).map(|(id, _)| *id);
            earliest.and_then(|id| self.departed.remove(&id));
        }
        self.departed.insert(id, Departed { at: now, for_good, floor: peer.link.incoming_generation() });
        Some(peer)
    }

    /// What the directory knew as that node is nobody's any more.
    pub(crate) fn free(&mut self, owner: Owner) {
        if let Some(slot) = self.owners.get_mut(owner as usize) {
            *slot = None;
        }
    }

    /// Whether a node has gone for good.
    pub(crate) fn is_departed(&self, now: u64, id: NodeId) -> bool {
        self.departed.get(&id).is_some_and(|departed| departed.for_good && now < departed.at + REMEMBERED)
    }

    /// Forgets those who have gone long ago.
    pub(crate) fn sweep(&mut self, now: u64) {
        self.departed.retain(|_, departed| now < departed.at + REMEMBERED);
    }

    /// Another node of that name, with what is known of it.
    pub(crate) fn namesake(&self, id: NodeId, name: &str) -> Option<(NodeId, u64)> {
        let same = self.peers.iter().find(|(other, peer)| **other != id && peer.name == name)?;
        Some((*same.0, same.1.born))
    }

    /// Bytes that wait for all peers.
    pub(crate) fn bytes(&self) -> usize {
        self.peers.values().map(|peer| peer.link.bytes()).sum()
    }

    /// The peer for which most waits.
    pub(crate) fn slowest(&self) -> Option<NodeId> {
        self.peers.iter().max_by_key(|(_, peer)| peer.link.bytes()).map(|(id, _)| *id)
    }
}
