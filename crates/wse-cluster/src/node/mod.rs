//! One node of a cluster.
//!
//! In the order of reading: `bus` is what comes and goes, `peers` who is there, `push` what is said to whom, `apply`
//! what others say, `snapshot` what a peer is told at the beginning, `devices` what the server tells, `presence` who
//! reports a user, `asks` messages and calls, `moves` sessions on their way, `look` questions.

mod apply;
mod asks;
mod bus;
mod copy;
mod devices;
mod look;
mod moves;
mod peers;
mod presence;
mod push;
mod snapshot;
#[cfg(test)]
mod tests;
mod tick;

use crate::{
    Config, DeviceId, NodeId, Output, Time,
    calls::Calls,
    clock::Clock,
    directory::Directory,
    members::{Hearing, Members},
    reports::Reports,
    rooms::Rooms,
    rules::Rules,
    takes::Takes,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One node of a cluster. It is told what happens at its server and on the bus, and says what to do.
///
/// What others can make it keep is bounded: what waits for them by [`Config::bytes`], what they have by
/// [`Config::entry_bytes`] each, and how many they are by [`Config::peers`].
pub struct Node {
    id: NodeId,
    config: Config,
    pub(crate) rules: Rules,
    clock: Clock,
    hearing: Hearing,
    members: Members,
    directory: Directory,
    /// This node's devices, in the order in which others are told of them, and the hash of them.
    own: BTreeSet<DeviceId>,
    own_hash: u64,
    /// Devices that this node lists, and another one has.
    moved: BTreeMap<DeviceId, devices::Moved>,
    reports: Reports,
    rooms: Rooms,
    calls: Calls,
    takes: Takes,
    outputs: VecDeque<Output>,
    scratch: Vec<u8>,
    /// When the node was built, by the wall clock.
    born: u64,
    /// It knows enough to report users.
    ready: bool,
    /// Until then nothing is reported, and then all that is due is looked at.
    quiet_until: u64,
    scan_at: u64,
    beats: Beats,
    goodbye: Goodbye,
    /// When something is due next, if nothing happens before.
    wake: u64,
    /// There may be something to transmit.
    sending: bool,
    /// The peer that was served last.
    turn: NodeId,
    mismatches: u64,
    malformed: u64,
}

/// An empty queue of outputs keeps room for so many.
const OUTPUTS: usize = 256;

/// When the next beat goes.
struct Beats {
    at: u64,
    wanted: bool,
    count: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Goodbye {
    None,
    Wanted,
    Said,
}

/// Why a message for other nodes was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is larger than [`Config::frame_bytes`].
    #[error("larger than what nodes take")]
    TooBig,
}

impl Node {
    /// A node that begins.
    pub fn new(id: NodeId, config: Config, time: Time) -> Self {
        Self {
            id,
            config,
            rules: Rules::default(),
            clock: Clock::default(),
            hearing: Hearing::new(time),
            members: Members::new(id),
            directory: Directory::new(),
            own: BTreeSet::new(),
            own_hash: 0,
            moved: BTreeMap::new(),
            reports: Reports::default(),
            rooms: Rooms::default(),
            calls: Calls::default(),
            takes: Takes::default(),
            outputs: VecDeque::new(),
            scratch: Vec::new(),
            born: time.wall,
            ready: false,
            quiet_until: 0,
            scan_at: u64::MAX,
            beats: Beats { at: time.ms, wanted: false, count: 0 },
            goodbye: Goodbye::None,
            wake: 0,
            sending: false,
            turn: id,
            mismatches: 0,
            malformed: 0,
        }
    }

    /// Its id.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() {
            self.outputs.shrink_to(OUTPUTS); // a node that comes or goes makes many
        }
        output
    }

    /// Whether [`poll`](Self::poll) would give something.
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// When something is due next, in [`Time::ms`]: later than the time of the last [`tick`](Self::tick).
    pub fn due(&self) -> u64 {
        self.wake
    }

    /// Something is due then.
    fn wake_at(&mut self, at: u64) {
        self.wake = self.wake.min(at);
    }
}
