//! Five servers in virtual time, and an engine between them that fails.

use super::{book::Book, chance::Chance, mode::Mode};
use crate::{CallId, Config, DeviceId, Node, NodeId, TakeId, Time, To, rules::Rule};
use bytes::Bytes;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};
use wse_proto::Cid;

/// Virtual time begins there.
const EPOCH: u64 = 1_000_000;

/// What happens at a moment.
pub(super) enum Event {
    Arrive(NodeId, Bytes),
    Tick(NodeId),
    /// The adapter has learned that its link is up or not.
    Link(NodeId, bool),
    Answer {
        at: NodeId,
        to: NodeId,
        id: CallId,
    },
    Give {
        at: NodeId,
        to: NodeId,
        id: TakeId,
        device: DeviceId,
        gives: bool,
    },
    Confirm(DeviceId),
    /// A device that had left when it was taken in there is closed by now.
    Closed(NodeId, DeviceId),
    Traffic,
    Fault,
    Heal(Healing),
    Wake(NodeId),
    /// A server begins, with that name and clock.
    Start(String, i64),
}

pub(super) enum Healing {
    Engine,
    Split,
    Cut(NodeId),
}

/// A device as its server has it.
pub(super) struct Local {
    pub(super) cid: Cid,
    pub(super) parked: bool,
    /// Its session is on the way to that node.
    pub(super) giving: Option<NodeId>,
}

/// One server.
pub(super) struct Host {
    pub(super) node: Node,
    pub(super) name: String,
    pub(super) skew: i64,
    pub(super) half: bool,
    pub(super) cut: bool,
    pub(super) paused_until: u64,
    /// What comes while it is stopped.
    pen: Vec<Bytes>,
    /// Its client keeps what it could not write.
    keeps: bool,
    kept: Vec<(To, Bytes)>,
    tick_at: u64,
    pub(super) numbers: u64,
    pub(super) devices: BTreeMap<DeviceId, Local>,
    pub(super) rooms: BTreeMap<&'static str, u32>,
}

pub(super) struct World {
    pub(super) chance: Chance,
    pub(super) mode: Mode,
    pub(super) now: u64,
    pub(super) hosts: BTreeMap<NodeId, Host>,
    pub(super) down: bool,
    pub(super) book: Book,
    pub(super) told: bool,
    config: Config,
    off: Option<Rule>,
    order: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    last: BTreeMap<(NodeId, NodeId), u64>,
    /// The engine says when nobody listens.
    hints: bool,
}

impl World {
    pub(super) fn new(seed: u64, mode: Mode, off: Option<Rule>, told: bool) -> Self {
        let config = Config {
            limit: mode.limit,
            // Small, so that bounds are met and snapshots have many parts.
            peer_bytes: 48 << 10,
            bytes: 128 << 10,
            part_bytes: 120,
            ..Config::default()
        };
        let mut chance = Chance::new(seed);
        let hints = chance.percent(50);
        Self {
            chance,
            mode,
            now: EPOCH,
            hosts: BTreeMap::new(),
            down: false,
            book: Book::new(told),
            told,
            config,
            off,
            order: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            last: BTreeMap::new(),
            hints,
        }
    }

    pub(super) fn say(&self, what: impl FnOnce() -> String) {
        if self.told {
            println!("{:>7} {}", self.now - EPOCH, what());
        }
    }

    pub(super) fn at(&mut self, after: u64, event: Event) {
        self.order += 1;
        self.queue.push(Reverse((self.now + after, self.order)));
        self.events.insert(self.order, event);
    }

    /// The next event before that moment, at its time.
    pub(super) fn next(&mut self, until: u64) -> Option<Event> {
        let Reverse((at, order)) = *self.queue.peek()?;
        if at >= EPOCH + until {
            self.now = EPOCH + until;
            return None;
        }
        self.queue.pop();
        self.now = self.now.max(at);
        self.events.remove(&order)
    }

    pub(super) fn time(&self, id: NodeId) -> Time {
        let skew = self.hosts.get(&id).map_or(0, |host| host.skew);
        Time { ms: self.now, wall: (1_700_000_000_000 + self.now).saturating_add_signed(skew) }
    }

    /// A server begins.
    pub(super) fn start(&mut self, name: String, skew: i64) {
        let id = NodeId::new(self.chance.bits() | 1);
        let keeps = self.chance.percent(50);
        let config = Config { name: name.clone(), ..self.config.clone() };
        let time = Time { ms: self.now, wall: (1_700_000_000_000 + self.now).saturating_add_signed(skew) };
        let mut node = Node::new(id, config, time);
        node.rules.off = self.off;
        let host = Host {
            node,
            name,
            skew,
            half: false,
            cut: false,
            paused_until: 0,
            pen: Vec::new(),
            keeps,
            kept: Vec::new(),
            tick_at: u64::MAX,
            numbers: 0,
            devices: BTreeMap::new(),
            rooms: BTreeMap::new(),
        };
        self.say(|| format!("{id} starts"));
        self.hosts.insert(id, host);
        if !self.down {
            self.with(id, |node, time| node.link(time, true));
        }
        self.at(0, Event::Tick(id));
    }

    pub(super) fn new_skew(&mut self) -> i64 {
        self.chance.below(2 * self.mode.skew + 1) as i64 - self.mode.skew as i64
    }

    /// Tells or asks the node of a server, and does what it says is to be done.
    pub(super) fn with<T>(&mut self, id: NodeId, tell: impl FnOnce(&mut Node, Time) -> T) -> Option<T> {
        let time = self.time(id);
        let result = tell(&mut self.hosts.get_mut(&id)?.node, time);
        self.drain(id);
        Some(result)
    }

