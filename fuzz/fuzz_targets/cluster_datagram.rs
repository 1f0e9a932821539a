//! Two nodes of a cluster under any datagrams: no panic, no endless work, and no more waits than may.
//!
//! The input is a script: each byte chooses what happens next, and some events take the bytes behind it. Datagrams of
//! either node are lost, repeated, late or changed, and others are made up, with heads that lead far into a node. The
//! target sees what a server sees, and does not look into the nodes.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use wse_cluster::{Config, DeviceId, Entry, Except, Hlc, Leaving, Node, NodeId, Output, Recipients, Scope, Time, To};

/// A third node, which exists in datagrams that are made up only.
const THIRD: u64 = 3;
const PEER_BYTES: usize = 256 << 10;
const FRAME_BYTES: usize = 60 << 10;
/// More than a node can have to do at one moment.
const ENDLESS: usize = 100_000;

fuzz_target!(|data: &[u8]| {
    let mut script = Script(data);
    let mut nodes = Nodes::new();
    while !script.0.is_empty() {
        nodes.event(&mut script);
        nodes.settle(&mut script);
    }
});

struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }
}

/// One node and the datagrams it has made.
struct Side {
    node: Node,
    made: Vec<Bytes>,
    devices: u64,
}

struct Nodes {
    sides: [Side; 2],
    /// A datagram that is late, and to whom.
    late: Vec<(usize, Bytes)>,
    time: Time,
}

impl Nodes {
    fn new() -> Self {
        let mut config = Config::default();
        (config.peer_bytes, config.bytes, config.frame_bytes) = (PEER_BYTES, 2 * PEER_BYTES, FRAME_BYTES);
        let time = Time { ms: 1_000, wall: 1_700_000_000_000 };
        let side = |number| {
            let mut node = Node::new(NodeId::new(number), config.clone(), time);
            node.link(time, true);
            Side { node, made: Vec::new(), devices: 0 }
        };
        Self { sides: [side(1), side(2)], late: Vec::new(), time }
    }

    fn event(&mut self, script: &mut Script<'_>) {
        let choice = script.byte();
        let at = usize::from(choice & 1);
        match choice >> 1 & 15 {
            0..=2 => self.exchange(),
            3 => self.wait(u64::from(script.byte())),
            4 => self.wait(u64::from(script.byte()) * 64),
            5 => drop(self.take(at)),
            6 => {
                if let Some(datagram) = self.take(at) {
                    self.late.push((1 - at, datagram.clone()));
                    self.hear(1 - at, &datagram);
                }
            }
            7 => {
                let datagram = self.take(at);
                self.late.extend(datagram.map(|datagram| (1 - at, datagram)));
            }
            8 => {
                if let Some((to, datagram)) = self.late.pop() {
                    self.hear(to, &datagram);
                }
            }
            9 => {
                if let Some(changed) = self.take(at).map(|datagram| change(&datagram, script)) {
                    self.hear(1 - at, &changed);
                }
            }
            10 => self.hear(at, &Bytes::copy_from_slice(script.bytes())),
            11 => self.hear(at, &made_up(at, script)),
            12 => self.sides[at].asks(self.time, script),
            _ => self.sides[at].devices(self.time, script),
        }
    }

    /// The next datagram of a node.
    fn take(&mut self, at: usize) -> Option<Bytes> {
        let made = &mut self.sides[at].made;
        if made.is_empty() { None } else { Some(made.remove(0)) }
    }

    fn exchange(&mut self) {
        for at in [0, 1] {
            for datagram in std::mem::take(&mut self.sides[at].made) {
                self.hear(at, &datagram); // only beats, of which it hears itself: it drops the others
                self.hear(1 - at, &datagram);
            }
        }
    }

    fn hear(&mut self, at: usize, datagram: &Bytes) {
        _ = self.sides[at].node.receive(self.time, datagram);
    }

    fn wait(&mut self, ms: u64) {
        self.time = Time { ms: self.time.ms + ms, wall: self.time.wall + ms };
        self.sides.iter_mut().for_each(|side| side.node.tick(self.time));
    }

    /// Does what the nodes say, and takes what they send.
    fn settle(&mut self, script: &mut Script<'_>) {
        for side in &mut self.sides {
            let mut work = 0;
            while let Some(output) = side.node.poll() {
                side.obey(self.time, output, script.0.first().copied().unwrap_or(0));
                work += 1;
                assert!(work < ENDLESS, "outputs without end");
            }
            while let Some(transmit) = side.node.transmit(self.time) {
                assert!(transmit.datagram.len() <= 64 << 10, "a datagram is too large");
                assert!(transmit.to != To::Node(side.node.id()), "a datagram for itself");
                side.made.push(transmit.datagram);
                work += 1;
                assert!(work < ENDLESS, "datagrams without end");
            }
            // Three nodes at most are known, each with a quarter more than its bound and a part of a snapshot.
            let waiting = side.node.waiting_bytes();
            assert!(waiting <= 3 * (PEER_BYTES * 5 / 4 + (64 << 10)), "{waiting} bytes wait");
        }
    }
}

