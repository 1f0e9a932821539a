//! Order, batches, parts, and how much waits and is on its way.

use super::super::{Began, Refusal, WINDOW};
use super::Ends;
use crate::Config;

#[test]
fn what_is_said_arrives_in_order_and_once() {
    let mut ends = Ends::new();
    for number in 0..1000 {
        ends.a.say(ends.now, number, 100).unwrap();
        ends.b.say(ends.now, number, 0).unwrap();
    }
    ends.run(100);
    assert_eq!(ends.b.got, (0..1000).collect::<Vec<_>>());
    assert_eq!(ends.a.got, ends.b.got);
    assert!(ends.a.complete && ends.b.complete);
    assert_eq!((ends.a.link.bytes(), ends.b.link.bytes()), (0, 0));
    assert_eq!(ends.a.began, [Began::First]);
}

#[test]
fn a_batch_closes_at_16_kib_and_a_large_frame_travels_in_parts() {
    let mut ends = Ends::met();
    for number in 0..100 {
        ends.a.say(ends.now, number, 1000).unwrap();
    }
    let sizes: Vec<_> = ends.a.all(ends.now).iter().map(bytes::Bytes::len).collect();
    assert!(sizes.len() == 7 && sizes.iter().all(|size| *size <= 48 + (16 << 10)), "{sizes:?}");
    let mut ends = Ends::met();
    for (number, bytes) in [(1, 1), (2, 1 << 20), (3, 1), (4, 49147), (5, 49148)] {
        ends.a.say(ends.now, number, bytes).unwrap();
    }
    ends.run(100);
    assert_eq!(ends.b.got, [1, 2, 3, 4, 5]);
    assert_eq!(ends.b.malformed, 0);
}

#[test]
fn a_full_link_refuses_and_goes_on_and_state_has_a_quarter_more() {
    let mut ends = Ends::met();
    let frames = (0..).find(|number| ends.a.say(ends.now, *number, 1000).is_err()).unwrap();
    assert_eq!(ends.a.say(ends.now, 0, 1000), Err(Refusal::Full));
    assert!(ends.a.link.bytes() <= 4 << 20);
    let state = (0..).find(|_| ends.a.link.push_state(ends.now, &[13; 1000], None).is_err()).unwrap();
    assert!((3000..5000).contains(&frames) && (900..1200).contains(&state), "{frames} {state}");
    assert!(ends.a.link.bytes() <= 5 << 20);
    assert!(!ends.a.link.is_broken());
    ends.run(100);
    assert_eq!(ends.b.got[..frames as usize], (0..frames).collect::<Vec<_>>());
}

#[test]
fn no_more_than_the_window_is_on_its_way() {
    let mut ends = Ends::met();
    for number in 0..2000 {
        ends.a.say(ends.now, number, 1000).unwrap();
    }
    let sent: usize = ends.a.all(ends.now).iter().map(bytes::Bytes::len).sum();
    assert!((500 << 10..=514 << 10).contains(&sent), "{sent}");
}

#[test]
fn a_snapshot_is_pulled_as_the_window_empties_and_takes_turns_with_the_rest() {
    let mut ends = Ends::new();
    ends.a.parts = 500;
    ends.a.part_bytes = 16 << 10;
    let mut most = 0;
    for number in 0..200 {
        ends.a.say(ends.now, number, 0).unwrap();
        ends.step();
        most = most.max(ends.a.link.bytes());
        assert_eq!(ends.b.got.len(), number as usize + 1, "a frame waits for the whole snapshot");
    }
    ends.run(100);
    assert!(ends.b.complete);
    assert!(most < WINDOW + (64 << 10), "{most}");
}

#[test]
fn a_snapshot_waits_for_a_peer_that_does_not_acknowledge() {
    let mut ends = Ends::new();
    ends.a.parts = 500;
    ends.a.part_bytes = 16 << 10;
    ends.a.all(ends.now);
    assert!(!ends.a.link.wants_snapshot(), "a part waits unsent");
    assert!(500 - ends.a.parts <= 33, "{} parts were made", 500 - ends.a.parts);
    assert!(ends.a.link.bytes() < WINDOW + (32 << 10));
}

#[test]
fn all_that_was_said_is_acknowledged_only_with_the_whole_snapshot() {
    let mut ends = Ends::met();
    ends.a.say(ends.now, 1, 0).unwrap();
    let said = ends.a.link.said();
    assert!(!ends.a.link.has_acknowledged(said));
    ends.run(60);
    assert!(ends.a.link.has_acknowledged(said));
    ends.a.say(ends.now, 2, 0).unwrap();
    let lost = ends.a.link.said();
    (ends.a.snapshot, ends.a.part_bytes) = (100, 16 << 10);
    ends.a.begin(ends.now);
    assert!(!ends.a.link.has_acknowledged(lost), "the peer does not have the new state yet");
    ends.a.say(ends.now, 3, 0).unwrap();
    let early = ends.a.link.said();
    for datagram in [ends.a.transmit(ends.now).unwrap(), ends.a.transmit(ends.now).unwrap()] {
        ends.b.hear(ends.now, &datagram);
    }
    for datagram in ends.b.all(ends.now + 50) {
        ends.a.hear(ends.now + 50, &datagram);
    }
    assert!(ends.b.got.contains(&3) && !ends.a.link.has_acknowledged(early));
    ends.run(100);
    assert!(ends.a.link.has_acknowledged(early) && ends.a.link.has_acknowledged(lost));
    ends.a.link.give_up();
    assert!(!ends.a.link.has_acknowledged(early));
}

#[test]
fn a_frame_larger_than_its_receiver_takes_is_left_out_and_the_rest_arrives() {
    let mut ends = Ends::with(Config { frame_bytes: 100 << 10, ..Config::default() });
    for (number, bytes) in [(1, 0), (2, (100 << 10) - 5), (3, 200 << 10), (4, (100 << 10) - 4), (5, 0)] {
        ends.a.say(ends.now, number, bytes).unwrap();
    }
    ends.run(100);
    assert_eq!((ends.b.got, ends.b.malformed), (vec![1, 2, 5], 2));
    assert!(ends.a.told.is_empty());
}

#[test]
fn a_generation_that_ends_within_a_frame_in_parts_leaves_nothing_of_it() {
    let mut ends = Ends::met();
    ends.a.say(ends.now, 1, 200 << 10).unwrap();
    let first = ends.a.transmit(ends.now).unwrap();
    ends.b.hear(ends.now, &first);
    ends.a.begin(ends.now);
    ends.a.say(ends.now, 2, 200 << 10).unwrap();
    ends.run(100);
    assert_eq!((ends.b.got, ends.b.malformed, ends.a.told), (vec![2], 0, vec![1]));
}

#[test]
fn an_empty_queue_gives_its_memory_back() {
    let mut ends = Ends::met();
    for number in 0..3000 {
        ends.a.say(ends.now, number, 1000).unwrap();
    }
    assert!(ends.a.link.outgoing.memory() > 3 << 20);
    assert!(ends.a.link.outgoing.memory() <= 5 << 20);
    ends.run(100);
    assert!(ends.a.link.outgoing.memory() <= 128 << 10, "{}", ends.a.link.outgoing.memory());
}
