//! Who is there: meeting, beginning anew, burying.

use super::Node;
use crate::{
    CallEnd, CallId, Down, NodeId, Output, TakeId, Time,
    datagram::{Beat, Data},
    link::Began,
    members::{Cursor, Loading, Tag},
    rules::Rule,
};

impl Node {
    /// A sign of life of a node. False when it is not listened to: there are too many.
    pub(super) fn meet(&mut self, time: Time, id: NodeId) -> bool {
        if !self.members.contains(id) {
            if !self.members.add(time.ms, id, &self.config) {
                return false;
            }
            self.outputs.push_back(Output::Up(id));
            (self.beats.wanted, self.sending) = (true, true);
        }
        if let Some(peer) = self.members.get_mut(id) {
            (peer.heard, peer.hinted) = (time.ms, None);
            let dead = peer.dead_at(&self.config);
            self.wake_at(dead);
        }
        true
    }

    pub(super) fn take_beat(&mut self, time: Time, from: NodeId, beat: Beat) {
        let Some(peer) = self.members.get_mut(from) else { return };
        let changed = peer.ready != beat.ready;
        (peer.ready, peer.limit, peer.born) = (beat.ready, beat.limit, beat.born);
        peer.name.clone_from(&beat.name);
        if peer.link.is_broken() {
            self.begin(time, from);
        }
        if changed {
            self.quiet(time);
        }
        if beat.name.is_empty() {
            return;
        }
        if beat.name == self.config.name {
            if (beat.born, from) < (self.born, self.id) {
                self.bury(time, from, Down::Replaced);
            }
        } else if let Some((other, born)) = self.members.namesake(from, &beat.name) {
            let older = if (born, other) < (beat.born, from) { other } else { from };
            self.bury(time, older, Down::Replaced);
        }
    }

    pub(super) fn take_data(&mut self, time: Time, from: NodeId, data: &Data) {
        let Some(peer) = self.members.get_mut(from) else { return };
        let mut heard = peer.link.receive(time.ms, data);
        if !self.rules.hold(Rule::Forgot) && heard.began.is_some() && data.ack.generation == 0 {
            heard.anew = false;
        }
        if heard.anew {
            self.begin(time, from);
        }
        if let Some(began) = heard.began {
            if let Some(peer) = self.members.get_mut(from) {
                peer.loading = Some(Loading::default());
            }
            if began == Began::Again {
                self.fail(from);
                self.unseen_by(time, from);
                self.give_again(time, from);
                if !self.rules.hold(Rule::WholeSnapshot) {
                    self.replace(time, from, Loading::default());
                }
            }
            self.quiet(time);
        }
        loop {
            let Some(peer) = self.members.get_mut(from) else { return };
            match peer.link.next(&mut heard.frames) {
                None => return,
                Some(Err(_)) => self.malformed += 1,
                Some(Ok(frame)) => self.apply(time, from, frame),
            }
        }
    }

    /// Begins anew with a peer: it is told all that this node has, then what follows.
    pub(super) fn begin(&mut self, time: Time, id: NodeId) {
        let generation = self.members.generation();
        let Some(peer) = self.members.get_mut(id) else { return };
        let lost = peer.link.begin(time.ms, generation);
        (peer.snapshot, peer.checked) = (Some(Cursor::Devices(None)), 0);
        self.sending = true;
        self.lost(id, lost);
        self.give_again(time, id);
    }

    /// What waited for a peer was given up: those who wait for it are told.
    pub(super) fn lost(&mut self, to: NodeId, tags: Vec<Tag>) {
        let mut sends = 0;
        for tag in tags {
            match tag {
                Tag::Send => sends += 1,
                Tag::Calls(ids) => ids.into_iter().for_each(|id| self.end_call(id, CallEnd::NodeLost)),
                Tag::Take(id) => self.end_take(id, to),
            }
        }
        if sends > 0 {
            self.outputs.push_back(Output::Gap { to, sends });
        }
    }

    /// Answers of a peer may be lost: what waits for them ends.
    pub(super) fn fail(&mut self, node: NodeId) {
        self.calls.of(node).into_iter().for_each(|id| self.end_call(id, CallEnd::NodeLost));
        self.takes.of(node).into_iter().for_each(|id| self.end_take(id, node));
    }

    pub(super) fn end_call(&mut self, id: CallId, end: CallEnd) {
        if self.calls.end(id) {
            self.outputs.push_back(Output::Ended(id, end));
        }
    }

    pub(super) fn end_take(&mut self, id: TakeId, node: NodeId) {
        if self.takes.end(id, node) {
            self.outputs.push_back(Output::Taken(id, None));
        }
    }

    /// A node is gone, and all that it had.
    pub(super) fn bury(&mut self, time: Time, id: NodeId, down: Down) {
        let Some(mut peer) = self.members.remove(time.ms, id, down != Down::Silent) else { return };
        self.outputs.push_back(Output::Down(id, down));
        self.quiet(time);
        let lost = peer.link.give_up();
        self.lost(id, lost);
        if peer.refused > 0 {
            self.outputs.push_back(Output::Gap { to: id, sends: peer.refused });
        }
        self.fail(id);
        for device in self.directory.of(peer.owner) {
            if let Some((user, _)) = self.directory.remove(peer.owner, device) {
                self.find_again(time, device);
                self.changed(user, Some(false));
                self.touch(time, user, None);
            }
        }
        self.unseen_by(time, id);
        for room in self.rooms.of(peer.owner) {
            self.rooms.learn(peer.owner, &room, 0);
        }
        self.members.free(peer.owner);
        for user in self.reports.claimed_by(id) {
            self.touch(time, user, None);
        }
        self.return_from(time, id);
        self.settle(time);
    }

    /// The members have changed: nothing is reported for a while.
    pub(super) fn quiet(&mut self, time: Time) {
        let handover = if self.rules.hold(Rule::Handover) { self.config.handover } else { 0 };
        self.quiet_until = self.quiet_until.max(time.ms + handover);
        self.scan_at = self.quiet_until.max(time.ms + 1);
        self.beats.wanted = true;
        self.wake_at(self.scan_at);
    }
}
