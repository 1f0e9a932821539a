//! Memory of the directory and time of its look-ups: `cargo bench -p wse-cluster --bench directory`.
//!
//! Two nodes in one process; one has a million users with one device each, whose ids have 20 characters, and the
//! other gets its copy over the link. The figures are what the process grew by (`/proc/self/statm`).

use std::{fs, hint::black_box, time::Instant};
use wse_cluster::{Config, DeviceId, Entry, Hlc, Node, NodeId, Time, To};
use wse_proto::Cid;

const USERS: u64 = 1_000_000;

fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4096
}

fn cid(user: u64) -> Cid {
    Cid::from(format!("user-{user:015}"))
}

/// Carries what both nodes say until they say nothing more. Returns how many datagrams that were.
fn carry(nodes: &mut [Node; 2], time: &mut Time) -> u64 {
    let mut carried = 0;
    loop {
        let mut quiet = true;
        for at in 0..2 {
            while let Some(transmit) = nodes[at].transmit(*time) {
                quiet = false;
                carried += 1;
                let to = match transmit.to {
                    To::All => vec![0, 1],
                    To::Node(id) => (0..2).filter(|other| nodes[*other].id() == id).collect(),
                };
                for to in to {
                    let _ = nodes[to].receive(*time, &transmit.datagram);
                }
            }
            while nodes[at].poll().is_some() {}
        }
        if quiet {
            return carried;
        }
        time.ms += 1;
        nodes.iter_mut().for_each(|node| node.tick(*time));
    }
}

fn main() {
    let mut time = Time { ms: 1, wall: 1_800_000_000_000 };
    let mut nodes = [1, 2].map(|id| Node::new(NodeId::new(id), Config::default(), time));
    let before = resident();
    for user in 0..USERS {
        let id = DeviceId::new(NodeId::new(1), user + 1);
        let entry =
            Entry { id, cid: cid(user), since: Hlc(0), hop: 0, codec: 1, parked: false, session: true, trial: false };
        nodes[0].enter(time, entry);
    }
    while nodes[0].poll().is_some() {}
    let own = resident() - before;
    println!("its own devices: {:.0} B a user", own as f64 / USERS as f64);

    let (before, began) = (resident(), Instant::now());
    nodes.iter_mut().for_each(|node| node.link(time, true));
    let datagrams = carry(&mut nodes, &mut time);
    assert_eq!(nodes[1].counts(), (USERS as usize, USERS as usize), "the copy is whole");
    let copy = resident() - before;
    println!(
        "a copy of them: {:.0} B a user, {datagrams} datagrams, {:.2?}",
        copy as f64 / USERS as f64,
        began.elapsed()
    );

    let looked: Vec<Cid> = (0..100_000).map(|at| cid(at * 7919 % USERS)).collect();
    let began = Instant::now();
    looked.iter().for_each(|cid| assert_eq!(black_box(nodes[1].count_of(cid)), 1));
    println!("a look-up: {:.0} ns", began.elapsed().as_nanos() as f64 / looked.len() as f64);

    let began = Instant::now();
    nodes[0].bye(time);
    carry(&mut nodes, &mut time);
    assert_eq!(nodes[1].counts().1, 0, "its devices have gone with it");
    println!("a node that goes: {:.2?}", began.elapsed());
}
