//! What the server tells of its devices, and what follows for a user: the limit, and what is to be reported.

use super::Node;
use crate::{
    DeviceId, Entry, Hlc, Leaving, NodeId, Output, Time,
    directory::{HERE, UserRef},
    frame::{CID_BYTES, CLOSED_BYTES, Change, NAME_BYTES},
    limit::{Rival, surplus},
    members::{digest, user_weight},
    reports::Absent,
};
use std::{collections::BTreeSet, sync::Arc};

impl Node {
    /// A device has come. Its `since` is made here, and its `hop` is 0. A device whose cid has more than 4,096 bytes
    /// is not told to others, and not counted.
    pub fn enter(&mut self, time: Time, device: Entry) -> Hlc {
        let since = self.clock.stamp(time);
        if device.cid.as_str().len() <= CID_BYTES {
            let entry = Entry { since, hop: 0, ..device };
            let user = self.own(time.ms, &entry);
            self.touch(time, user, None);
            self.settle(time);
        }
        since
    }

    /// A device of this node has left. Without effect for one that is not (any more) of this node. If its session is on
    /// its way, it is closed where it arrives, and [`Output::Moved`] or [`Output::Returned`] follows as for any other.
    pub fn leave(&mut self, time: Time, id: DeviceId, mut leaving: Leaving) {
        if leaving.closed.len() > CLOSED_BYTES {
            leaving.closed.clear();
        }
        self.takes.leave(id, &leaving.closed);
        if let Some(user) = self.disown(time.ms, id, &leaving) {
            self.touch(time, user, Some(leaving));
            self.settle(time);
        }
    }

    /// A device of this node has lost its connection but not its session, or has another one.
    pub fn park(&mut self, time: Time, id: DeviceId, parked: bool) {
        let Some(mut entry) = self.directory.get(HERE, id) else { return };
        if !parked && self.takes.is_unsure(id) {
            // Another node that had been lost may have it too: whoever has the client has the device.
            self.takes.be_sure(id);
            entry.hop = entry.hop.saturating_add(2);
            entry.parked = false;
            self.own(time.ms, &entry);
        } else if entry.parked != parked {
            self.own_hash ^= digest(&entry);
            entry.parked = parked;
            self.own_hash ^= digest(&entry);
            self.directory.insert(HERE, &entry);
            self.tell(time.ms, Change::Park { id, cid: entry.cid, parked });
        }
    }

    /// A device of this node that was on trial counts from now on.
    pub fn confirm(&mut self, time: Time, id: DeviceId) {
        let Some(mut entry) = self.directory.get(HERE, id).filter(|entry| entry.trial) else { return };
        self.own_hash ^= digest(&entry);
        entry.trial = false;
        self.own_hash ^= digest(&entry);
        let (user, _) = self.directory.insert(HERE, &entry);
        self.tell(time.ms, Change::Confirm { id, cid: entry.cid });
        self.touch(time, user, None);
    }

    /// A room has so many members at this node; 0: none any more. Names are of at most 256 bytes.
    pub fn room(&mut self, time: Time, name: &Arc<str>, members: u32) {
        if name.len() <= NAME_BYTES && self.rooms.set(name, members) {
            self.tell(time.ms, Change::Room { name: name.clone(), members });
        }
    }

    /// A device is this node's, and the others are told.
    pub(super) fn own(&mut self, now: u64, entry: &Entry) -> UserRef {
        let (user, before) = self.directory.insert(HERE, entry);
        let mut listed = self.moved.remove(&entry.id).map(|moved| moved.entry);
        if let Some((owner, before)) = before {
            if owner == HERE {
                listed = Some(before);
            } else if let Some(node) = self.members.node(owner)
                && let Some(peer) = self.members.get_mut(node)
            {
                peer.moved.insert(entry.id, before);
            }
        }
        self.own.insert(entry.id);
        self.own_hash ^= digest(entry) ^ listed.as_ref().map_or(0, digest);
        self.tell(now, Change::In(entry.clone()));
        user
    }

    /// A device is this node's no more, and the others are told. Returns its user.
    pub(super) fn disown(&mut self, now: u64, id: DeviceId, leaving: &Leaving) -> Option<UserRef> {
        let (user, entry) = self.directory.remove(HERE, id)?;
        self.takes.forget(id);
        self.unlist(now, entry, leaving);
        Some(user)
    }

    fn unlist(&mut self, now: u64, entry: Entry, leaving: &Leaving) {
        self.own.remove(&entry.id);
        self.own_hash ^= digest(&entry);
        self.tell(now, Change::Out { id: entry.id, cid: entry.cid, leaving: leaving.clone() });
    }