impl Side {
    /// What the server would do.
    fn obey(&mut self, time: Time, output: Output, choice: u8) {
        let yes = choice & 1 == 0;
        match output {
            Output::Call { from, id, body, .. } => _ = self.node.answer(time, from, id, yes.then_some(body)),
            Output::Take { from, id, device, body } => self.node.give(time, from, id, device, yes.then_some(body)),
            Output::Offered { from, id, entry, .. } => _ = self.node.accept(time, from, id, entry.id, yes),
            Output::Taken(id, Some((from, entry, _))) => _ = self.node.accept(time, from, id, entry.id, yes),
            _ => {}
        }
    }

    fn devices(&mut self, time: Time, script: &mut Script<'_>) {
        let choice = script.byte();
        let own = DeviceId::new(self.node.id(), u64::from(choice >> 3) + 1);
        match choice & 7 {
            0..=2 => {
                self.devices += 1;
                let entry = Entry {
                    id: DeviceId::new(self.node.id(), self.devices),
                    cid: ["ann", "bob", "", "eve"][usize::from(choice >> 3 & 3)].into(),
                    since: Hlc(0),
                    hop: 0,
                    codec: 1,
                    parked: choice & 64 != 0,
                    session: true,
                    trial: choice & 128 != 0,
                };
                self.node.enter(time, entry);
            }
            3 => self.node.leave(time, own, Leaving { clean: choice & 64 == 0, closed: Bytes::from_static(b"1") }),
            4 => self.node.park(time, own, choice & 64 == 0),
            5 => self.node.confirm(time, own),
            6 => _ = self.node.offer(time, own, Bytes::copy_from_slice(script.bytes())),
            _ => self.node.room(time, &Arc::from(["r", "s"][usize::from(choice >> 7)]), u32::from(choice >> 3 & 3)),
        }
    }

    fn asks(&mut self, time: Time, script: &mut Script<'_>) {
        let choice = script.byte();
        let other = DeviceId::new(NodeId::new(3 - self.node.id().number()), u64::from(choice >> 4) + 1);
        let scope = match choice >> 4 & 3 {
            0 => Scope::Everyone,
            1 => Scope::User("ann".into()),
            2 => Scope::Device(other),
            _ => Scope::Room("r".into()),
        };
        let mut to = Recipients::from(scope);
        if choice & 128 != 0 {
            to.except = vec![Except::User("bob".into()), Except::Device(other)];
        }
        let mut body = script.bytes().to_vec();
        body.resize((body.len() << (choice >> 4)).min(64 << 10), 0); // in parts, or too large
        let body = Bytes::from(body);
        match choice & 7 {
            0..=2 => _ = self.node.send(time, &to, body),
            3 => _ = self.node.call(time, &[other, other], 1_000, body),
            4 => _ = self.node.close(time, &to, body.slice(..body.len().min(128))),
            5 => _ = self.node.take(time, other, body),
            6 => _ = self.node.app(time, other.node(), body),
            _ => self.node.nobody(time, other.node()),
        }
    }
}

/// The datagram with one byte changed, or cut.
fn change(datagram: &Bytes, script: &mut Script<'_>) -> Bytes {
    let mut changed = datagram.to_vec();
    let at = usize::from(script.byte()) % changed.len();
    match script.byte() {
        0 => changed.truncate(at),
        bits => changed[at] ^= bits,
    }
    changed.into()
}

/// A datagram with a lawful head, whose rest is of the script.
fn made_up(to: usize, script: &mut Script<'_>) -> Bytes {
    let choice = script.byte();
    let from = [2 - to as u64, THIRD][usize::from(choice & 1)];
    let kind = choice >> 1 & 3;
    let mut out = vec![1, kind + 1];
    out.extend_from_slice(&from.to_be_bytes());
    out.extend_from_slice(&1_700_000_000_u32.to_be_bytes());
    if kind >= 2 {
        out.extend_from_slice(&(to as u64 + 1).to_be_bytes());
        out.extend_from_slice(&u32::from(choice >> 6 & 3).to_be_bytes());
        out.extend_from_slice(&u32::from(choice >> 4 & 3).to_be_bytes());
        out.extend_from_slice(&u64::from(script.byte()).to_be_bytes());
        out.push(choice >> 3 & 1);
    }
    if kind == 2 {
        out.extend_from_slice(&u64::from(script.byte()).to_be_bytes());
        out.push(0);
        let frame = script.bytes();
        let most = frame.len().min(127);
        out.push(most as u8);
        out.extend_from_slice(&frame[..most]);
    }
    out.extend_from_slice(script.bytes());
    out.into()
}
