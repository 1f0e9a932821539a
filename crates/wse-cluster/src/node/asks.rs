//! What the server wants of devices of other nodes: messages, calls, closing.

use super::{Node, Refused};
use crate::{
    CallEnd, CallId, DeviceId, Except, Frame, NodeId, Output, Recipients, Scope, Time,
    directory::{HERE, Owner},
    frame::CLOSED_BYTES,
    members::Tag,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

impl Node {
    /// The set of what those of other nodes speak: bit n is set for [`Entry::codec`](crate::Entry::codec) n. Of a room
    /// it is that of all devices of the nodes that have members.
    pub fn codecs(&self, to: &Recipients) -> u8 {
        let of = |owner: Owner| self.members.peer(owner).map_or(0, |peer| peer.codec_set());
        match &to.scope {
            Scope::Everyone => self.members.iter().fold(0, |set, (_, peer)| set | peer.codec_set()),
            Scope::Room(name) => self.rooms.at(name).iter().fold(0, |set, (owner, _)| set | of(*owner)),
            Scope::User(_) | Scope::Device(_) => {
                self.elsewhere(to).iter().fold(0, |set, (_, _, codec)| set | 1 << (codec & 7))
            }
        }
    }

    /// Takes a message for devices of other nodes. Returns how many devices elsewhere it was taken for, by the
    /// directory: of a room by the last counts. A node whose link does not take it, because too much waits or it is
    /// broken, is left out, and named by an [`Output::Gap`] within a second.
    ///
    /// # Errors
    /// When it is too big for any of them.
    pub fn send(&mut self, time: Time, to: &Recipients, message: Bytes) -> Result<usize, Refused> {
        let counts = self.receivers(to);
        if counts.is_empty() {
            return Ok(0);
        }
        self.fits(message.len())?;
        let length = self.write(&Frame::Send { to: to.clone(), message });
        self.fits(length)?;
        let taken = |node: &mut Node, (id, count): (NodeId, usize)| {
            if node.push_written(time.ms, id, Some(Tag::Send), false) {
                return count;
            }
            node.refused(time.ms, id);
            0
        };
        Ok(counts.into_iter().map(|receivers| taken(self, receivers)).sum())
    }

    fn fits(&self, bytes: usize) -> Result<(), Refused> {
        if bytes <= self.config.frame_bytes { Ok(()) } else { Err(Refused::TooBig) }
    }

    /// The other nodes that have receivers, with how many.
    fn receivers(&self, to: &Recipients) -> BTreeMap<NodeId, usize> {
        let mut counts = BTreeMap::new();
        match &to.scope {
            Scope::Everyone => {
                counts.extend(self.members.iter().map(|(id, peer)| (id, peer.devices - peer.moved.len())));
                let mut out = BTreeSet::new();
                for except in &to.except {
                    match except {
                        Except::Device(id) => out.extend(self.directory.locate(*id).map(|(owner, _)| (owner, *id))),
                        Except::User(cid) => {
                            let user = self.directory.find(cid.as_str());
                            let devices = user.map(|user| self.directory.devices(user)).unwrap_or_default();
                            out.extend(devices.into_iter().map(|(owner, entry)| (owner, entry.id)));
                        }
                    }
                }
                for node in out.into_iter().filter_map(|(owner, _)| self.members.node(owner)) {
                    if let Some(count) = counts.get_mut(&node) {
                        *count = count.saturating_sub(1);
                    }
                }
                counts.retain(|_, count| *count > 0);
            }
            Scope::Room(name) => {
                let there = self.rooms.at(name).iter();
                counts.extend(there.filter_map(|(owner, count)| Some((self.members.node(*owner)?, *count as usize))));
            }
            Scope::User(_) | Scope::Device(_) => {
                for (node, _, _) in self.elsewhere(to) {
                    *counts.entry(node).or_default() += 1;
                }
            }
        }
        counts
    }

    /// The devices of other nodes that are one user's or that one: node, device, codec.
    fn elsewhere(&self, to: &Recipients) -> Vec<(NodeId, DeviceId, u8)> {
        let devices = match &to.scope {
            Scope::User(cid) => {
                let user = self.directory.find(cid.as_str());
                user.map(|user| self.directory.devices(user)).unwrap_or_default()
            }
            Scope::Device(id) => self.directory.locate(*id).into_iter().collect(),
            _ => Vec::new(),
        };
        let there = devices.into_iter().filter(|(owner, entry)| *owner != HERE && !to.leaves_out(entry.id, &entry.cid));
        there.filter_map(|(owner, entry)| Some((self.members.node(owner)?, entry.id, entry.codec))).collect()
    }

    /// Calls devices of other nodes. Each ends by one [`Output::Ended`]. The device 0 of a node is that server itself.
    ///
    /// # Errors
    /// When it is too big; nothing is called then.
    pub fn call(
        &mut self,
        time: Time,
        devices: &[DeviceId],
        within_ms: u64,
        body: Bytes,
    ) -> Result<Vec<CallId>, Refused> {
        const ID: usize = 32; // bytes of one device in a frame, at most
        self.fits(body.len() + 16 + devices.len() * ID)?;
        let ids: Vec<CallId> = devices.iter().map(|_| self.calls.id()).collect();
        let mut nodes: BTreeMap<NodeId, Vec<(CallId, DeviceId)>> = BTreeMap::new();
        for (id, device) in ids.iter().zip(devices) {
            match self.node_of(*device) {
                Some(node) => nodes.entry(node).or_default().push((*id, *device)),
                None => self.outputs.push_back(Output::Ended(*id, CallEnd::Gone)),
            }
        }
        let remaining_ms = u32::try_from(within_ms).unwrap_or(u32::MAX);
        let deadline = time.ms.saturating_add(within_ms);
        for (node, calls) in nodes {
            let ids: Vec<CallId> = calls.iter().map(|(id, _)| *id).collect();
            self.write(&Frame::Call { calls, remaining_ms, body: body.clone() });
            let tag = Some(Tag::Calls(ids.clone()));
            let taken = self.is_connected(time) && self.push_written(time.ms, node, tag, false);
            for id in ids {
                if taken {
                    self.calls.open(id, node, deadline);
                } else {
                    self.outputs.push_back(Output::Ended(id, CallEnd::Unreachable));
                }
            }
            self.wake_at(deadline);
        }
        Ok(ids)
    }

    /// The other node that has a device.
    pub(super) fn node_of(&self, device: DeviceId) -> Option<NodeId> {
        if device.number() == 0 {
            return self.members.contains(device.node()).then_some(device.node());
        }
        let (owner, _) = self.directory.locate(device)?;
        if owner == HERE { None } else { self.members.node(owner) }
    }

    /// Gives calls up: they end without an output, and the other nodes are told.
    pub fn cancel(&mut self, time: Time, ids: &[CallId]) {
        let mut nodes: BTreeMap<NodeId, Vec<CallId>> = BTreeMap::new();
        for id in ids {
            if let Some(node) = self.calls.node(*id) {
                self.calls.end(*id);
                nodes.entry(node).or_default().push(*id);
            }
        }
        for (node, ids) in nodes {
            self.push_state(time.ms, node, &Frame::Cancel(ids));
        }
    }

    /// Answers a call of another node. `None`: the device is not there any more, and nothing ran.
    ///
    /// # Errors
    /// When it is too big; the call is not answered then.
    pub fn answer(&mut self, time: Time, to: NodeId, id: CallId, answer: Option<Bytes>) -> Result<(), Refused> {
        self.fits(answer.as_ref().map_or(0, Bytes::len) + 16)?;
        self.push_state(time.ms, to, &Frame::Answer { id, answer });
        Ok(())
    }

    /// Closes devices of other nodes that are there now, but not the members of a room. Returns how many, by the
    /// directory.
    pub fn close(&mut self, time: Time, to: &Recipients, mut closed: Bytes) -> usize {
        if let Scope::Room(_) = to.scope {
            return 0;
        }
        closed.truncate(CLOSED_BYTES);
        let at = self.clock.stamp(time);
        // To all: a device of the user that is not known here yet is closed too, if it came before.
        self.write(&Frame::Close { to: to.clone(), at, closed });
        let counts = self.receivers(to);
        let mut reached = 0;
        for id in self.members.ids() {
            if self.push_written(time.ms, id, None, true) {
                reached += counts.get(&id).copied().unwrap_or(0);
            }
        }
        reached
    }

    /// Sends a message from server to server. False when that node is not reached.
    pub fn app(&mut self, time: Time, to: NodeId, body: Bytes) -> bool {
        if self.fits(body.len() + 1).is_err() {
            return false;
        }
        self.write(&Frame::App(body));
        self.push_written(time.ms, to, Some(Tag::Send), false)
    }
}
