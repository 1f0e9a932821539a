//! Sessions on their way between nodes. Whoever gives one keeps it until the other node has said that it is there, and
//! gives it again when a link has begun anew; whoever takes one in says the same as often as it is asked.

use super::{Node, devices::moving};
use crate::{
    DeviceId, Entry, Frame, NodeId, Output, Scope, TakeId, Time,
    directory::HERE,
    rules::Rule,
    takes::{Ended, Given, weight_of},
};
use bytes::Bytes;
use std::collections::BTreeSet;

/// Bytes of a frame beside the session, at most.
const MORE: usize = 8 << 10;

/// A session that has moved so often stays where it is.
const MOST_HOPS: u8 = 250;

impl Node {
    /// Asks the node that has a device for its session. Ends by one [`Output::Taken`].
    pub fn take(&mut self, time: Time, device: DeviceId, body: Bytes) -> TakeId {
        let id = self.takes.id();
        let node = self.node_of(device).filter(|_| self.is_connected(time) && device.number() != 0);
        let length = self.write(&Frame::Take { id, device, body });
        let fits = length <= self.config.frame_bytes;
        let tag = Some(crate::members::Tag::Take(id));
        match node.filter(|node| fits && self.push_written(time.ms, *node, tag, false)) {
            Some(node) => {
                self.takes.open(id, node, time.ms + self.config.take);
                self.wake_at(time.ms + self.config.take);
            }
            None => self.outputs.push_back(Output::Taken(id, None)),
        }
        id
    }

    /// Another node asks for a session.
    pub(super) fn asked_for(&mut self, time: Time, from: NodeId, id: TakeId, device: DeviceId, body: Bytes) {
        let entry = self.directory.get(HERE, device);
        let can =
            entry.is_some_and(|entry| entry.session && entry.hop < MOST_HOPS) && self.takes.given(device).is_none();
        if !id.is_offer() && can && self.takes.ask(from, id) {
            self.outputs.push_back(Output::Take { from, id, device, body });
        } else {
            self.push_state(time.ms, from, &Frame::Given { id, given: None });
        }
    }

    /// Answers [`Output::Take`]: with the session, or with none. [`Output::Moved`] or [`Output::Returned`] follows where
    /// it was given; the latter at once where too much is on its way already. Until then the device is listed here, and is not given to another node.
    pub fn give(&mut self, time: Time, to: NodeId, id: TakeId, device: DeviceId, session: Option<Bytes>) {
        let asked = self.takes.answered(to, id);
        let entry = self.directory.get(HERE, device).filter(|_| self.takes.given(device).is_none());
        match (entry, session) {
            (Some(entry), Some(body)) if asked && self.may_go(to, &entry, &body) => {
                self.hand_over(time, to, id, entry, body);
            }
            (entry, session) => {
                if asked {
                    self.push_state(time.ms, to, &Frame::Given { id, given: None });
                }
                if let (Some(entry), Some(_)) = (entry, session) {
                    self.outputs.push_back(Output::Returned(entry));
                }
            }
        }
    }

    /// Whether a session may set out for a node. What is on its way is given again all at once when a link begins anew:
    /// it must not fill the link, or the link would break by it as often as it begins.
    fn may_go(&self, to: NodeId, entry: &Entry, body: &Bytes) -> bool {
        let more = weight_of(entry, body);
        let waits = self.members.get(to).map_or(0, |peer| peer.link.bytes());
        body.len() + MORE <= self.config.frame_bytes
            && self.takes.way(to).1 + more <= self.config.peer_bytes / 2
            && waits + more <= self.config.peer_bytes
            && self.takes.bytes() + more <= self.config.bytes / 2
            && self.waiting_bytes() + 2 * more <= self.config.bytes
    }

