//! What a server does that its node says is to be done.

use super::world::{Event, Local, World};
use crate::{DeviceId, Down, Entry, NodeId, Output, TakeId};
use bytes::Bytes;

impl World {
    pub(super) fn act(&mut self, id: NodeId, output: Output) {
        match output {
            Output::Evict(device) => {
                self.say(|| format!("{id} evicts {device}"));
                self.forget(id, device);
                self.book.ended(device);
            }
            Output::Joined(cid) => self.report(id, &cid, true),
            Output::Left(cid, _) => self.report(id, &cid, false),
            Output::Changed { cid, left } => {
                if let Some(host) = self.hosts.get(&id) {
                    let seen = host.node.devices_of(&cid);
                    self.book.sees(id, &cid, &seen);
                    if left.is_some() {
                        self.look_for_lost(id, &cid);
                    }
                }
            }
            Output::Deliver { from, message, .. } => self.book.delivered(from, id, &message),
            Output::Close { devices, .. } => {
                for device in devices {
                    self.end(id, device, true);
                }
            }
            Output::Call { from, id: call, .. } => {
                self.book.ran(from, call);
                let after = self.chance.below(3_000);
                self.at(after, Event::Answer { at: id, to: from, id: call });
            }
            Output::Ended(call, end) => self.book.call_ended(id, call, &end),
            Output::Take { from, id: take, device, .. } => {
                let after = self.chance.below(200);
                let gives = self.chance.percent(90);
                self.at(after, Event::Give { at: id, to: from, id: take, device, gives });
            }
            Output::Taken(take, Some((from, entry, _))) => self.adopt(id, from, take, &entry, false),
            Output::Offered { from, id: take, entry, .. } => self.adopt(id, from, take, &entry, true),
            Output::Moved { device, to } => {
                self.say(|| format!("{device} has moved from {id} to {to}"));
                self.forget(id, device);
            }
            Output::Returned(entry) => self.returned(id, &entry),
            Output::Gap { to, sends } => self.book.gap(id, to, sends),
            Output::Down(node, why) => {
                self.say(|| format!("{id} buries {node}: {why:?}"));
                self.book.buried(id, node);
                if why == Down::TooMuch {
                    self.book.wrong(format!("{node} has too much"));
                }
            }
            Output::Up(node) => self.say(|| format!("{id} meets {node}")),
            Output::Deaf => self.say(|| format!("{id} is deaf")),
            Output::Back => self.say(|| format!("{id} hears")),
            Output::Taken(_, None) | Output::Cancel { .. } | Output::App { .. } => {}
            Output::Seen { .. } | Output::Reconnect => {}
        }
    }

    fn report(&mut self, id: NodeId, cid: &wse_proto::Cid, here: bool) {
        self.say(|| format!("{id} reports that {cid} {}", if here { "has come" } else { "has left" }));
        self.book.reported(self.now, cid, here);
    }

    /// A device that a server does not have any more, because its node says so.
    fn forget(&mut self, id: NodeId, device: DeviceId) {
        let gone = self.hosts.get_mut(&id).and_then(|host| host.devices.remove(&device));
        // It may have ended by what the node had said just before.
        if gone.is_none() && !self.book.has_ended(device) {
            self.book.wrong(format!("{id} is to forget {device}, which it has not"));
        }
    }

    /// A user seems to have no device any more: none that was seen may be at a server that is known.
    fn look_for_lost(&mut self, id: NodeId, cid: &wse_proto::Cid) {
        let Some(host) = self.hosts.get(&id) else { return };
        for (node, _) in host.node.nodes().into_iter().skip(1) {
            let Some(other) = self.hosts.get(&node) else { continue };
            for (device, local) in &other.devices {
                let lost = host.node.device(*device).is_none() && self.book.has_seen(id, node, *device);
                if local.cid == *cid && local.giving.is_none() && lost {
                    self.book.wrong(format!("{id} does not see {device} any more, which is at {node}"));
                }
            }
        }
    }

