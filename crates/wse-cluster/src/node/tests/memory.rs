//! Users without a device take no more memory than they may.

use super::bus::{A, B, Bus, device, goodbye};
use crate::{Config, DeviceId};

/// Room for twenty users with ids of 4,000 bytes.
const ROOM: usize = 20 * 4_160;

/// A user with a long id.
fn long(number: u64) -> String {
    format!("{number:04000}")
}

fn absent(bus: &Bus, id: crate::NodeId) -> (usize, usize) {
    let reports = &bus.at(id).reports;
    assert_eq!(reports.absent_weight, reports.absent.values().map(|absent| absent.weight).sum::<usize>());
    (reports.absent.len(), reports.absent_weight)
}

#[test]
fn users_who_come_and_leave_are_forgotten_at_once_where_others_take_all_the_room() {
    let mut bus = Bus::settled(&[A, B], &Config { entry_bytes: ROOM, ..Config::default() });
    for number in 1..=100 {
        bus.with(A, |node, time| node.enter(time, device(A, number, &long(number))));
        bus.with(A, |node, time| node.leave(time, DeviceId::new(A, number), goodbye()));
    }
    bus.run(1_000);
    for id in [A, B] {
        assert_eq!(absent(&bus, id), (20, ROOM));
        assert!(bus.at(id).directory.find(&long(20)).is_some() && bus.at(id).directory.find(&long(21)).is_none());
    }
    let reports = bus.outputs();
    assert_eq!(reports.len(), 200, "each has come and left all the same");
    bus.run(130_000);
    assert_eq!((absent(&bus, A), absent(&bus, B)), ((0, 0), (0, 0)));
}

#[test]
fn what_is_told_of_users_who_are_not_there_counts_with_their_long_ids() {
    let mut bus = Bus::settled(&[A], &Config::default());
    for number in 1..=100 {
        bus.with(A, |node, time| node.enter(time, device(A, number, &long(number))));
        bus.with(A, |node, time| node.leave(time, DeviceId::new(A, number), goodbye()));
    }
    let small = Config { entry_bytes: ROOM, ..Config::default() };
    let mut new = crate::Node::new(B, small, bus.time());
    new.link(bus.time(), true);
    bus.nodes.insert(B, new);
    bus.run(5_000);
    assert_eq!((absent(&bus, A).0, absent(&bus, B)), (100, (20, ROOM)));
}

#[test]
fn a_user_who_flaps_has_the_timers_of_one_absence() {
    let mut bus = Bus::settled(&[A, B], &Config::default());
    for number in 1..=100 {
        bus.with(A, |node, time| node.enter(time, device(A, number, "ann")));
        bus.run(10);
        bus.with(A, |node, time| node.leave(time, DeviceId::new(A, number), goodbye()));
        bus.run(10);
    }
    assert_eq!([A, B].map(|id| bus.at(id).reports.timers()), [2, 2]);
    bus.with(A, |node, time| node.enter(time, device(A, 101, "ann")));
    assert_eq!([A, B].map(|id| bus.at(id).reports.timers()), [0, 0]);
}
