//! What devices and applications do.

use super::world::{Event, Local, World};
use crate::{DeviceId, Entry, Except, Hlc, Leaving, NodeId, Recipients, Scope};
use bytes::Bytes;
use wse_proto::Cid;

pub(super) const USERS: [&str; 6] = ["ann", "bob", "cid", "dan", "eve", "fay"];
pub(super) const ROOMS: [&str; 2] = ["hall", "yard"];

impl World {
    pub(super) fn traffic(&mut self) {
        let Some(id) = self.running() else { return };
        let user = USERS[self.chance.below(USERS.len() as u64) as usize];
        let cid = Cid::from(user);
        match self.chance.below(24) {
            0..=5 => self.log_in(id, cid),
            6..=8 => self.log_out(id),
            9 => self.park(id),
            10 => self.member(id),
            11 | 12 => self.send_to_device(id, &cid),
            13..=16 => {
                let scope = match self.chance.below(4) {
                    0 | 1 => Scope::User(cid),
                    2 => Scope::Room(ROOMS[self.chance.below(2) as usize].into()),
                    _ => Scope::Everyone,
                };
                let bytes = if self.chance.percent(5) { 12_000 } else { 20 };
                self.send(id, scope.into(), bytes);
            }
            17..=20 => self.call(id, &cid),
            21 => {
                let to = Recipients { scope: Scope::User(cid), except: Vec::new() };
                self.with(id, |node, time| node.close(time, &to, Bytes::from_static(b"dropped")));
            }
            _ if self.mode.takes => self.move_session(id, &cid),
            _ => {}
        }
    }

    fn log_in(&mut self, id: NodeId, cid: Cid) {
        let trial = self.chance.percent(10);
        let Some(host) = self.hosts.get_mut(&id) else { return };
        host.numbers += 1;
        let device = DeviceId::new(id, host.numbers);
        let entry = Entry {
            id: device,
            cid: cid.clone(),
            since: Hlc(0),
            hop: 0,
            codec: 1,
            parked: false,
            session: true,
            trial,
        };
        host.devices.insert(device, Local { cid: cid.clone(), parked: false, giving: None });
        let known = host.node.devices_of(&cid).into_iter().map(|(_, entry)| entry.since).max();
        self.say(|| format!("{id} has {device} of {cid}"));
        let since = self.with(id, |node, time| node.enter(time, entry));
        self.book.came(device, &cid);
        if since < known {
            self.book.wrong(format!("{device} is older than one that was there before"));
        }
        if trial {
            let after = self.chance.below(3_000);
            self.at(after, Event::Confirm(device));
        }
    }

    /// A device of a server whose session is not on its way.
    fn device_of(&mut self, id: NodeId) -> Option<DeviceId> {
        let host = self.hosts.get(&id)?;
        let here = host.devices.iter().filter(|(_, local)| local.giving.is_none());
        let ids: Vec<DeviceId> = here.map(|(id, _)| *id).collect();
        self.chance.pick(&ids)
    }

    /// Also one whose session is on its way.
    fn log_out(&mut self, id: NodeId) {
        let ids: Vec<DeviceId> =
            self.hosts.get(&id).into_iter().flat_map(|host| host.devices.keys().copied()).collect();
        if let Some(device) = self.chance.pick(&ids) {
            let clean = self.chance.percent(50);
            self.end(id, device, clean);
        }
    }

    /// Some leave while their session is on its way, which is too short a time to be met by chance.
    pub(super) fn leave_on_its_way(&mut self, id: NodeId, device: DeviceId) {
        let has = self.hosts.get(&id).and_then(|host| host.devices.get(&device));
        if has.is_some_and(|local| local.giving.is_some()) && self.chance.percent(10) {
            self.end(id, device, true);
        }
    }

    /// A device leaves its server.
    pub(super) fn end(&mut self, id: NodeId, device: DeviceId, clean: bool) {
        self.say(|| format!("{device} leaves {id}, with a goodbye: {clean}"));
        if let Some(host) = self.hosts.get_mut(&id) {
            host.devices.remove(&device);
        }
        self.book.ended(device);
        let leaving = Leaving { clean, closed: Bytes::new() };
        self.with(id, |node, time| node.leave(time, device, leaving));
    }

    fn park(&mut self, id: NodeId) {
        let Some(device) = self.device_of(id) else { return };
        let Some(local) = self.hosts.get_mut(&id).and_then(|host| host.devices.get_mut(&device)) else { return };
        local.parked = !local.parked;
        let parked = local.parked;
        self.with(id, |node, time| node.park(time, device, parked));
    }

