//! The copy of what a peer has: loaded as a whole, then changed.

use super::Node;
use crate::{
    DeviceId, Down, Entry, Frame, NodeId, Output, Time,
    directory::UserRef,
    members::{Loading, Peer, room_weight},
};
use std::sync::Arc;

impl Node {
    /// A part of a peer's state. It counts when the last one is there.
    pub(super) fn load(
        &mut self,
        time: Time,
        from: NodeId,
        entries: Vec<Entry>,
        rooms: Vec<(Arc<str>, u32)>,
        last: bool,
    ) {
        let Some(peer) = self.members.get_mut(from) else { return };
        let Some(loading) = &mut peer.loading else { return };
        entries.into_iter().for_each(|entry| loading.insert(entry));
        rooms.into_iter().for_each(|(name, members)| loading.room(name, members));
        if loading.weight > self.config.entry_bytes {
            self.bury(time, from, Down::TooMuch);
        } else if last && let Some(loading) = peer.loading.take() {
            peer.synced = true;
            self.replace(time, from, loading);
            self.quiet(time);
            self.wake_at(time.ms + 1); // it may be ready now
        }
    }

    /// A peer's state is that, and nothing else.
    pub(super) fn replace(&mut self, time: Time, from: NodeId, loading: Loading) {
        let Some(peer) = self.members.get(from) else { return };
        let owner = peer.owner;
        let mut gone: Vec<DeviceId> = peer.moved.keys().copied().collect();
        gone.extend(self.directory.of(owner));
        gone.retain(|id| !loading.entries.contains_key(id));
        let mut users: Vec<UserRef> = Vec::new();
        for entry in loading.entries.values() {
            self.see(time, entry.since);
            if self.directory.get(owner, entry.id).as_ref() != Some(entry) {
                users.extend(self.put(time, from, entry));
            }
        }
        users.extend(gone.into_iter().filter_map(|id| self.take_out(from, id)));
        for device in self.takes.ended_to(from).into_iter().filter(|id| !loading.entries.contains_key(id)) {
            self.ended_has_left(from, device);
        }
        for room in self.rooms.of(owner) {
            if !loading.rooms.contains_key(&room) {
                self.learn_room(from, &room, 0);
            }
        }
        loading.rooms.iter().for_each(|(name, members)| self.learn_room(from, name, *members));
        for user in users {
            self.changed(user, Some(false));
            self.touch(time, user, None);
        }
    }

    /// Changes a device of a peer.
    pub(super) fn change_of(&mut self, time: Time, from: NodeId, id: DeviceId, change: impl FnOnce(&mut Entry)) {
        let Some(owner) = self.members.get(from).map(|peer| peer.owner) else { return };
        if let Some(mut entry) = self.directory.get(owner, id) {
            change(&mut entry);
            self.admit(time, from, &entry);
        } else if let Some(peer) = self.members.get_mut(from)
            && let Some(mut entry) = peer.moved.remove(&id)
        {
            peer.discount(&entry);
            change(&mut entry);
            peer.count(&entry);
            peer.moved.insert(id, entry);
        }
    }

    /// A peer has a device.
    pub(super) fn admit(&mut self, time: Time, from: NodeId, entry: &Entry) {
        if let Some(user) = self.put(time, from, entry) {
            self.changed(user, None);
            self.touch(time, user, None);
        }
    }

    /// A peer lists a device. Returns its user, unless another node has it: the one where it moved last.
    pub(super) fn put(&mut self, time: Time, from: NodeId, entry: &Entry) -> Option<UserRef> {
        let owner = self.members.get(from)?.owner;
        self.close_ended(time, from, entry.id);
        if let Some((other, before)) = self.directory.locate(entry.id).filter(|(other, _)| *other != owner) {
            let node = self.members.node(other)?;
            if (before.hop, node) > (entry.hop, from) {
                self.list(from, entry)?.moved.insert(entry.id, entry.clone());
                self.push_state(time.ms, from, &Frame::Seen { device: entry.id });
                return None;
            }
            self.move_on(time, node, before, from);
        } else if entry.hop > 0 && !self.directory.has(owner, entry.id) {
            // It has moved there, from wherever.
            self.push_state(time.ms, from, &Frame::Seen { device: entry.id });
        }
        self.list(from, entry)?;
        let (user, before) = self.directory.insert(owner, entry);
        if let (Some(peer), Some((_, before))) =
            (self.members.get_mut(from), before.filter(|(other, _)| *other == owner))
        {
            peer.discount(&before);
        }
        Some(user)
    }

    /// Counts a device that a peer lists.
    fn list(&mut self, from: NodeId, entry: &Entry) -> Option<&mut Peer> {
        let peer = self.members.get_mut(from)?;
        if let Some(before) = peer.moved.remove(&entry.id) {
            peer.discount(&before);
        }
        peer.count(entry);
        Some(peer)
    }

    /// A device turns out to be at another node than before. Both are told that what this one sends goes there now.
    fn move_on(&mut self, time: Time, before: NodeId, entry: Entry, to: NodeId) {
        let device = entry.id;
        if before == self.id {
            self.give_up_device(time, entry, to);
        } else {
            if let Some(peer) = self.members.get_mut(before) {
                peer.moved.insert(device, entry);
            }
            self.push_state(time.ms, before, &Frame::Seen { device });
        }
        self.push_state(time.ms, to, &Frame::Seen { device });
    }

    /// A peer has a device no more. Returns its user, unless another node has it.
    pub(super) fn take_out(&mut self, from: NodeId, id: DeviceId) -> Option<UserRef> {
        self.ended_has_left(from, id);
        let peer = self.members.get_mut(from)?;
        if let Some(entry) = peer.moved.remove(&id) {
            peer.discount(&entry);
            return None;
        }
        let (user, entry) = self.directory.remove(peer.owner, id)?;
        peer.discount(&entry);
        Some(user)
    }

    /// The node is lost that had a device: if another one lists it, that one has it again.
    pub(super) fn find_again(&mut self, time: Time, id: DeviceId) {
        let listed = self.members.iter().filter_map(|(node, peer)| Some((peer.moved.get(&id)?.clone(), node)));
        if let Some((entry, node)) = listed.max_by_key(|(entry, node)| (entry.hop, *node)) {
            self.put(time, node, &entry);
        }
    }

    pub(super) fn learn_room(&mut self, from: NodeId, name: &Arc<str>, members: u32) {
        let Some(peer) = self.members.get_mut(from) else { return };
        match self.rooms.learn(peer.owner, name, members) {
            1 => peer.weight += room_weight(name),
            -1 => peer.weight -= room_weight(name),
            _ => {}
        }
    }

    /// The copy of a peer's devices must be what the peer has. Where it is not, the peer is asked to begin anew.
    pub(super) fn check(&mut self, from: NodeId, devices: u32, hash: u64) {
        let Some(peer) = self.members.get_mut(from) else { return };
        if peer.loading.is_none() && (peer.devices, peer.hash) != (devices as usize, hash) {
            self.mismatches += 1;
            peer.link.distrust();
        }
    }

    /// The server is told that another node has more or less of a user; where the user has no device any more,
    /// whether the last one left with a goodbye.
    pub(super) fn changed(&mut self, user: UserRef, clean: Option<bool>) {
        if let Some(cid) = self.directory.cid(user).cloned() {
            let left = clean.filter(|_| !self.directory.is_online(user));
            self.outputs.push_back(Output::Changed { cid, left });
        }
    }
}
