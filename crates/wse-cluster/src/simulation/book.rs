//! The history of a run, and what is wrong with it.

use crate::{CallEnd, CallId, DeviceId, Entry, NodeId};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use wse_proto::Cid;

/// How often something has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) runs: u64,
    pub(super) devices: u64,
    pub(super) moved: u64,
    pub(super) reports: u64,
    /// Reports that say what the one before said.
    pub(super) twice: u64,
    /// Users of whom the last report is not true.
    pub(super) untrue: u64,
    pub(super) sent: u64,
    pub(super) lost: u64,
    pub(super) killed: u64,
    pub(super) answered: u64,
    pub(super) gone: u64,
    pub(super) node_lost: u64,
    pub(super) timed_out: u64,
    pub(super) unreachable: u64,
}

impl Count {
    pub(super) fn add(&mut self, other: &Count) {
        let Count { devices, moved, reports, twice, untrue, sent, lost, killed, .. } = other;
        self.runs += 1;
        self.devices += devices;
        self.moved += moved;
        self.reports += reports;
        self.twice += twice;
        self.untrue += untrue;
        self.sent += sent;
        self.lost += lost;
        self.killed += killed;
        self.answered += other.answered;
        self.gone += other.gone;
        self.node_lost += other.node_lost;
        self.timed_out += other.timed_out;
        self.unreachable += other.unreachable;
    }
}

#[derive(Default)]
struct Called {
    ran: u32,
    ended: u32,
    cancelled: bool,
}

/// What went from one server to another.
#[derive(Default)]
struct Way {
    sent: BTreeSet<u64>,
    delivered: BTreeSet<u64>,
    told_lost: u64,
}

/// What has happened.
#[derive(Default)]
pub(super) struct Book {
    pub(super) count: Count,
    pub(super) wrong: Vec<String>,
    told: bool,
    reports: BTreeMap<Cid, Vec<(u64, bool)>>,
    messages: u64,
    ways: BTreeMap<(NodeId, NodeId), Way>,
    calls: BTreeMap<(NodeId, CallId), Called>,
    killed: BTreeSet<NodeId>,
    /// Devices that have left.
    ended: BTreeSet<DeviceId>,
    unsure: BTreeSet<DeviceId>,
    /// Which devices a server has seen at which other one.
    seen: BTreeMap<NodeId, BTreeMap<DeviceId, NodeId>>,
}

impl Book {
    pub(super) fn new(told: bool) -> Self {
        Self { told, ..Self::default() }
    }

    pub(super) fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    pub(super) fn killed(&mut self, id: NodeId) {
        self.count.killed += 1;
        self.killed.insert(id);
    }

    // Devices.

    pub(super) fn came(&mut self, _: DeviceId, _: &Cid) {
        self.count.devices += 1;
    }

    pub(super) fn ended(&mut self, device: DeviceId) {
        self.ended.insert(device);
    }

    pub(super) fn has_ended(&self, device: DeviceId) -> bool {
        self.ended.contains(&device)
    }

    pub(super) fn moved(&mut self) {
        self.count.moved += 1;
    }

    /// Two servers may have it for a while: one took the other for lost.
    pub(super) fn unsure(&mut self, device: DeviceId) {
        self.unsure.insert(device);
    }

    pub(super) fn is_unsure(&self, device: DeviceId) -> bool {
        self.unsure.contains(&device)
    }

    pub(super) fn sees(&mut self, id: NodeId, _: &Cid, devices: &[(NodeId, Entry)]) {
        let seen = self.seen.entry(id).or_default();
        seen.extend(devices.iter().map(|(node, entry)| (entry.id, *node)));
    }

    pub(super) fn has_seen(&self, id: NodeId, at: NodeId, device: DeviceId) -> bool {
        let seen = self.seen.get(&id).and_then(|seen| seen.get(&device));
        seen == Some(&at) && !self.ended.contains(&device) && !self.unsure.contains(&device)
    }

    pub(super) fn buried(&mut self, id: NodeId, node: NodeId) {
        self.seen.entry(id).or_default().retain(|_, at| *at != node);
    }