    /// Offers a session to the node with the fewest devices, with those on their way there. `None`: there is none, or
    /// too much is on its way to each.
    /// [`Output::Moved`] or [`Output::Returned`] follows.
    pub fn offer(&mut self, time: Time, device: DeviceId, session: Bytes) -> Option<NodeId> {
        let entry = self.directory.get(HERE, device).filter(|entry| entry.session && entry.hop < MOST_HOPS)?;
        if !self.is_connected(time) || self.takes.given(device).is_some() {
            return None;
        }
        // One that has just started will do where there is no other: in a rolling restart all may be new.
        let peers = self.members.iter().filter(|(_, peer)| peer.synced && !peer.link.is_broken());
        let peers = peers.filter(|(id, _)| self.may_go(*id, &entry, &session));
        let (to, _) = peers.min_by_key(|(id, peer)| (!peer.ready, peer.devices + self.takes.way(*id).0, *id))?;
        let id = self.takes.offer_id();
        self.hand_over(time, to, id, entry, session);
        Some(to)
    }

    /// The session is on its way.
    fn hand_over(&mut self, time: Time, to: NodeId, id: TakeId, mut entry: Entry, body: Bytes) {
        if self.takes.is_unsure(entry.id) {
            entry.hop = entry.hop.saturating_add(2); // newer than what a lost node may have of it
        }
        let given = Given { to, id, entry, body, seen: BTreeSet::new() };
        let frame = given.frame();
        self.takes.give(given);
        // If it is not taken, the link is broken: it is given again when a generation begins.
        self.push_state(time.ms, to, &frame);
    }

    /// A link has begun anew: what was on its way may be lost, or the answer to it.
    pub(super) fn give_again(&mut self, time: Time, to: NodeId) {
        if !self.rules.hold(Rule::KeepUntilGot) {
            for device in self.takes.keep_from(to) {
                self.disown(time.ms, device, &moving());
            }
            return;
        }
        let frames: Vec<Frame> = self.takes.given_to(to).map(Given::frame).collect();
        for frame in frames {
            self.push_state(time.ms, to, &frame);
        }
        for device in self.takes.ended_to(to) {
            match self.takes.ended(device).filter(|ended| !ended.there).map(Ended::frame) {
                Some(frame) => drop(self.push_state(time.ms, to, &frame)),
                None => self.close_ended(time, to, device),
            }
        }
    }

    /// A session comes that this node has asked for, or did ask for.
    pub(super) fn given(&mut self, time: Time, from: NodeId, id: TakeId, given: Option<(Entry, Bytes)>) {
        let waited = self.takes.end(id, from);
        let has_ended = given.as_ref().is_some_and(|(_, body)| body.is_empty());
        if waited && (given.is_none() || has_ended) {
            self.outputs.push_back(Output::Taken(id, None));
        }
        let waited = waited && !has_ended;
        match given {
            None => {}
            Some((entry, body)) => self.hold(time, from, id, waited, Entry { parked: false, ..entry }, |entry| {
                Output::Taken(id, Some((from, entry, body)))
            }),
        }
    }

    /// Another node offers a session.
    pub(super) fn offered(&mut self, time: Time, from: NodeId, id: TakeId, entry: Entry, body: Bytes) {
        let entry = Entry { parked: true, ..entry };
        let wanted = !body.is_empty(); // otherwise it has ended meanwhile, and only the answer is asked for
        self.hold(time, from, id, wanted, entry, |entry| Output::Offered { from, id, entry, body });
    }

    /// A session waits for the server. One that comes again gets the same answer again.
    fn hold(
        &mut self,
        time: Time,
        from: NodeId,
        id: TakeId,
        wanted: bool,
        entry: Entry,
        output: impl FnOnce(Entry) -> Output,
    ) {
        let device = entry.id;
        let entry = Entry { hop: entry.hop.saturating_add(1), ..entry };
        let known = self.takes.answer(from, id);
        let refused = known.is_none() && !wanted && !self.takes.waits(from, id);
        let new = if known.is_some() || refused { None } else { self.takes.offered(from, id, &entry) };
        match new {
            Some(true) => self.outputs.push_back(output(entry)),
            Some(false) => {} // the server is asked already
            None => {
                let wanted = known.unwrap_or(false);
                if known.is_none() {
                    self.takes.remember(from, id, wanted);
                }
                self.push_state(time.ms, from, &Frame::Got { id, device, wanted });
            }
        }
    }

