//! Nodes that speak with one another over a plain bus.

mod bus;
mod gaps;
mod memory;
mod moves;
mod needed;

use super::*;
use crate::{CallEnd, Entry, Except, Leaving, Recipients, Scope};
use bus::{A, B, Bus, C, device, goodbye};
use bytes::Bytes;

#[test]
fn devices_are_known_at_every_node_and_the_user_is_reported_once() {
    let mut bus = Bus::settled(&[A, B, C], &Config { limit: 2, ..Config::default() });
    let ann = device(A, 1, "ann");
    bus.with(A, |node, time| node.enter(time, ann.clone()));
    bus.run(100);
    assert_eq!(bus.at(C).device(ann.id).map(|(node, _)| node), Some(A));
    assert_eq!((bus.at(B).counts(), bus.at(B).count_of(&"ann".into())), ((1, 1), 1));
    let joined: Vec<_> = bus.outputs().into_iter().map(|(_, output)| output).collect();
    assert_eq!(joined, [Output::Joined("ann".into())]);
    bus.with(A, |node, time| node.leave(time, ann.id, goodbye()));
    bus.run(100);
    let left: Vec<_> = bus.outputs().into_iter().map(|(_, output)| output).collect();
    assert_eq!(left, [Output::Left("ann".into(), Some(goodbye()))]);
    bus.run(130_000);
    assert!(bus.nodes.values().all(|node| node.directory.find("ann").is_none()), "forgotten after two minutes");
}

#[test]
fn a_cut_has_a_grace_and_a_user_who_is_back_in_time_has_not_left() {
    let mut bus = Bus::settled(&[A, B], &Config::default());
    let cut = Leaving { clean: false, ..goodbye() };
    bus.with(A, |node, time| node.enter(time, device(A, 1, "ann")));
    bus.run(100);
    bus.with(A, |node, time| node.leave(time, DeviceId::new(A, 1), cut.clone()));
    bus.run(14_000);
    bus.with(B, |node, time| node.enter(time, device(B, 1, "ann")));
    bus.run(20_000);
    assert_eq!(bus.outputs().len(), 1, "joined, and nothing else");
    bus.with(B, |node, time| node.leave(time, DeviceId::new(B, 1), cut.clone()));
    bus.run(14_999);
    assert_eq!(bus.outputs(), []);
    bus.run(100);
    assert!(matches!(&bus.outputs()[..], [(_, Output::Left(_, Some(leaving)))] if *leaving == cut));
}

#[test]
fn the_newest_device_of_a_user_stays_whatever_its_node() {
    let mut bus = Bus::settled(&[A, B], &Config::default());
    bus.with(A, |node, time| node.enter(time, device(A, 1, "ann")));
    bus.with(B, |node, time| node.enter(time, device(B, 1, "ann")));
    bus.run(100);
    assert!(bus.outputs().contains(&(1, Output::Evict(DeviceId::new(A, 1)))));
    let trial = Entry { trial: true, ..device(A, 2, "ann") };
    bus.with(A, |node, time| node.enter(time, trial.clone()));
    bus.run(100);
    assert_eq!((bus.outputs(), bus.at(B).count_of(&"ann".into())), (vec![], 2), "on trial it does not count");
    bus.with(A, |node, time| node.confirm(time, trial.id));
    bus.run(100);
    assert_eq!(bus.outputs(), [(2, Output::Evict(DeviceId::new(B, 1)))]);
}

#[test]
fn a_node_alone_reports_at_once_when_it_is_ready() {
    let mut bus = Bus::of(&[A], &Config::default());
    bus.with(A, |node, time| node.enter(time, device(A, 1, "ann")));
    bus.run(5_000);
    assert_eq!(bus.outputs(), [(1, Output::Back), (1, Output::Joined("ann".into()))]);
    bus.with(A, |node, time| node.leave(time, DeviceId::new(A, 1), goodbye()));
    assert_eq!(bus.outputs(), [(1, Output::Left("ann".into(), Some(goodbye())))]);
}