    pub(super) fn reported(&mut self, now: u64, cid: &Cid, here: bool) {
        self.count.reports += 1;
        let reports = self.reports.entry(cid.clone()).or_default();
        let before = reports.last().is_some_and(|(_, here)| *here);
        if before == here {
            self.count.twice += 1;
            if self.told {
                println!("{now:>7} TWICE: {cid} is reported as {here}");
            }
        }
        reports.push((now, here));
    }

    /// Whether the user is here, by the last report.
    pub(super) fn is_here(&self, cid: &Cid) -> bool {
        self.reports.get(cid).and_then(|reports| reports.last()).is_some_and(|(_, here)| *here)
    }

    // Messages.

    pub(super) fn message(&mut self) -> u64 {
        self.messages += 1;
        self.messages
    }

    pub(super) fn sent(&mut self, from: NodeId, number: u64, targets: Vec<(NodeId, usize)>) {
        for (to, _) in targets {
            self.count.sent += 1;
            self.ways.entry((from, to)).or_default().sent.insert(number);
        }
    }

    pub(super) fn delivered(&mut self, from: NodeId, to: NodeId, message: &Bytes) {
        let number = message.first_chunk().map_or(0, |number| u64::from_be_bytes(*number));
        let way = self.ways.entry((from, to)).or_default();
        if way.delivered.last().is_some_and(|last| *last >= number) {
            self.wrong.push(format!("message {number} came to {to} twice or too late"));
        }
        way.delivered.insert(number);
    }

    pub(super) fn gap(&mut self, from: NodeId, to: NodeId, sends: u64) {
        self.count.lost += sends;
        self.ways.entry((from, to)).or_default().told_lost += sends;
    }

    // Calls.

    pub(super) fn called(&mut self, from: NodeId, call: CallId) {
        self.calls.insert((from, call), Called::default());
    }

    pub(super) fn is_open(&self, from: NodeId, call: CallId) -> bool {
        self.calls.get(&(from, call)).is_some_and(|called| called.ended == 0)
    }

    pub(super) fn cancelled(&mut self, from: NodeId, call: CallId) {
        if let Some(called) = self.calls.get_mut(&(from, call)) {
            called.cancelled = true;
            called.ended += 1;
        }
    }

    pub(super) fn ran(&mut self, from: NodeId, call: CallId) {
        let called = self.calls.entry((from, call)).or_default();
        called.ran += 1;
        if called.ran > 1 {
            self.wrong.push(format!("{call:?} of {from} ran twice"));
        }
    }

    pub(super) fn call_ended(&mut self, id: NodeId, call: CallId, end: &CallEnd) {
        let called = self.calls.entry((id, call)).or_default();
        called.ended += 1;
        if called.ended > 1 {
            self.wrong.push(format!("{call:?} of {id} ended twice, at last by {end:?}"));
        }
        let (count, runs) = match end {
            CallEnd::Answer(_) => (&mut self.count.answered, Some(1)),
            CallEnd::Gone => (&mut self.count.gone, Some(0)),
            CallEnd::NodeLost => (&mut self.count.node_lost, None),
            CallEnd::TimedOut => (&mut self.count.timed_out, None),
            CallEnd::Unreachable => (&mut self.count.unreachable, Some(0)),
        };
        *count += 1;
        if runs.is_some_and(|runs| runs != called.ran) {
            self.wrong.push(format!("{call:?} of {id} ended by {end:?} and ran {}", called.ran));
        }
    }

    /// What must be true when everything has come to rest.
    pub(super) fn at_rest(&mut self) {
        for ((id, call), called) in &self.calls {
            if called.ended == 0 && !self.killed.contains(id) {
                self.wrong.push(format!("{call:?} of {id} never ended"));
            }
        }
        for ((from, to), way) in &self.ways {
            let missing = way.sent.difference(&way.delivered).count() as u64;
            if missing > way.told_lost && !self.killed.contains(from) {
                self.wrong
                    .push(format!("{missing} messages of {from} never came to {to}, and {} were told", way.told_lost));
            }
        }
    }
}
