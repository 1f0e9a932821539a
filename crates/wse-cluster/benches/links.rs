//! CPU of a frame that crosses from node to node, without a bus: `cargo bench -p wse-cluster --bench links`.
//!
//! One thread runs both nodes, so a figure is that of both sides together.

use bytes::Bytes;
use std::time::Instant;
use wse_cluster::{Config, DeviceId, Entry, Hlc, Node, NodeId, Output, Recipients, Scope, Time, To};

const FRAMES: usize = 1_000_000;

struct Pair {
    nodes: [Node; 2],
    time: Time,
    delivered: usize,
}

impl Pair {
    /// Carries everything that waits.
    fn carry(&mut self) {
        for at in [0, 1] {
            while let Some(transmit) = self.nodes[at].transmit(self.time) {
                if transmit.to == To::All {
                    let _ = self.nodes[at].receive(self.time, &transmit.datagram);
                }
                let _ = self.nodes[1 - at].receive(self.time, &transmit.datagram);
            }
        }
        for node in &mut self.nodes {
            while let Some(output) = node.poll() {
                self.delivered += usize::from(matches!(output, Output::Deliver { .. }));
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        self.time.ms += ms;
        self.nodes.iter_mut().for_each(|node| node.tick(self.time));
        self.carry();
    }
}

fn main() {
    let time = Time { ms: 1, wall: 1_800_000_000_000 };
    let nodes = [1, 2].map(|id| Node::new(NodeId::new(id), Config::default(), time));
    let mut pair = Pair { nodes, time, delivered: 0 };
    pair.nodes.iter_mut().for_each(|node| node.link(time, true));
    let id = DeviceId::new(NodeId::new(2), 1);
    let entry =
        Entry { id, cid: "ann".into(), since: Hlc(0), hop: 0, codec: 1, parked: false, session: false, trial: false };
    pair.nodes[1].enter(time, entry);
    (0..100).for_each(|_| pair.pass(10));
    let to = Recipients::from(Scope::User("ann".into()));
    for (size, batch) in [(200, 1), (200, 20), (200, 80), (16_000, 1)] {
        let message = Bytes::from(vec![7; size]);
        let (before, began) = (pair.delivered, Instant::now());
        for at in 0..FRAMES / batch {
            for _ in 0..batch {
                let taken = pair.nodes[0].send(pair.time, &to, message.clone());
                assert_eq!(taken.ok(), Some(1));
            }
            pair.carry();
            if at % 100 == 0 {
                pair.pass(1);
            }
        }
        pair.pass(100);
        let elapsed = began.elapsed();
        assert_eq!(pair.delivered - before, FRAMES / batch * batch, "each once");
        println!(
            "{size} B, {batch} at a time: {:.0} ns a frame, both sides",
            elapsed.as_nanos() as f64 / FRAMES as f64
        );
    }
}