    fn adopt(&mut self, id: NodeId, from: NodeId, take: TakeId, entry: &Entry, parked: bool) {
        let device = entry.id;
        let wanted = self.chance.percent(90);
        if wanted && let Some(host) = self.hosts.get_mut(&id) {
            host.devices.insert(device, Local { cid: entry.cid.clone(), parked, giving: None });
        }
        let time = self.time(id);
        let Some(host) = self.hosts.get_mut(&id) else { return };
        let has = host.node.accept(time, from, take, device, wanted);
        self.say(|| format!("{id} takes {device} from {from}: {has}"));
        if wanted
            && !has
            && let Some(host) = self.hosts.get_mut(&id)
        {
            host.devices.remove(&device);
        }
        if has {
            if entry.trial {
                self.at(1_000, Event::Confirm(device));
            }
            // Where no node takes another for lost, what has ended somewhere ends everywhere.
            let reached = ![self.mode.kills, self.mode.cuts, self.mode.pauses, self.mode.splits].contains(&true);
            if reached && self.book.has_ended(device) {
                self.at(10_000, Event::Closed(id, device));
            }
            self.book.moved();
            self.look_for_two(id, device);
        }
    }

    fn returned(&mut self, id: NodeId, entry: &Entry) {
        self.say(|| format!("{} stays at {id}", entry.id));
        let Some(host) = self.hosts.get_mut(&id) else { return };
        let nodes = host.node.nodes();
        let Some(local) = host.devices.get_mut(&entry.id) else {
            if self.book.has_ended(entry.id) {
                return; // by what the node had said just before
            }
            return self.book.wrong(format!("{} is returned to {id}, which does not have it", entry.id));
        };
        let to = local.giving.take();
        if to.is_some_and(|to| !nodes.iter().any(|(node, _)| *node == to)) {
            self.book.unsure(entry.id); // the other one is lost to this server, and may have it
        }
        self.look_for_two(id, entry.id);
    }

    /// A device may be at one server, unless one of them had to take another for lost.
    fn look_for_two(&mut self, id: NodeId, device: DeviceId) {
        let others = self.hosts.iter().filter(|(other, _)| **other != id);
        let has = |host: &super::world::Host| host.devices.get(&device).is_some_and(|local| local.giving.is_none());
        if others.into_iter().any(|(_, host)| has(host)) && !self.book.is_unsure(device) {
            self.book.wrong(format!("{device} is at two servers"));
        }
    }

    /// What a server does later.
    pub(super) fn serve(&mut self, event: Event) {
        match event {
            Event::Answer { at, to, id } => {
                self.with(at, |node, time| node.answer(time, to, id, Some(Bytes::from_static(b"done"))));
            }
            Event::Give { at, to, id, device, gives } => {
                let local = self.hosts.get_mut(&at).and_then(|host| host.devices.get_mut(&device));
                let local = local.filter(|local| gives && local.giving.is_none());
                let session = local.is_some().then_some(Bytes::from_static(b"session"));
                if let Some(local) = local {
                    local.giving = Some(to);
                }
                self.say(|| format!("{at} gives {device} to {to}: {}", session.is_some()));
                self.with(at, |node, time| node.give(time, to, id, device, session));
                self.leave_on_its_way(at, device);
            }
            Event::Confirm(device) => {
                let has = |host: &super::world::Host| host.devices.get(&device).map(|local| local.giving.is_some());
                let found: Vec<_> = self.hosts.iter().filter_map(|(id, host)| Some((*id, has(host)?))).collect();
                for (id, giving) in found {
                    if giving {
                        self.at(500, Event::Confirm(device)); // wherever it goes
                    } else {
                        self.with(id, |node, time| node.confirm(time, device));
                    }
                }
            }
            Event::Closed(id, device) if self.hosts.get(&id).is_some_and(|host| host.devices.contains_key(&device)) => {
                self.book.wrong(format!("{device} has left, and lives on at {id}"));
            }
            _ => {}
        }
    }
}