    fn drain(&mut self, id: NodeId) {
        loop {
            let time = self.time(id);
            let Some(host) = self.hosts.get_mut(&id) else { return };
            if let Some(output) = host.node.poll() {
                self.act(id, output);
            } else if let Some(sent) = host.node.transmit(time) {
                self.carry(id, sent.to, sent.datagram);
            } else {
                break;
            }
        }
        let Some(host) = self.hosts.get_mut(&id) else { return };
        if host.node.mismatches() > 0 {
            self.book.wrong(format!("{id} had a copy that was wrong"));
            return;
        }
        let waiting = host.node.waiting_bytes();
        if waiting > self.config.bytes {
            self.book.wrong(format!("{waiting} bytes wait"));
        }
        let due = host.node.due().max(self.now);
        if due < host.tick_at {
            host.tick_at = due;
            self.at(due - self.now, Event::Tick(id));
        }
    }

    fn tick(&mut self, id: NodeId) {
        let Some(host) = self.hosts.get_mut(&id) else { return };
        if host.paused_until > self.now {
            host.tick_at = u64::MAX; // it wakes later
        } else if self.now >= host.tick_at.min(host.node.due()) {
            host.tick_at = u64::MAX;
            self.with(id, |node, time| node.tick(time));
        }
    }

    // The engine.

    fn reaches(&self, one: NodeId, other: NodeId) -> bool {
        let (Some(one), Some(other)) = (self.hosts.get(&one), self.hosts.get(&other)) else { return false };
        !self.down && !one.cut && !other.cut && one.half == other.half
    }

    fn carry(&mut self, from: NodeId, to: To, datagram: Bytes) {
        let down = self.down;
        let Some(host) = self.hosts.get_mut(&from) else { return };
        if down || host.cut {
            if host.keeps && host.kept.len() < 200 {
                host.kept.push((to, datagram));
            }
            return;
        }
        let targets = match to {
            To::All => self.hosts.keys().copied().collect(),
            To::Node(id) => vec![id],
        };
        for id in targets {
            if !self.hosts.contains_key(&id)
                && self.hints
                && let Some(host) = self.hosts.get_mut(&from)
            {
                host.node.nobody(Time { ms: self.now, wall: 0 }, id);
            }
            if !self.reaches(from, id) || self.chance.percent(self.mode.lost) {
                continue;
            }
            for _ in 0..1 + u64::from(self.chance.percent(self.mode.lost)) {
                let after = if self.chance.percent(self.mode.late) {
                    self.chance.below(1_500)
                } else {
                    let soon = self.now + 1 + self.chance.below(20);
                    let last = self.last.entry((from, id)).or_default();
                    *last = soon.max(*last);
                    *last - self.now
                };
                self.at(after, Event::Arrive(id, datagram.clone()));
            }
        }
    }

    /// The link of a server works again: it learns so, and its client writes what it has kept.
    fn link_up(&mut self, id: NodeId) {
        let after = 1 + self.chance.below(300);
        self.at(after, Event::Link(id, true));
        let kept = self.hosts.get_mut(&id).map(|host| std::mem::take(&mut host.kept)).unwrap_or_default();
        for (to, datagram) in kept {
            self.carry(id, to, datagram);
        }
    }

    pub(super) fn heal(&mut self, what: &Healing) {
        match what {
            Healing::Engine => {
                self.down = false;
                let ids: Vec<_> = self.hosts.iter().filter(|(_, host)| !host.cut).map(|(id, _)| *id).collect();
                ids.into_iter().for_each(|id| self.link_up(id));
            }
            Healing::Split => self.hosts.values_mut().for_each(|host| host.half = false),
            Healing::Cut(id) => {
                if let Some(host) = self.hosts.get_mut(id) {
                    host.cut = false;
                    if !self.down {
                        self.link_up(*id);
                    }
                }
            }
        }
    }

    /// Everything works from now on.
    pub(super) fn heal_all(&mut self) {
        self.heal(&Healing::Split);
        self.hosts.values_mut().for_each(|host| host.cut = false);
        self.heal(&Healing::Engine);
    }

    fn receive(&mut self, id: NodeId, datagram: &Bytes) {
        if let Some(Err(wrong)) = self.with(id, |node, time| node.receive(time, datagram)) {
            self.book.wrong(format!("{id} got a datagram that is none: {wrong}"));
        }
    }

    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive(id, datagram) => {
                let now = self.now;
                let Some(host) = self.hosts.get_mut(&id) else { return };
                if host.paused_until > now {
                    host.pen.push(datagram);
                } else {
                    self.receive(id, &datagram);
                }
            }
            Event::Tick(id) => self.tick(id),
            Event::Link(id, up) => {
                let works = self.hosts.get(&id).is_some_and(|host| !self.down && !host.cut);
                if up == works {
                    self.with(id, |node, time| node.link(time, up));
                }
            }
            Event::Wake(id) => {
                let Some(host) = self.hosts.get_mut(&id).filter(|host| host.paused_until <= self.now) else { return };
                for datagram in std::mem::take(&mut host.pen) {
                    self.receive(id, &datagram);
                }
                self.with(id, |node, time| node.tick(time));
            }
            Event::Heal(what) => self.heal(&what),
            Event::Start(name, skew) => self.start(name, skew),
            Event::Fault => self.fault(),
            Event::Traffic => self.traffic(),
            Event::Answer { .. } | Event::Give { .. } | Event::Confirm(..) | Event::Closed(..) => self.serve(event),
        }
    }
}
