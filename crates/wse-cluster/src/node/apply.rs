//! What other nodes say.

use super::Node;
use crate::{
    CallEnd, DeviceId, Down, Frame, Hlc, NodeId, Output, Recipients, Scope, Time, directory::HERE, frame::Change,
    rules::Rule,
};

impl Node {
    pub(super) fn apply(&mut self, time: Time, from: NodeId, frame: Frame) {
        match frame {
            Frame::Snap { entries, rooms, told, last } => {
                told.into_iter().for_each(|(cid, told)| self.merge(time, &cid, told));
                self.load(time, from, entries, rooms, last);
            }
            Frame::Delta(changes) => changes.into_iter().for_each(|change| self.apply_change(time, from, change)),
            Frame::Check { devices, hash } => self.check(from, devices, hash),
            Frame::Send { to, message } => self.outputs.push_back(Output::Deliver { from, to, message }),
            Frame::Call { calls, remaining_ms, body } => {
                for (id, device) in calls {
                    if self.directory.has(HERE, device) || device == DeviceId::new(self.id, 0) {
                        let body = body.clone();
                        self.outputs.push_back(Output::Call { from, id, device, remaining_ms, body });
                    } else {
                        self.push_state(time.ms, from, &Frame::Answer { id, answer: None });
                    }
                }
            }
            Frame::Answer { id, answer } if self.calls.node(id) == Some(from) => {
                self.end_call(id, answer.map_or(CallEnd::Gone, CallEnd::Answer));
            }
            Frame::Answer { .. } => {}
            Frame::Cancel(ids) => self.outputs.extend(ids.into_iter().map(|id| Output::Cancel { from, id })),
            Frame::Close { to, at, closed } => {
                self.see(time, at);
                let devices = self.own_among(&to, at);
                if !devices.is_empty() {
                    self.outputs.push_back(Output::Close { devices, closed });
                }
            }
            Frame::Take { id, device, body } => self.asked_for(time, from, id, device, body),
            Frame::Given { id, given } => self.given(time, from, id, given),
            Frame::Got { id, device, wanted } => self.got(time, from, id, device, wanted),
            Frame::Offer { id, entry, body } => self.offered(time, from, id, entry, body),
            Frame::Seen { device } => {
                self.seen(time, from, device);
                self.outputs.push_back(Output::Seen { from, device });
            }
            Frame::App(body) => self.outputs.push_back(Output::App { from, body }),
        }
    }

    /// Another node has made that stamp.
    pub(super) fn see(&mut self, time: Time, stamp: Hlc) {
        if self.rules.hold(Rule::MergeClock) {
            self.clock.see(time, stamp);
        }
    }

    /// The devices of this node among the recipients that came before. Who is in a room only the server knows.
    fn own_among(&self, to: &Recipients, at: Hlc) -> Vec<DeviceId> {
        let among: Vec<DeviceId> = match &to.scope {
            Scope::Everyone => self.own.iter().copied().collect(),
            Scope::Device(id) => vec![*id],
            Scope::User(cid) => {
                let user = self.directory.find(cid.as_str());
                let devices = user.map(|user| self.directory.devices(user)).unwrap_or_default();
                devices.into_iter().filter(|(owner, _)| *owner == HERE).map(|(_, entry)| entry.id).collect()
            }
            Scope::Room(_) => Vec::new(),
        };
        let entries = among.into_iter().filter_map(|id| self.directory.get(HERE, id));
        let came = entries.filter(|entry| entry.since <= at && !to.leaves_out(entry.id, &entry.cid));
        came.map(|entry| entry.id).collect()
    }

    /// What has changed at a peer. While its state is not whole yet, it is a part of that.
    fn apply_change(&mut self, time: Time, from: NodeId, change: Change) {
        match change {
            Change::Told(cid, told) => return self.merge(time, &cid, told),
            Change::In(ref entry) => self.see(time, entry.since),
            _ => {}
        }
        let Some(peer) = self.members.get_mut(from) else { return };
        if let Some(loading) = &mut peer.loading {
            match change {
                Change::In(entry) => loading.insert(entry),
                Change::Out { id, .. } => loading.remove(id),
                Change::Park { id, parked, .. } => loading.change(id, |entry| entry.parked = parked),
                Change::Confirm { id, .. } => loading.change(id, |entry| entry.trial = false),
                Change::Room { name, members } => loading.room(name, members),
                Change::Told(..) => {}
            }
            return;
        }
        match change {
            Change::In(entry) => self.admit(time, from, &entry),
            Change::Out { id, leaving, .. } => {
                if let Some(user) = self.take_out(from, id) {
                    self.changed(user, Some(leaving.clean));
                    self.touch(time, user, Some(leaving));
                }
            }
            Change::Park { id, parked, .. } => self.change_of(time, from, id, |entry| entry.parked = parked),
            Change::Confirm { id, .. } => self.change_of(time, from, id, |entry| entry.trial = false),
            Change::Room { name, members } => self.learn_room(from, &name, members),
            Change::Told(..) => {}
        }
        if self.members.get(from).is_some_and(|peer| peer.weight > self.config.entry_bytes) {
            self.bury(time, from, Down::TooMuch);
        }
    }
}