#[test]
fn messages_go_to_the_nodes_that_have_receivers_and_count_their_devices() {
    let mut bus = Bus::settled(&[A, B, C], &Config { limit: 9, ..Config::default() });
    bus.with(B, |node, time| node.enter(time, device(B, 1, "ann")));
    bus.with(B, |node, time| node.enter(time, Entry { codec: 3, ..device(B, 2, "bob") }));
    bus.with(C, |node, time| node.enter(time, device(C, 1, "ann")));
    bus.with(C, |node, time| node.room(time, &"hall".into(), 7));
    bus.run(100);
    bus.outputs();
    let to = |scope: Scope| Recipients::from(scope);
    let but = Recipients { scope: Scope::Everyone, except: vec![Except::User("ann".into())] };
    let user = to(Scope::User("ann".into()));
    let none = to(Scope::User("eve".into()));
    let room = to(Scope::Room("hall".into()));
    let body = Bytes::from_static(b"hello");
    let counts = [&to(Scope::Everyone), &but, &user, &none, &room, &to(Scope::Device(DeviceId::new(B, 2)))];
    let counts = counts.map(|to| bus.with(A, |node, time| node.send(time, to, body.clone())));
    assert_eq!(counts.map(|count| count.expect("it is small")), [3, 1, 2, 0, 7, 1]);
    let codecs = [&to(Scope::Everyone), &user, &none, &room].map(|to| bus.at(A).codecs(to));
    assert_eq!(codecs, [0b1010, 0b10, 0, 0b10]);
    let delivered = |to: &Recipients, at: u64| (at, Output::Deliver { from: A, to: to.clone(), message: body.clone() });
    let out = bus.outputs();
    assert_eq!(out.iter().filter(|output| **output == delivered(&user, 2)).count(), 1);
    assert_eq!(out.iter().filter(|output| **output == delivered(&room, 3)).count(), 1);
    assert!(!out.contains(&delivered(&but, 3)) && !out.contains(&delivered(&room, 2)));
    let big = Bytes::from(vec![0; Config::default().frame_bytes + 1]);
    assert_eq!(bus.with(A, |node, time| node.send(time, &user, big)), Err(Refused::TooBig));
}

#[test]
fn calls_end_by_an_answer_their_time_their_device_or_their_node() {
    let mut bus = Bus::settled(&[A, B], &Config { limit: 9, ..Config::default() });
    for number in 1..=3 {
        bus.with(B, |node, time| node.enter(time, device(B, number, "ann")));
    }
    bus.run(100);
    bus.outputs();
    let ids: Vec<_> = (1..=4).map(|number| DeviceId::new(B, number)).collect();
    let calls = bus.with(A, |node, time| node.call(time, &ids, 1_000, Bytes::from_static(b"?")).expect("small"));
    assert_eq!(
        bus.outputs().iter().filter(|(at, output)| *at == 2 && matches!(output, Output::Call { .. })).count(),
        3
    );
    bus.with(B, |node, time| node.answer(time, A, calls[0], Some(Bytes::from_static(b"!"))).expect("small"));
    bus.with(B, |node, time| node.answer(time, A, calls[0], Some(Bytes::new())).expect("small"));
    bus.with(B, |node, time| node.answer(time, A, calls[1], None).expect("small"));
    bus.run(2_000);
    let ends = [
        (1, Output::Ended(calls[0], CallEnd::Answer(Bytes::from_static(b"!")))),
        (1, Output::Ended(calls[1], CallEnd::Gone)),
        (1, Output::Ended(calls[2], CallEnd::TimedOut)),
    ];
    assert_eq!(bus.outputs(), ends);
    let itself = DeviceId::new(B, 0);
    let calls = bus.with(A, |node, time| node.call(time, &[itself], 60_000, Bytes::new()).expect("small"));
    bus.cut.push(B);
    bus.run(12_500);
    assert!(bus.outputs().contains(&(1, Output::Ended(calls[0], CallEnd::NodeLost))));
    let calls = bus.with(A, |node, time| node.call(time, &[itself], 60_000, Bytes::new()).expect("small"));
    assert_eq!(bus.outputs(), [(1, Output::Ended(calls[0], CallEnd::Gone))]);
}

#[test]
fn a_session_that_is_taken_has_a_node_at_any_time_and_all_see_where() {
    let mut bus = Bus::settled(&[A, B, C], &Config::default());
    let ann = device(A, 1, "ann");
    bus.with(A, |node, time| node.enter(time, ann.clone()));
    bus.run(100);
    bus.outputs();
    let take = bus.with(B, |node, time| node.take(time, ann.id, Bytes::from_static(b"token")));
    let asked = Output::Take { from: B, id: take, device: ann.id, body: Bytes::from_static(b"token") };
    assert_eq!(bus.outputs(), [(1, asked)]);
    bus.with(A, |node, time| node.give(time, B, take, ann.id, Some(Bytes::from_static(b"session"))));
    let out = bus.outputs();
    assert!(
        matches!(&out[..], [(2, Output::Taken(id, Some((A, entry, _))))] if *id == take && entry.hop == 1),
        "{out:?}"
    );
    assert!([A, B, C].iter().all(|id| bus.at(*id).device(ann.id).is_some_and(|(node, _)| node == A)));
    assert!(bus.with(B, |node, time| node.accept(time, A, take, ann.id, true)));
    let out = bus.outputs();
    for seen in [
        (1, Output::Moved { device: ann.id, to: B }),
        (1, Output::Seen { from: C, device: ann.id }),
        (2, Output::Seen { from: C, device: ann.id }),
        (2, Output::Seen { from: A, device: ann.id }),
    ] {
        assert!(out.contains(&seen), "{seen:?} in {out:?}");
    }
    assert!([A, B, C].iter().all(|id| bus.at(*id).device(ann.id).is_some_and(|(node, _)| node == B)));
    assert!(bus.at(A).own.is_empty() && bus.at(C).members.get(A).is_some_and(|peer| peer.moved.is_empty()));

    bus.with(B, |node, time| node.park(time, ann.id, true));
    let to = bus.with(B, |node, time| node.offer(time, ann.id, Bytes::from_static(b"session")));
    assert_eq!(to, Some(A));
    let out = bus.outputs();
    let [(1, Output::Offered { id, .. })] = &out[..] else { panic!("{out:?}") };
    assert!(bus.with(A, |node, time| node.accept(time, B, *id, ann.id, true)));
    assert!(bus.outputs().contains(&(2, Output::Moved { device: ann.id, to: A })));
    assert!(bus.at(C).device(ann.id).is_some_and(|(node, entry)| node == A && entry.hop == 2 && entry.parked));
    bus.run(10_000);
    assert!(bus.nodes.values().all(|node| node.mismatches() == 0));
}