    /// Answers [`Output::Taken`] and [`Output::Offered`]: whether it is this node's from now on. Returns whether it is:
    /// what was given or offered lapses when its node is lost.
    pub fn accept(&mut self, time: Time, to: NodeId, id: TakeId, device: DeviceId, wanted: bool) -> bool {
        let Some(entry) = self.takes.accept(to, id, device) else { return false };
        self.takes.remember(to, id, wanted);
        if wanted {
            let user = self.own(time.ms, &entry);
            self.push_state(time.ms, to, &Frame::Got { id, device, wanted });
            self.touch(time, user, None);
        } else {
            self.push_state(time.ms, to, &Frame::Got { id, device, wanted });
        }
        wanted
    }

    /// The other node has a session that was given to it, or does not want it.
    pub(super) fn got(&mut self, time: Time, from: NodeId, id: TakeId, device: DeviceId, wanted: bool) {
        if let Some(ended) = self.takes.ended(device).filter(|ended| (ended.to, ended.id) == (from, id)) {
            let loading = self.members.get(from).is_some_and(|peer| peer.loading.is_some());
            if wanted {
                self.close_ended(time, from, device);
            } else if !ended.there {
                self.return_ended(device);
            }
            if wanted && !loading && self.members.get(from).is_none_or(|peer| !self.directory.has(peer.owner, device)) {
                self.ended_has_left(from, device); // it was there, and has left since
            }
            return;
        }
        if !self.takes.is_given(from, id, device) {
            return; // it was seen there before this came
        }
        if wanted {
            let loading = self.members.get(from).is_some_and(|peer| peer.loading.is_some());
            let entry = self.takes.given(device).map(|given| given.entry.clone());
            let own = self.directory.get(HERE, device);
            if let (true, Some(entry)) = (loading, entry) {
                // The device is among what is being loaded.
                self.admit(time, from, &Entry { hop: entry.hop.saturating_add(1), ..entry });
            } else if let Some(own) = own {
                // It was there, and has left since.
                let user = self.directory.user(&own.cid);
                self.give_up_device(time, own, from);
                self.touch(time, user, None);
            }
        } else {
            self.takes.keep(device);
            self.stays(time, device);
        }
    }

    /// A node has a device. If that has left here while its session was on its way, it is closed there.
    pub(super) fn close_ended(&mut self, time: Time, node: NodeId, device: DeviceId) {
        let Some((closed, new)) = self.takes.ended_is_at(device, node) else { return };
        if new {
            self.outputs.push_back(Output::Moved { device, to: node });
        }
        let at = self.clock.stamp(time);
        self.push_state(time.ms, node, &Frame::Close { to: Scope::Device(device).into(), at, closed });
    }

    /// A node has a device no more.
    pub(super) fn ended_has_left(&mut self, node: NodeId, device: DeviceId) {
        if self.takes.ended(device).is_some_and(|ended| ended.there && ended.to == node) {
            self.takes.end_ended(device);
        }
    }

    /// A session does not arrive, and its device has left.
    fn return_ended(&mut self, device: DeviceId) {
        if let Some(ended) = self.takes.end_ended(device).filter(|ended| !ended.there) {
            self.outputs.push_back(Output::Returned(ended.entry));
        }
    }

    /// A node is lost: what was on its way there stays here, and what it has asked for has lapsed.
    pub(super) fn return_from(&mut self, time: Time, node: NodeId) {
        self.takes.lapse(node);
        self.takes.ended_to(node).into_iter().for_each(|device| self.return_ended(device));
        for device in self.takes.keep_from(node) {
            if self.rules.hold(Rule::KeepUntilGot) {
                self.takes.be_unsure(device); // that node may have it too
                self.stays(time, device);
            } else {
                self.disown(time.ms, device, &moving());
            }
        }
    }

    fn stays(&mut self, time: Time, device: DeviceId) {
        if let Some(entry) = self.directory.get(HERE, device) {
            let user = self.directory.user(&entry.cid);
            self.outputs.push_back(Output::Returned(entry));
            self.touch(time, user, None);
        }
    }
}
