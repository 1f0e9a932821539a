//! What a user costs a node that has a complete copy of all: measured on the heap, at the worst fill of its tables.

use wse_cluster::{Config, DeviceId, Entry, Hlc, Node, NodeId, Output, Time, To};

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// Just more than a table of 32,768 places takes before it doubles, and so many that what the node has once does
/// not count.
const USERS: u64 = 28_700;

/// Bytes of a user with an id of 20 characters and one device.
const MOST: f64 = 160.0;

fn heap() -> usize {
    dhat::HeapStats::get().curr_bytes
}

/// Two nodes speak with one another for so many seconds. Returns how many users were reported.
fn run(nodes: &mut [Node], time: &mut Time, seconds: u64) -> usize {
    let (end, mut joined) = (time.ms + 1_000 * seconds, 0);
    while time.ms < end {
        (time.ms, time.wall) = (time.ms + 20, time.wall + 20);
        nodes.iter_mut().for_each(|node| node.tick(*time));
        while let Some(sent) = nodes.iter_mut().find_map(|node| node.transmit(*time)) {
            let meant = |node: &&mut Node| sent.to == To::All || sent.to == To::Node(node.id());
            for node in nodes.iter_mut().filter(meant) {
                node.receive(*time, &sent.datagram).expect("it is a datagram");
            }
        }
        for node in nodes.iter_mut() {
            while let Some(output) = node.poll() {
                assert!(!matches!(output, Output::Gap { .. } | Output::Down(..)), "{output:?}");
                joined += usize::from(matches!(output, Output::Joined(_)));
            }
        }
    }
    joined
}

#[test]
fn a_user_of_another_node_takes_at_most_160_bytes_at_the_worst_fill() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let mut time = Time { ms: 1, wall: 1_800_000_000_000 };
    let mut nodes = [1, 2].map(|id| Node::new(NodeId::new(id), Config::default(), time));
    for user in 0..USERS {
        let id = DeviceId::new(NodeId::new(1), user + 1);
        let cid = format!("user-{user:015}").into();
        let entry = Entry { id, cid, since: Hlc(0), hop: 0, codec: 1, parked: false, session: true, trial: false };
        nodes[0].enter(time, entry);
    }
    nodes.iter_mut().for_each(|node| while node.poll().is_some() {});
    let before = heap();
    nodes.iter_mut().for_each(|node| node.link(time, true));
    // All of them are reported too, and the links take it.
    assert_eq!(run(&mut nodes, &mut time, 20), USERS as usize);
    assert_eq!(nodes[1].counts(), (USERS as usize, USERS as usize));
    let each = (heap() as f64 - before as f64) / USERS as f64;
    println!("{each:.1} bytes");
    assert!((80.0..MOST).contains(&each), "{each:.1} bytes");
}
