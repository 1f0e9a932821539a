//! Nodes on a bus that carries everything at once, and what they do there.

use crate::{Config, DeviceId, Entry, Hlc, Leaving, Node, NodeId, Output, Time, To};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Nodes on a bus that carries everything at once, and their outputs.
pub(super) struct Bus {
    pub(super) nodes: BTreeMap<NodeId, Node>,
    now: u64,
    out: Vec<(u64, Output)>,
    /// Nodes that neither send nor hear, not even themselves.
    pub(super) cut: Vec<NodeId>,
    /// Nodes that hear one another, and nobody else them.
    pub(super) half: Vec<NodeId>,
    /// Milliseconds by which the clock of a node is ahead.
    pub(super) ahead: BTreeMap<NodeId, u64>,
}

pub(super) const A: NodeId = NodeId::new(1);
pub(super) const B: NodeId = NodeId::new(2);
pub(super) const C: NodeId = NodeId::new(3);

pub(super) fn device(home: NodeId, number: u64, cid: &str) -> Entry {
    Entry {
        id: DeviceId::new(home, number),
        cid: cid.into(),
        since: Hlc(0),
        hop: 0,
        codec: 1,
        parked: false,
        session: true,
        trial: false,
    }
}

pub(super) fn goodbye() -> Leaving {
    Leaving { clean: true, closed: Bytes::from_static(b"bye") }
}

impl Bus {
    pub(super) fn of(ids: &[NodeId], config: &Config) -> Self {
        let (nodes, out, ahead) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        let mut bus = Bus { nodes, now: 1_000, out, cut: Vec::new(), half: Vec::new(), ahead };
        for id in ids {
            let mut node = Node::new(*id, config.clone(), bus.time());
            node.link(bus.time(), true);
            bus.nodes.insert(*id, node);
        }
        bus
    }

    /// Nodes that have settled.
    pub(super) fn settled(ids: &[NodeId], config: &Config) -> Self {
        let mut bus = Bus::of(ids, config);
        bus.run(12_000);
        bus.out.clear();
        bus
    }

    pub(super) fn time(&self) -> Time {
        Time { ms: self.now, wall: self.now }
    }

    fn time_at(&self, id: NodeId) -> Time {
        Time { ms: self.now, wall: self.now + self.ahead.get(&id).copied().unwrap_or(0) }
    }

    pub(super) fn with<T>(&mut self, id: NodeId, tell: impl FnOnce(&mut Node, Time) -> T) -> T {
        let time = self.time_at(id);
        let result = tell(self.nodes.get_mut(&id).expect("it lives"), time);
        self.carry();
        result
    }

    pub(super) fn at(&self, id: NodeId) -> &Node {
        &self.nodes[&id]
    }

    /// Carries what there is to carry.
    fn carry(&mut self) {
        let now = self.time();
        while let Some((from, sent)) = self.nodes.iter_mut().find_map(|(id, node)| Some((*id, node.transmit(now)?))) {
            for id in self.nodes.keys().copied().collect::<Vec<_>>() {
                let time = self.time_at(id);
                let meant = sent.to == To::All || sent.to == To::Node(id);
                let reaches = self.half.contains(&id) == self.half.contains(&from);
                let node = self.nodes.get_mut(&id).filter(|_| meant && reaches && !self.cut.contains(&id));
                if let Some(node) = node.filter(|_| !self.cut.contains(&from)) {
                    node.receive(time, &sent.datagram).expect("it is a datagram");
                }
            }
        }
        for (id, node) in &mut self.nodes {
            self.out.extend(std::iter::from_fn(|| node.poll()).map(|output| (id.number(), output)));
        }
    }

    /// Lets time pass; nodes tick when they say that something is due.
    pub(super) fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        loop {
            self.carry();
            let due = self.nodes.values().map(Node::due).min().expect("there are nodes");
            if due > end {
                break;
            }
            self.now = self.now.max(due);
            for id in self.nodes.keys().copied().collect::<Vec<_>>() {
                let time = self.time_at(id);
                if let Some(node) = self.nodes.get_mut(&id).filter(|node| node.due() <= time.ms) {
                    node.tick(time);
                    assert!(node.due() > time.ms, "a node that is due at once would never rest");
                }
            }
        }
        self.now = end;
    }

    pub(super) fn outputs(&mut self) -> Vec<(u64, Output)> {
        self.out.retain(|(_, output)| !matches!(output, Output::Changed { .. }));
        std::mem::take(&mut self.out)
    }
}
