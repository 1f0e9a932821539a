//! Which devices are at which node: a complete copy of what all nodes have, so that no question waits.
//!
//! A user and a device take 40 bytes each, beside the text of the cid; two tables of places find them.
//! Whoever needs less than a complete copy replaces this module: nothing outside of it knows how it looks.

mod slab;

use crate::{DeviceId, Entry, Hlc, NodeId};
use hashbrown::HashTable;
use slab::Slab;
use std::hash::{BuildHasher, RandomState};
use wse_proto::Cid;

/// A node as the directory knows it: 0 is this node.
pub(crate) type Owner = u16;

/// This node.
pub(crate) const HERE: Owner = 0;

/// A user's place. It is the user's while the user has a device or something was told.
pub(crate) type UserRef = u32;

/// Ends a chain of devices.
const NONE: u32 = u32::MAX;

/// What the application was last told of a user, without who told it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Register {
    pub(crate) here: bool,
    pub(crate) raised: bool,
    pub(crate) at: Hlc,
    pub(crate) prev: Hlc,
}

impl Register {
    /// Whether anything was ever told.
    pub(crate) fn is_some(&self) -> bool {
        self.at != Hlc(0)
    }
}

struct User {
    cid: Cid,
    /// The register, field by field: whole it would be padded.
    at: Hlc,
    prev: Hlc,
    first: u32,
    here: bool,
    raised: bool,
}

impl User {
    fn told(&self) -> Register {
        Register { here: self.here, raised: self.raised, at: self.at, prev: self.prev }
    }
}

struct Device {
    id: DeviceId,
    since: Hlc,
    user: u32,
    next: u32,
    owner: Owner,
    hop: u8,
    codec: u8,
    parked: bool,
    session: bool,
    trial: bool,
}

/// Which devices are at which node.
pub(crate) struct Directory {
    users: Slab<User>,
    devices: Slab<Device>,
    by_cid: HashTable<u32>,
    by_id: HashTable<u32>,
    hashes: RandomState,
    online: usize,
    count: usize,
}

impl Directory {
    pub(crate) fn new() -> Self {
        Self {
            users: Slab::default(),
            devices: Slab::default(),
            by_cid: HashTable::new(),
            by_id: HashTable::new(),
            hashes: RandomState::new(),
            online: 0,
            count: 0,
        }
    }

    // Users.

    /// The place of a user who has a device, or of whom something was told.
    pub(crate) fn find(&self, cid: &str) -> Option<UserRef> {
        let same = |place: &u32| self.users.get(*place).is_some_and(|user| user.cid.as_str() == cid);
        self.by_cid.find(self.hashes.hash_one(cid), same).copied()
    }

    /// The same; makes it where there is none.
    pub(crate) fn user(&mut self, cid: &Cid) -> UserRef {
        if let Some(user) = self.find(cid.as_str()) {
            return user;
        }
        let place = self.users.insert(User {
            cid: cid.clone(),
            at: Hlc(0),
            prev: Hlc(0),
            first: NONE,
            here: false,
            raised: false,
        });
        let (users, hashes) = (&self.users, &self.hashes);
        let hash = |place: &u32| hashes.hash_one(users.get(*place).map_or("", |user| user.cid.as_str()));
        self.by_cid.insert_unique(hashes.hash_one(cid.as_str()), place, hash);
        place
    }

    pub(crate) fn cid(&self, user: UserRef) -> Option<&Cid> {
        self.users.get(user).map(|user| &user.cid)
    }

    pub(crate) fn told(&self, user: UserRef) -> Register {
        self.users.get(user).map(User::told).unwrap_or_default()
    }

    pub(crate) fn set_told(&mut self, user: UserRef, told: Register) {
        if let Some(user) = self.users.get_mut(user) {
            (user.here, user.raised, user.at, user.prev) = (told.here, told.raised, told.at, told.prev);
        }
    }

    /// Whether the user has a device anywhere.
    pub(crate) fn is_online(&self, user: UserRef) -> bool {
        self.users.get(user).is_some_and(|user| user.first != NONE)
    }

    /// Forgets a user who has no device, and what was told.
    pub(crate) fn release(&mut self, user: UserRef) {
        if self.is_online(user) {
            return;
        }
        let Some(gone) = self.users.remove(user) else { return };
        if let Ok(found) = self.by_cid.find_entry(self.hashes.hash_one(gone.cid.as_str()), |place| *place == user) {
            found.remove();
        }
    }

    /// Every user there is a place for, from a place on.
    pub(crate) fn users(&self, from: UserRef) -> impl Iterator<Item = (UserRef, &Cid, Register)> {
        self.users.iter(from).map(|(place, user)| (place, &user.cid, user.told()))
    }

