//! When what came is acknowledged.

use super::Ends;
use crate::datagram::{self, AckKind, Datagram};
use crate::frame::{Change, Frame, Told};
use bytes::Bytes;

/// What a datagram acknowledges, and whether it has frames too.
fn ack_of(datagram: &Bytes) -> (u64, AckKind, bool) {
    match datagram::read(datagram).unwrap().1 {
        Datagram::Ack(ack) => (ack.next, ack.kind, false),
        Datagram::Data(data) => (data.ack.next, data.ack.kind, true),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_acknowledgement_waits_for_50_ms_and_goes_with_whatever_is_sent() {
    let mut ends = Ends::met();
    ends.a.say(ends.now, 1, 0).unwrap();
    let datagram = ends.a.transmit(ends.now).unwrap();
    ends.b.hear(ends.now, &datagram);
    assert_eq!(ends.b.transmit(ends.now + 49), None);
    assert_eq!(ends.b.link.due(), ends.now + 50);
    ends.b.say(ends.now + 49, 1, 0).unwrap();
    let carried = ends.b.transmit(ends.now + 49).unwrap();
    assert_eq!(ack_of(&carried), (2, AckKind::Plain, true));
    assert_eq!(ends.b.transmit(ends.now + 60), None, "it was said");
    ends.a.hear(ends.now + 49, &carried);
    assert_eq!(ends.a.transmit(ends.now + 98), None);
    let alone = ends.a.transmit(ends.now + 99).unwrap();
    assert_eq!(ack_of(&alone), (2, AckKind::Plain, false));
    assert_eq!(ends.a.link.due(), u64::MAX);
}

#[test]
fn after_256_frames_or_half_a_window_it_does_not_wait() {
    for (frames, bytes) in [(255, 0), (11, 24 << 10)] {
        let mut ends = Ends::met();
        for number in 0..=frames {
            assert_eq!(ends.b.transmit(ends.now), None, "{number} of {frames}");
            ends.a.say(ends.now, number, bytes).unwrap();
            let datagram = ends.a.transmit(ends.now).unwrap();
            ends.b.hear(ends.now, &datagram);
            if number + 1 == frames && bytes > 0 {
                break;
            }
        }
        let expected = if bytes > 0 { 12 } else { 257 };
        assert_eq!(ack_of(&ends.b.transmit(ends.now).unwrap()), (expected, AckKind::Plain, false));
    }
}

#[test]
fn a_claim_is_acknowledged_at_once_and_what_was_raised_is_not() {
    for raised in [false, true] {
        let mut ends = Ends::met();
        let told = Told { raised, ..Told::default() };
        let mut frame = Vec::new();
        Frame::Delta(vec![Change::Told("ann".into(), told)]).write(&mut frame);
        ends.a.link.push_state(ends.now, &frame, None).unwrap();
        let datagram = ends.a.transmit(ends.now).unwrap();
        ends.b.hear(ends.now, &datagram);
        assert_eq!(ends.b.transmit(ends.now).is_some(), !raised);
    }
}

#[test]
fn what_came_before_is_acknowledged_again() {
    let mut ends = Ends::met();
    ends.a.say(ends.now, 1, 0).unwrap();
    let datagram = ends.a.transmit(ends.now).unwrap();
    ends.b.hear(ends.now, &datagram);
    ends.b.all(ends.now + 50); // lost
    ends.b.hear(ends.now + 60, &datagram);
    assert_eq!(ends.b.got, [1]);
    assert_eq!(ack_of(&ends.b.transmit(ends.now + 110).unwrap()), (2, AckKind::Plain, false));
}

#[test]
fn a_gap_is_asked_for_at_once_but_not_for_every_datagram_after_it() {
    let mut ends = Ends::met();
    let mut sent = Vec::new();
    for number in 0..4 {
        ends.a.say(ends.now, number, 0).unwrap();
        sent.push(ends.a.transmit(ends.now).unwrap());
    }
    let now = ends.now;
    ends.b.hear(now, &sent[1]);
    assert_eq!(ack_of(&ends.b.transmit(now).unwrap()), (1, AckKind::Gap, false));
    ends.b.hear(now + 19, &sent[2]);
    assert_eq!(ends.b.transmit(now + 19), None, "it was asked for");
    ends.b.hear(now + 20, &sent[3]);
    assert_eq!(ack_of(&ends.b.transmit(now + 20).unwrap()), (1, AckKind::Gap, false));
    ends.b.hear(now + 21, &sent[0]);
    ends.b.hear(now + 21, &sent[2]);
    assert_eq!(ack_of(&ends.b.transmit(now + 21).unwrap()), (2, AckKind::Gap, false), "another gap");
    ends.b.say(now + 22, 9, 0).unwrap();
    assert_eq!(ack_of(&ends.b.transmit(now + 22).unwrap()), (2, AckKind::Plain, true));
}

#[test]
fn a_sender_that_waits_is_answered_at_once() {
    let mut ends = Ends::met();
    for number in 0..100 {
        ends.a.say(ends.now, number, 0).unwrap();
    }
    ends.a.all(ends.now); // lost
    ends.now += 300;
    ends.a.tick(ends.now);
    let again = ends.a.all(ends.now); // 64 of them
    assert_eq!(again.len(), 1);
    ends.b.hear(ends.now, &again[0]);
    let answer = ends.b.transmit(ends.now).unwrap();
    assert_eq!(ack_of(&answer), (65, AckKind::Plain, false));
    ends.a.hear(ends.now, &answer);
    let rest = ends.a.all(ends.now);
    ends.b.hear(ends.now, &rest[0]);
    assert_eq!(ends.b.transmit(ends.now), None, "there is no more that waits");
}
