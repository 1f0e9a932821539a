//! When frames are sent again, and when they are given up.

use super::super::{Began, Refusal};
use super::Ends;
use crate::NodeId;
use crate::datagram::{self, Ack, AckKind, Datagram};

/// When something is sent within so many milliseconds after `ends.now`, and how many frames.
fn sent(ends: &mut Ends, ms: u64) -> Vec<(u64, u64)> {
    let mut sent = Vec::new();
    for after in 0..ms {
        ends.a.tick(ends.now + after);
        for datagram in ends.a.all(ends.now + after) {
            let Datagram::Data(data) = datagram::read(&datagram).unwrap().1 else { panic!("no frames") };
            sent.push((after, data.count));
        }
    }
    sent
}

#[test]
fn unacknowledged_frames_are_sent_again_after_300_ms_then_twice_as_long_up_to_two_seconds() {
    let mut ends = Ends::met();
    ends.a.say(ends.now, 1, 0).unwrap();
    let times: Vec<_> = sent(&mut ends, 9_000).into_iter().map(|(after, _)| after).collect();
    assert_eq!(times, [0, 300, 900, 2100, 4100, 6100, 8100]);
}

#[test]
fn other_frames_do_not_put_off_the_next_attempt() {
    let mut ends = Ends::met();
    for number in 0..300 {
        ends.a.say(ends.now + u64::from(number), number, 0).unwrap();
        assert_eq!(ends.a.all(ends.now + u64::from(number)).len(), 1);
    }
    ends.now += 300;
    assert_eq!(sent(&mut ends, 1), [(0, 64)], "not more than 64 until they are known to arrive");
}

#[test]
fn a_peer_that_asks_gets_64_frames_from_the_gap_on_and_not_within_20_ms() {
    let mut ends = Ends::met();
    let mut datagrams = Vec::new();
    for number in 0..200 {
        ends.a.say(ends.now, number, 0).unwrap();
        datagrams.extend(ends.a.all(ends.now));
    }
    let ask = |ends: &mut Ends, datagram: usize| {
        ends.b.hear(ends.now, &datagrams[datagram]);
        let asks = ends.b.all(ends.now);
        assert_eq!(asks.len(), 1);
        ends.a.hear(ends.now, &asks[0]);
        sent(ends, 1)
    };
    assert_eq!(ask(&mut ends, 1), [(0, 64)], "the first was lost");
    ends.now += 19;
    an_early_ask_is_not_heard(&mut ends);
    ends.now += 1;
    assert_eq!(ask(&mut ends, 2), [(0, 64)], "and the frames that were sent again too");
    ends.run(400);
    assert_eq!(ends.b.got, (0..200).collect::<Vec<_>>());
    assert!(ends.a.told.is_empty());
}

/// Another acknowledgement of the same gap, which comes too early.
fn an_early_ask_is_not_heard(ends: &mut Ends) {
    let (generation, next) = (1, 1);
    let ack = Ack { to: NodeId::new(1), own: 1, generation, next, kind: AckKind::Gap };
    assert!(!ends.a.link.acknowledged(ends.now, &ack));
    assert_eq!(sent(ends, 1), []);
}

#[test]
fn after_a_loss_the_window_opens_as_frames_arrive() {
    let mut ends = Ends::met();
    for number in 0..1000 {
        ends.a.say(ends.now, number, 0).unwrap();
    }
    ends.a.all(ends.now); // all lost
    ends.now += 300;
    let mut steps = 0;
    while ends.b.got.len() < 1000 {
        ends.step();
        steps += 1;
    }
    assert!(steps < 400, "{steps} ms");
    assert_eq!(ends.b.got, (0..1000).collect::<Vec<_>>());
}

#[test]
fn after_ten_seconds_without_progress_it_is_given_up_and_told_and_the_next_sign_of_life_begins_anew() {
    let mut ends = Ends::met();
    ends.a.say(ends.now, 1, 0).unwrap();
    ends.a.link.push_state(ends.now, &[13], None).unwrap();
    ends.a.say(ends.now, 2, 100 << 10).unwrap();
    sent(&mut ends, 10_000);
    assert!(!ends.a.link.is_broken() && ends.a.told.is_empty());
    assert_eq!(ends.a.link.due(), ends.now + 10_000);
    ends.now += 10_000;
    ends.a.tick(ends.now);
    assert_eq!(ends.a.told, [1, 2]);
    assert!(ends.a.link.is_broken());
    assert_eq!(ends.a.link.bytes(), 0);
    assert_eq!(ends.a.say(ends.now, 3, 0), Err(Refusal::Broken));
    assert_eq!((ends.a.transmit(ends.now), ends.a.link.due()), (None, u64::MAX));
    ends.b.say(ends.now, 7, 0).unwrap();
    ends.run(100);
    ends.a.say(ends.now, 4, 0).unwrap();
    ends.run(100);
    assert_eq!((&ends.a.got[..], &ends.b.got[..]), (&[7][..], &[4][..]));
    assert_eq!((&ends.a.began[..], &ends.b.began[..]), (&[Began::First][..], &[Began::First, Began::Again][..]));
}

#[test]
fn progress_keeps_a_slow_link() {
    let mut ends = Ends::met();
    for number in 0..10 {
        ends.a.say(ends.now, number, 40 << 10).unwrap();
    }
    for number in 0..10 {
        let first = ends.a.all(ends.now).remove(0);
        ends.b.hear(ends.now, &first);
        for datagram in ends.b.all(ends.now + 50) {
            ends.a.hear(ends.now + 50, &datagram);
        }
        for after in 0..9_000 {
            ends.a.tick(ends.now + after);
        }
        ends.now += 9_000;
        assert_eq!(ends.b.got.len(), number + 1);
    }
    assert!(ends.a.told.is_empty());
}
