//! Sessions on their way: how many there may be, and what ends them.

use super::bus::{A, B, Bus, C, device, goodbye};
use crate::{Config, DeviceId, Output};
use bytes::Bytes;

/// So many devices of the first node, each with a session of 200 kB.
const MANY: u64 = 40;

fn session() -> Bytes {
    Bytes::from(vec![7; 200_000])
}

fn with_many(ids: &[crate::NodeId]) -> Bus {
    let mut bus = Bus::settled(ids, &Config::default());
    for number in 1..=MANY {
        bus.with(A, |node, time| node.enter(time, device(A, number, &format!("{number}"))));
    }
    bus.run(100);
    bus.outputs();
    bus
}

/// Takes in what comes, until nothing does. Returns how many sessions have moved, and how many have returned.
fn take_in(bus: &mut Bus) -> (usize, usize) {
    let (mut moved, mut returned) = (0, 0);
    for _ in 0..200 {
        for (at, output) in bus.outputs() {
            let (from, id, entry) = match output {
                Output::Taken(id, Some((from, entry, _))) | Output::Offered { from, id, entry, .. } => {
                    (from, id, entry)
                }
                Output::Moved { .. } => {
                    moved += 1;
                    continue;
                }
                Output::Returned(_) => {
                    returned += 1;
                    continue;
                }
                _ => continue,
            };
            bus.with(crate::NodeId::new(at), |node, time| node.accept(time, from, id, entry.id, true));
        }
        bus.run(100);
    }
    (moved, returned)
}

fn is_whole(bus: &Bus) -> bool {
    bus.at(A).members.get(B).is_some_and(|peer| !peer.link.is_broken()) && bus.at(A).waiting_bytes() == 0
}

#[test]
fn sessions_that_are_given_while_the_bus_is_down_do_not_break_the_link_and_each_has_an_end() {
    let mut bus = with_many(&[A, B]);
    let ids = (1..=MANY).map(|number| DeviceId::new(A, number));
    let takes: Vec<_> =
        ids.map(|id| (id, bus.with(B, |node, time| node.take(time, id, Bytes::from_static(b"token"))))).collect();
    bus.outputs();
    bus.cut.push(B);
    for (id, take) in takes {
        bus.with(A, |node, time| node.give(time, B, take, id, Some(session())));
    }
    assert!(!bus.at(A).members.get(B).expect("it is there").link.is_broken());
    assert!(bus.at(A).waiting_bytes() <= Config::default().peer_bytes + (64 << 10));
    bus.run(500);
    bus.cut.clear();
    assert_eq!(take_in(&mut bus), (10, 30));
    assert!(is_whole(&bus));
}

#[test]
fn a_link_that_begins_anew_takes_all_that_is_on_its_way() {
    let mut bus = with_many(&[A, B]);
    bus.cut.push(B);
    let offered = (1..=MANY)
        .filter(|number| bus.with(A, |node, time| node.offer(time, DeviceId::new(A, *number), session())).is_some());
    assert_eq!(offered.count(), 10, "half of what may wait");
    bus.with(A, |node, _| node.members.get_mut(B).map(|peer| peer.link.give_up().len()));
    bus.cut.clear();
    assert_eq!(take_in(&mut bus), (10, 0));
    assert!(is_whole(&bus));
}

#[test]
fn sessions_on_their_way_count_when_the_node_with_the_fewest_devices_is_looked_for() {
    let mut bus = with_many(&[A, B, C]);
    let to: Vec<_> =
        (1..=4).map(|number| bus.with(A, |node, time| node.offer(time, DeviceId::new(A, number), session()))).collect();
    assert_eq!(to, [Some(B), Some(C), Some(B), Some(C)]);
    assert_eq!(take_in(&mut bus), (4, 0));
    assert_eq!((bus.at(A).takes.way(B), bus.at(A).takes.bytes()), ((0, 0), 0));
}

/// A device leaves while its session is offered to another node, which takes it in or not.
fn leaves_on_its_way(wanted: bool, breaks: bool) -> Bus {
    let mut bus = with_many(&[A, B]);
    let id = DeviceId::new(A, 1);
    let to = bus.with(A, |node, time| node.offer(time, id, Bytes::from_static(b"session")));
    let out = bus.outputs();
    let [(2, Output::Offered { id: take, .. })] = &out[..] else { panic!("{out:?}") };
    if breaks {
        bus.with(A, |node, _| node.members.get_mut(B).map(|peer| peer.link.give_up().len()));
    }
    bus.with(A, |node, time| node.leave(time, id, goodbye()));
    assert_eq!((to, bus.at(A).ended_on_their_way()), (Some(B), 1));
    bus.with(B, |node, time| node.accept(time, A, *take, id, wanted));
    bus.run(5_000);
    bus
}

#[test]
fn a_device_that_leaves_while_its_session_is_on_its_way_is_closed_where_it_arrives() {
    for breaks in [false, true] {
        let id = DeviceId::new(A, 1);
        let mut bus = leaves_on_its_way(true, breaks);
        let out = bus.outputs();
        assert!(out.contains(&(1, Output::Moved { device: id, to: B })), "{out:?}");
        let closed = out.iter().find(|(at, output)| *at == 2 && matches!(output, Output::Close { .. }));
        assert_eq!(closed, Some(&(2, Output::Close { devices: vec![id], closed: goodbye().closed })));
        bus.with(B, |node, time| node.leave(time, id, goodbye()));
        bus.run(100);
        assert!(bus.nodes.values().all(|node| node.device(id).is_none() && node.ended_on_their_way() == 0));
    }
}

#[test]
fn a_device_that_leaves_while_its_session_is_on_its_way_is_forgotten_where_that_is_not_taken() {
    for breaks in [false, true] {
        let mut bus = leaves_on_its_way(false, breaks);
        let out = bus.outputs();
        assert!(matches!(&out[..], [.., (1, Output::Returned(_))]), "{out:?}");
        assert!(!out.iter().any(|(_, output)| matches!(output, Output::Close { .. } | Output::Moved { .. })));
        assert_eq!((bus.at(A).ended_on_their_way(), bus.at(A).device(DeviceId::new(A, 1))), (0, None));
    }
}

#[test]
fn a_session_that_was_lost_on_its_way_is_not_taken_in_when_its_device_has_left() {
    let mut bus = with_many(&[A, B]);
    let id = DeviceId::new(A, 1);
    bus.cut.push(B);
    bus.with(A, |node, time| node.offer(time, id, session()));
    bus.with(A, |node, _| node.members.get_mut(B).map(|peer| peer.link.give_up().len()));
    bus.with(A, |node, time| node.leave(time, id, goodbye()));
    bus.cut.clear();
    bus.run(5_000);
    let out = bus.outputs();
    assert!(out.iter().any(|(at, output)| *at == 1 && matches!(output, Output::Returned(entry) if entry.id == id)));
    assert!(!out.iter().any(|(_, output)| matches!(output, Output::Offered { .. })));
}
