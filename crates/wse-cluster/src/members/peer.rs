//! What a node knows of one other node.

use crate::{
    CallId, Config, DeviceId, Entry, TakeId,
    directory::{Owner, UserRef},
    link::Link,
    reports::mix,
};
use std::{collections::BTreeMap, sync::Arc};
use wse_proto::Cid;

/// What is told when a frame is given up.
pub(crate) enum Tag {
    Send,
    Calls(Vec<CallId>),
    Take(TakeId),
}

/// A copy of a peer's state that is not whole yet.
#[derive(Default)]
pub(crate) struct Loading {
    pub(crate) entries: BTreeMap<DeviceId, Entry>,
    pub(crate) rooms: BTreeMap<Arc<str>, u32>,
    /// The memory that it takes.
    pub(crate) weight: usize,
}

/// How far a peer has been told what this node has: devices in the order of their ids, then rooms, then what was
/// told of users. What changes is told at once, wherever the cursor stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    Devices(Option<DeviceId>),
    Rooms(Option<Arc<str>>),
    Told(UserRef),
}

/// One other node.
pub(crate) struct Peer {
    pub(crate) link: Link<Tag>,
    /// How the directory names it.
    pub(crate) owner: Owner,
    pub(crate) name: String,
    /// When it was built, by its wall clock.
    pub(crate) born: u64,
    pub(crate) ready: bool,
    /// Its limit of devices.
    pub(crate) limit: u32,
    /// When a datagram of it came.
    pub(crate) heard: u64,
    /// The engine has said since that nobody listens there.
    pub(crate) hinted: Option<u64>,
    /// All of its state is here.
    pub(crate) synced: bool,
    pub(crate) loading: Option<Loading>,
    pub(crate) snapshot: Option<Cursor>,
    /// Its devices: how many, of which codecs, and the hash of them.
    pub(crate) devices: usize,
    pub(crate) codecs: [u32; 8],
    pub(crate) hash: u64,
    /// The hash of this node's devices that it was told last.
    pub(crate) checked: u64,
    /// Devices that it still lists, and another node has: their sessions have moved.
    pub(crate) moved: BTreeMap<DeviceId, Entry>,
    /// The memory that its devices and rooms take here.
    pub(crate) weight: usize,
    /// Messages that its link did not take, and that nobody was told of yet.
    pub(crate) refused: u64,
    /// These are told then at the earliest.
    pub(crate) refused_at: u64,
}

impl Peer {
    pub(super) fn new(now: u64, owner: Owner, generation: u32, floor: u32, config: &Config) -> Self {
        Self {
            link: Link::new(now, generation, floor, config),
            owner,
            name: String::new(),
            born: 0,
            ready: false,
            limit: config.limit as u32,
            heard: now,
            hinted: None,
            synced: false,
            loading: None,
            snapshot: Some(Cursor::Devices(None)),
            devices: 0,
            codecs: [0; 8],
            hash: 0,
            checked: 0,
            moved: BTreeMap::new(),
            weight: 0,
            refused: 0,
            refused_at: 0,
        }
    }

    /// It has a device more.
    pub(crate) fn count(&mut self, entry: &Entry) {
        self.devices += 1;
        self.codecs[usize::from(entry.codec & 7)] += 1;
        self.hash ^= digest(entry);
        self.weight += weight(entry);
    }

    /// It has a device less.
    pub(crate) fn discount(&mut self, entry: &Entry) {
        self.devices -= 1;
        self.codecs[usize::from(entry.codec & 7)] -= 1;
        self.hash ^= digest(entry);
        self.weight -= weight(entry);
    }

    /// The set of what its devices speak.
    pub(crate) fn codec_set(&self) -> u8 {
        (0..8).filter(|codec| self.codecs[*codec] > 0).fold(0, |set, codec| set | 1 << codec)
    }

    /// When it is dead unless it is heard.
    pub(crate) fn dead_at(&self, config: &Config) -> u64 {
        let hinted = self.hinted.map_or(u64::MAX, |at| at.max(self.heard) + config.dead_hinted);
        hinted.min(self.heard + config.dead)
    }
}

impl Loading {
    pub(crate) fn insert(&mut self, entry: Entry) {
        self.weight += weight(&entry);
        if let Some(old) = self.entries.insert(entry.id, entry) {
            self.weight -= weight(&old);
        }
    }

    pub(crate) fn change(&mut self, id: DeviceId, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(&id) {
            change(entry);
        }
    }

    pub(crate) fn remove(&mut self, id: DeviceId) {
        if let Some(old) = self.entries.remove(&id) {
            self.weight -= weight(&old);
        }
    }

    pub(crate) fn room(&mut self, name: Arc<str>, members: u32) {
        let bytes = room_weight(&name);
        if members == 0 {
            self.weight -= if self.rooms.remove(&name).is_some() { bytes } else { 0 };
        } else if self.rooms.insert(name, members).is_none() {
            self.weight += bytes;
        }
    }
}

/// The memory that a device takes at most.
fn weight(entry: &Entry) -> usize {
    user_weight(&entry.cid)
}

/// The memory that a user takes at most.
pub(crate) fn user_weight(cid: &Cid) -> usize {
    160 + cid.as_str().len()
}

/// The memory that a room takes at most.
pub(crate) fn room_weight(name: &str) -> usize {
    160 + name.len()
}

/// A hash of a device that is the same at every node.
pub(crate) fn digest(entry: &Entry) -> u64 {
    let flags = u64::from(entry.parked) | u64::from(entry.session) << 1 | u64::from(entry.trial) << 2;
    let small = flags | u64::from(entry.codec & 7) << 3 | u64::from(entry.hop) << 8;
    let cid = entry
        .cid
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    [entry.id.node().number(), entry.id.number(), entry.since.0, small]
        .into_iter()
        .fold(cid, |hash, part| mix(hash ^ part))
}