    /// How many users have a device, and how many devices there are.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.online, self.count)
    }

    // Devices.

    /// A node has a device, and no other one. Returns its user, and who had it before, as what.
    pub(crate) fn insert(&mut self, owner: Owner, entry: &Entry) -> (UserRef, Option<(Owner, Entry)>) {
        let before = self.locate(entry.id);
        if let Some((owner, before)) = &before {
            self.remove(*owner, before.id);
        }
        let user = self.user(&entry.cid);
        let Some(slot) = self.users.get_mut(user) else { return (user, before) };
        self.online += usize::from(slot.first == NONE);
        self.count += 1;
        let place = self.devices.insert(Device {
            id: entry.id,
            since: entry.since,
            user,
            next: slot.first,
            owner,
            hop: entry.hop,
            codec: entry.codec,
            parked: entry.parked,
            session: entry.session,
            trial: entry.trial,
        });
        slot.first = place;
        let (devices, hashes) = (&self.devices, &self.hashes);
        self.by_id.insert_unique(hashes.hash_one(entry.id), place, |place| {
            hashes.hash_one(devices.get(*place).map_or(DeviceId::new(NodeId::new(0), 0), |device| device.id))
        });
        (user, before)
    }

    /// A node has a device no more. Returns its user and what it was.
    pub(crate) fn remove(&mut self, owner: Owner, id: DeviceId) -> Option<(UserRef, Entry)> {
        let place = self.place(id)?;
        let entry = self.entry(self.devices.get(place).filter(|device| device.owner == owner)?)?;
        if let Ok(found) = self.by_id.find_entry(self.hashes.hash_one(id), |other| *other == place) {
            found.remove();
        }
        let gone = self.devices.remove(place)?;
        self.unchain(gone.user, place, gone.next);
        self.count -= 1;
        self.online -= usize::from(!self.is_online(gone.user));
        Some((gone.user, entry))
    }

    /// Takes a device out of its user's chain.
    fn unchain(&mut self, user: UserRef, place: u32, next: u32) {
        let Some(slot) = self.users.get_mut(user) else { return };
        if slot.first == place {
            slot.first = next;
            return;
        }
        let mut before = slot.first;
        while let Some(device) = self.devices.get_mut(before) {
            if device.next == place {
                device.next = next;
                return;
            }
            before = device.next;
        }
    }

    /// Every device of a user and its node, in no order.
    pub(crate) fn devices(&self, user: UserRef) -> Vec<(Owner, Entry)> {
        let chain = self.chain(user);
        chain.filter_map(|device| Some((device.owner, self.entry(device)?))).collect()
    }

    /// How many devices a user has.
    pub(crate) fn count(&self, user: UserRef) -> usize {
        self.chain(user).count()
    }

    fn chain(&self, user: UserRef) -> impl Iterator<Item = &Device> {
        let first = self.users.get(user).and_then(|user| self.devices.get(user.first));
        std::iter::successors(first, |device| self.devices.get(device.next))
    }

    /// A device and its node.
    pub(crate) fn locate(&self, id: DeviceId) -> Option<(Owner, Entry)> {
        let device = self.devices.get(self.place(id)?)?;
        Some((device.owner, self.entry(device)?))
    }

    /// A device, if that node has it.
    pub(crate) fn get(&self, owner: Owner, id: DeviceId) -> Option<Entry> {
        self.entry(self.devices.get(self.place(id)?).filter(|device| device.owner == owner)?)
    }

    /// Whether that node has a device.
    pub(crate) fn has(&self, owner: Owner, id: DeviceId) -> bool {
        self.place(id).and_then(|place| self.devices.get(place)).is_some_and(|device| device.owner == owner)
    }

    /// The devices of a node, by a walk over all.
    pub(crate) fn of(&self, owner: Owner) -> Vec<DeviceId> {
        self.devices.iter(0).filter(|(_, device)| device.owner == owner).map(|(_, device)| device.id).collect()
    }

    fn place(&self, id: DeviceId) -> Option<u32> {
        let same = |place: &u32| self.devices.get(*place).is_some_and(|device| device.id == id);
        self.by_id.find(self.hashes.hash_one(id), same).copied()
    }

    fn entry(&self, device: &Device) -> Option<Entry> {
        Some(Entry {
            id: device.id,
            cid: self.users.get(device.user)?.cid.clone(),
            since: device.since,
            hop: device.hop,
            codec: device.codec,
            parked: device.parked,
            session: device.session,
            trial: device.trial,
        })
    }
}

#[cfg(test)]
mod tests;