    /// Another node has a device of this one now. This node lists it until every peer has seen that, for as long as a
    /// link may be silent at most: so it has a node at any time, whoever looks.
    pub(super) fn give_up_device(&mut self, time: Time, entry: Entry, to: NodeId) {
        let device = entry.id;
        let seen = self.takes.forget(device);
        let waits = self.members.ids().into_iter().filter(|id| *id != to && !seen.contains(id)).collect();
        self.directory.remove(HERE, device);
        let until = time.ms + self.config.give_up;
        self.wake_at(until);
        self.moved.insert(device, Moved { entry, waits, until });
        self.outputs.push_back(Output::Moved { device, to });
        self.unlist_moved(time.ms, device);
    }

    /// A peer sends what is for that device to its new node from now on.
    pub(super) fn seen(&mut self, time: Time, from: NodeId, device: DeviceId) {
        if let Some(moved) = self.moved.get_mut(&device) {
            moved.waits.remove(&from);
            self.unlist_moved(time.ms, device);
        } else {
            self.takes.seen(from, device);
        }
    }

    /// Peers that have not seen it by now do not need to.
    pub(super) fn unlist_long_moved(&mut self, now: u64) {
        for device in self.moved.keys().copied().collect::<Vec<_>>() {
            if let Some(moved) = self.moved.get_mut(&device).filter(|moved| moved.until <= now) {
                moved.waits.clear();
                self.unlist_moved(now, device);
            }
        }
    }

    /// A peer is lost, or has begun anew: it is not waited for.
    pub(super) fn unseen_by(&mut self, time: Time, peer: NodeId) {
        for device in self.moved.keys().copied().collect::<Vec<_>>() {
            self.seen(time, peer, device);
        }
    }

    fn unlist_moved(&mut self, now: u64, device: DeviceId) {
        if self.moved.get(&device).is_some_and(|moved| moved.waits.is_empty())
            && let Some(moved) = self.moved.remove(&device)
        {
            self.unlist(now, moved.entry, &moving());
        }
    }

    /// The devices of a user have changed, or what was told.
    pub(super) fn touch(&mut self, time: Time, user: UserRef, leaving: Option<Leaving>) {
        let Some(weight) = self.directory.cid(user).map(user_weight) else { return };
        let here = self.directory.is_online(user);
        if here {
            self.reports.is_back(user);
        } else if !self.reports.absent.contains_key(&user) {
            let wakes = [self.config.grace, self.config.remember].map(|wait| time.ms + wait);
            self.reports.has_left(user, Absent { since: time.ms, leaving, weight, wakes });
            self.wake_at(wakes[0].min(wakes[1]));
        }
        let orphan = self.reports.open.get(&user).is_some_and(|by| !self.is_member(*by));
        if here != self.directory.told(user).here || orphan || self.reports.doubt.contains(&user) {
            self.reports.due.insert(user);
        } else {
            self.reports.due.remove(&user);
        }
        if here {
            self.keep_limit(time, user);
        }
        self.report(time, user);
        self.forget_if_too_much(user);
    }

    /// Whether the claim of that node is open for as long as it lives.
    pub(super) fn is_member(&self, by: Option<NodeId>) -> bool {
        by.is_some_and(|by| by == self.id || self.members.contains(by))
    }

    /// Closes the devices of this node that are too many.
    fn keep_limit(&mut self, time: Time, user: UserRef) {
        if self.directory.count(user) <= self.config.limit {
            return;
        }
        let devices = self.directory.devices(user);
        let rivals = devices.iter().map(|(owner, entry)| Rival {
            since: entry.since,
            id: entry.id,
            here: *owner == HERE,
            trial: entry.trial,
        });
        let mut surplus = surplus(rivals.collect(), self.config.limit);
        // A session on its way is closed by the node that takes it.
        surplus.retain(|id| self.takes.given(*id).is_none());
        for id in surplus {
            self.outputs.push_back(Output::Evict(id));
            self.disown(time.ms, id, &moving());
        }
    }
}

/// A device of this node that another one has now.
pub(super) struct Moved {
    pub(super) entry: Entry,
    /// The peers that have not seen it.
    waits: BTreeSet<NodeId>,
    /// Until then they are waited for.
    pub(super) until: u64,
}

/// How a device leaves of which nobody has said goodbye.
pub(super) fn moving() -> Leaving {
    Leaving { clean: false, closed: bytes::Bytes::new() }
}
