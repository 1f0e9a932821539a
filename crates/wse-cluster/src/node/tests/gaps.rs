//! Messages that a link does not take are told of.

use super::bus::{A, B, Bus, device};
use crate::{Config, Output, Recipients, Scope};
use bytes::Bytes;

/// Sends that many messages of 1 MB. Returns how many were taken.
fn send(bus: &mut Bus, many: usize) -> usize {
    let to = Recipients::from(Scope::User("bob".into()));
    let message = Bytes::from(vec![7; 1_000_000]);
    let mut taken = || bus.with(A, |node, time| node.send(time, &to, message.clone())).expect("it is not too big");
    (0..many).map(|_| taken()).sum()
}

fn gaps(bus: &mut Bus) -> Vec<u64> {
    let gaps = bus.outputs().into_iter().filter_map(|(_, output)| match output {
        Output::Gap { to: B, sends } => Some(sends),
        _ => None,
    });
    gaps.collect()
}

fn with_bob() -> Bus {
    let mut bus = Bus::settled(&[A, B], &Config::default());
    bus.with(B, |node, time| node.enter(time, device(B, 1, "bob")));
    bus.run(100);
    bus.outputs();
    bus
}

#[test]
fn messages_for_which_a_link_has_no_room_are_told_once_a_second() {
    let mut bus = with_bob();
    bus.cut.push(B);
    assert_eq!(send(&mut bus, 10), 4, "so many may wait");
    bus.run(10);
    assert_eq!(gaps(&mut bus), [6]);
    for _ in 0..5 {
        assert_eq!(send(&mut bus, 1), 0);
        bus.run(100);
    }
    assert!(gaps(&mut bus).is_empty(), "not so soon");
    bus.run(600);
    assert_eq!(gaps(&mut bus), [5]);
    bus.cut.clear();
    bus.run(5_000);
    let out = bus.outputs();
    assert_eq!(out.iter().filter(|(_, output)| matches!(output, Output::Deliver { .. })).count(), 4);
    assert!(!out.iter().any(|(_, output)| matches!(output, Output::Gap { .. })));
}

#[test]
fn messages_for_a_link_that_is_broken_are_told_and_at_the_latest_when_its_node_is_lost() {
    let mut bus = with_bob();
    bus.cut.push(B);
    bus.with(A, |node, _| node.members.get_mut(B).map(|peer| peer.link.give_up().len()));
    assert_eq!(send(&mut bus, 3), 0);
    bus.run(10);
    assert_eq!(gaps(&mut bus), [3]);
    assert_eq!(send(&mut bus, 2), 0);
    bus.with(A, |node, time| node.bury(time, B, crate::Down::Silent));
    assert_eq!(gaps(&mut bus), [2]);
}