#[test]
fn a_session_given_to_a_node_that_is_lost_stays() {
    let mut bus = Bus::settled(&[A, B], &Config::default());
    let ann = device(A, 1, "ann");
    bus.with(A, |node, time| node.enter(time, ann.clone()));
    let take = bus.with(B, |node, time| node.take(time, ann.id, Bytes::new()));
    bus.cut.push(B);
    bus.with(A, |node, time| node.give(time, B, take, ann.id, Some(Bytes::new())));
    bus.run(13_000);
    assert!(bus.outputs().iter().any(|(at, output)| *at == 1 && matches!(output, Output::Returned(_))));
    assert!(bus.at(A).device(ann.id).is_some());
}

#[test]
fn a_session_that_nobody_waits_for_any_more_stays() {
    let mut bus = Bus::settled(&[A, B], &Config::default());
    let ann = device(A, 1, "ann");
    bus.with(A, |node, time| node.enter(time, ann.clone()));
    let take = bus.with(B, |node, time| node.take(time, ann.id, Bytes::new()));
    bus.run(2_000);
    assert!(bus.outputs().contains(&(2, Output::Taken(take, None))));
    bus.with(A, |node, time| node.give(time, B, take, ann.id, Some(Bytes::new())));
    assert!(matches!(&bus.outputs()[..], [(1, Output::Returned(_))]));
    assert!(!bus.with(B, |node, time| node.accept(time, A, take, ann.id, true)), "it has lapsed");
}

#[test]
fn a_newer_node_of_a_name_buries_the_older_at_once() {
    let named = Config { name: "host".into(), ..Config::default() };
    let mut bus = Bus::settled(&[A, C], &Config::default());
    let mut old = Node::new(B, named.clone(), bus.time());
    old.link(bus.time(), true);
    bus.nodes.insert(B, old);
    bus.run(3_000);
    bus.nodes.remove(&B);
    let newer = NodeId::new(4);
    let mut new = Node::new(newer, named, bus.time());
    new.link(bus.time(), true);
    bus.nodes.insert(newer, new);
    bus.run(100);
    assert!(bus.outputs().contains(&(1, Output::Down(B, crate::Down::Replaced))));
    assert_eq!(bus.at(A).nodes(), [(A, "".into()), (C, "".into()), (newer, "host".into())]);
}

#[test]
fn who_said_goodbye_is_not_listened_to_for_a_minute() {
    let mut bus = Bus::settled(&[A, B], &Config::default());
    bus.with(B, |node, time| node.bye(time));
    assert_eq!(bus.outputs(), [(1, Output::Down(B, crate::Down::Bye))]);
    assert!(bus.at(B).nodes().len() == 2 && !bus.at(B).has_transmit(bus.time()));
}

#[test]
fn users_are_walked_in_steps_and_each_who_stays_comes_once() {
    let mut bus = Bus::settled(&[A, B], &Config::default());
    for number in 1..=30 {
        let home = if number % 2 == 0 { A } else { B };
        bus.with(home, |node, time| node.enter(time, device(home, number, &format!("{number}"))));
    }
    bus.run(100);
    let (mut seen, mut next) = (Vec::new(), Some(0));
    while let Some(from) = next {
        next = bus.at(A).users(from, 7, |cid| seen.push(cid.to_string()));
        let passing = 31 + seen.len() as u64; // one comes and one goes between two steps
        bus.with(A, |node, time| node.enter(time, device(A, passing, "passing")));
        bus.with(A, |node, time| node.leave(time, DeviceId::new(A, passing), goodbye()));
        bus.run(10);
    }
    seen.retain(|cid| cid != "passing");
    seen.sort_by_key(|cid| cid.parse::<u32>().unwrap());
    assert_eq!(seen, (1..=30).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(bus.at(A).users(0, 0, |_| panic!("none")), Some(0));
}