    fn member(&mut self, id: NodeId) {
        let (room, members) = (ROOMS[self.chance.below(2) as usize], self.chance.below(3) as u32);
        if let Some(host) = self.hosts.get_mut(&id) {
            host.rooms.insert(room, members);
        }
        self.with(id, |node, time| node.room(time, &room.into(), members));
    }

    /// A device of a user at another server, as this one sees it.
    fn elsewhere(&mut self, id: NodeId, cid: &Cid) -> Option<DeviceId> {
        let devices = self.hosts.get(&id)?.node.devices_of(cid);
        let there = devices.into_iter().filter(|(node, _)| *node != id);
        let ids: Vec<DeviceId> = there.map(|(_, entry)| entry.id).collect();
        self.chance.pick(&ids)
    }

    fn send_to_device(&mut self, id: NodeId, cid: &Cid) {
        if let Some(device) = self.elsewhere(id, cid) {
            let many = if self.chance.percent(5) { 40 } else { 1 };
            for _ in 0..many {
                self.send(id, Scope::Device(device).into(), 1_000);
            }
        }
    }

    /// Sends a message. What a server does not get is told, also if a link did not take it.
    fn send(&mut self, id: NodeId, mut to: Recipients, bytes: usize) {
        if self.chance.percent(10) {
            to.except.push(Except::User(USERS[0].into()));
        }
        let Some(host) = self.hosts.get(&id) else { return };
        let mut targets: Vec<(NodeId, usize)> = Vec::new();
        for (node, _) in host.node.nodes().into_iter().skip(1) {
            let count = match &to.scope {
                Scope::Room(room) => host.node.rooms_at(room, node),
                scope => {
                    let mut count = 0;
                    host.node.each_elsewhere(|cid, devices| {
                        let meant = |entry: &Entry| match scope {
                            Scope::User(user) => user == cid,
                            Scope::Device(device) => *device == entry.id,
                            _ => true,
                        };
                        let there = devices
                            .iter()
                            .filter(|(at, entry)| *at == node && meant(entry) && !to.leaves_out(entry.id, cid));
                        count += there.count();
                    });
                    count
                }
            };
            targets.extend((count > 0).then_some((node, count)));
        }
        let number = self.book.message();
        let mut message = number.to_be_bytes().to_vec();
        message.resize(bytes, 0);
        let count = self.with(id, |node, time| node.send(time, &to, message.into()));
        let (Some(Ok(count)), all) = (count, targets.iter().map(|(_, count)| count).sum::<usize>()) else { return };
        if count > all {
            self.book.wrong(format!("sent to {count}, and there are {all}"));
        }
        self.book.sent(id, number, targets);
    }

    fn call(&mut self, id: NodeId, cid: &Cid) {
        let one = self.chance.percent(60);
        let devices: Vec<DeviceId> = if one {
            self.elsewhere(id, cid).into_iter().collect()
        } else {
            let devices = self.hosts.get(&id).map(|host| host.node.devices_of(cid)).unwrap_or_default();
            devices.into_iter().filter(|(node, _)| *node != id).map(|(_, entry)| entry.id).collect()
        };
        if devices.is_empty() {
            return;
        }
        let within = 500 + self.chance.below(20_000);
        let Some(host) = self.hosts.get_mut(&id) else { return };
        let calls = host.node.call(super::time_of(self.now, host.skew), &devices, within, Bytes::new());
        let calls = calls.unwrap_or_default();
        // Known before what the node says is done, for one may have ended already.
        calls.iter().for_each(|call| self.book.called(id, *call));
        self.with(id, |_, _| ());
        if self.chance.percent(10) {
            let open: Vec<_> = calls.into_iter().filter(|call| self.book.is_open(id, *call)).collect();
            open.iter().for_each(|call| self.book.cancelled(id, *call));
            self.with(id, |node, time| node.cancel(time, &open));
        }
    }

    fn move_session(&mut self, id: NodeId, cid: &Cid) {
        if self.chance.percent(70) {
            if let Some(device) = self.elsewhere(id, cid) {
                self.say(|| format!("{id} asks for {device}"));
                self.with(id, |node, time| node.take(time, device, Bytes::from_static(b"token")));
            }
        } else if let Some(device) = self.device_of(id) {
            let to = self.with(id, |node, time| node.offer(time, device, Bytes::from_static(b"session"))).flatten();
            if let (Some(to), Some(host)) = (to, self.hosts.get_mut(&id))
                && let Some(local) = host.devices.get_mut(&device)
            {
                local.giving = Some(to);
                self.leave_on_its_way(id, device);
            }
        }
    }
}
