//! When a link begins anew, on either side.

use super::super::Began::{Again, First};
use super::Ends;
use crate::NodeId;
use crate::datagram::{self, AckKind, Datagram};

#[test]
fn a_node_that_was_buried_and_has_nothing_to_say_is_known_again() {
    let mut ends = Ends::met();
    ends.b.bury(ends.now); // b had not heard a for ten seconds
    ends.run(200);
    assert!(ends.b.complete, "b has the state of a again");
    assert_eq!((ends.b.began, ends.a.began), (vec![First, First], vec![First, Again]));
}

#[test]
fn a_node_that_was_buried_and_goes_on_is_told_that_it_was_forgotten() {
    for remembers in [true, false] {
        let mut ends = Ends::met();
        if remembers {
            ends.b.bury(ends.now);
        } else {
            ends.b.forget(ends.now, 0);
        }
        ends.a.say(ends.now, 1, 0).unwrap();
        let datagram = ends.a.transmit(ends.now).unwrap();
        ends.b.hear(ends.now, &datagram);
        let answer = ends.b.carry(ends.now).unwrap();
        let Datagram::Ack(ack) = datagram::read(&answer).unwrap().1 else { panic!("no acknowledgement") };
        assert_eq!((ack.generation, ack.next, ack.kind), (1, u64::from(remembers), AckKind::Forgot));
        ends.a.hear(ends.now, &answer);
        assert_eq!(ends.a.told, [1], "it was not taken, and that is told");
        ends.a.say(ends.now, 2, 0).unwrap();
        ends.run(200);
        assert_eq!(ends.b.got, [2]);
    }
}

#[test]
fn when_only_the_first_frame_was_lost_it_is_sent_again_in_its_generation() {
    let mut ends = Ends::new();
    ends.a.transmit(ends.now); // the snapshot, lost
    ends.a.say(ends.now, 1, 0).unwrap();
    ends.run(100);
    assert_eq!((ends.b.got, ends.b.began, ends.a.told), (vec![1], vec![First], vec![]));
    assert_eq!(ends.a.link.said(), (1, 2));
}

#[test]
fn a_generation_that_was_taken_before_is_not_taken_a_second_time() {
    let mut ends = Ends::new();
    ends.a.say(ends.now, 1, 0).unwrap();
    let first = ends.a.all(ends.now);
    for datagram in &first {
        ends.b.hear(ends.now, datagram);
    }
    assert_eq!(ends.b.got, [1]);
    ends.b.all(ends.now + 50); // lost: a does not know that anything arrived
    ends.b.bury(ends.now + 50);
    ends.b.bury(ends.now + 50); // without a word of a between
    for datagram in &first {
        ends.b.hear(ends.now + 60, datagram);
    }
    assert_eq!(ends.b.got, [1]);
    ends.a.say(ends.now, 2, 0).unwrap();
    ends.run(500);
    ends.a.say(ends.now, 3, 0).unwrap();
    ends.run(500);
    assert!(ends.b.complete);
    assert_eq!((ends.b.got, ends.a.told), (vec![1, 3], vec![1, 2]));
}

#[test]
fn a_late_acknowledgement_is_not_taken_for_that_of_a_node_that_forgot() {
    let mut ends = Ends::met();
    ends.a.say(ends.now, 1, 0).unwrap();
    let datagram = ends.a.transmit(ends.now).unwrap();
    ends.b.hear(ends.now, &datagram);
    let late = ends.b.transmit(ends.now + 50).unwrap();
    ends.run(200);
    ends.a.say(ends.now, 2, 0).unwrap();
    ends.run(200);
    ends.a.hear(ends.now, &late);
    ends.run(400);
    assert_eq!((ends.b.began, ends.a.told), (vec![First], vec![]));
}

#[test]
fn an_acknowledgement_of_another_generation_or_of_what_was_never_sent_changes_nothing() {
    let mut ends = Ends::met();
    ends.a.say(ends.now, 1, 0).unwrap();
    let bytes = ends.a.link.bytes();
    let mut ack = datagram::Ack { to: NodeId::new(1), own: 1, generation: 1, next: 2, kind: AckKind::Plain };
    assert!(!ends.a.link.acknowledged(ends.now, &ack), "queued, but not sent");
    ends.a.transmit(ends.now).unwrap();
    for (generation, next) in [(0, 2), (2, 2), (u32::MAX, 2), (1, 0), (1, 3), (1, u64::MAX)] {
        (ack.generation, ack.next) = (generation, next);
        assert!(!ends.a.link.acknowledged(ends.now, &ack));
        assert_eq!(ends.a.link.bytes(), bytes);
    }
    (ack.generation, ack.next) = (1, 2);
    assert!(!ends.a.link.acknowledged(ends.now, &ack));
    assert_eq!(ends.a.link.bytes(), 0);
}

#[test]
fn frames_of_an_older_generation_come_too_late() {
    let mut ends = Ends::met();
    ends.a.say(ends.now, 1, 0).unwrap();
    let late = ends.a.transmit(ends.now).unwrap();
    ends.a.begin(ends.now);
    ends.a.say(ends.now, 2, 0).unwrap();
    ends.run(100);
    ends.b.hear(ends.now, &late);
    ends.run(400);
    assert_eq!((ends.b.got, ends.a.told, ends.b.began), (vec![2], vec![1], vec![First, Again]));
}

#[test]
fn what_a_node_does_not_trust_any_more_comes_anew() {
    let mut ends = Ends::met();
    ends.a.say(ends.now, 1, 0).unwrap();
    ends.a.say(ends.now, 2, 0).unwrap();
    ends.b.link.distrust();
    assert_eq!(ends.b.link.due(), 0);
    ends.run(1);
    ends.a.say(ends.now, 3, 0).unwrap();
    ends.b.complete = false;
    ends.run(500);
    assert!(ends.b.complete);
    assert_eq!((ends.b.got, ends.a.told, ends.b.began), (vec![3], vec![1, 2], vec![First, Again]));
    assert_eq!(ends.a.began, [First], "the other direction goes on");
}
