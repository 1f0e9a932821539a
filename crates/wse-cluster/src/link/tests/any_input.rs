//! Any datagrams: nothing panics, and nothing takes more memory than it may.

use super::super::Link;
use crate::datagram::{Ack, AckKind, Data, Head};
use crate::frame::{LAST_PART, PART, put_bytes};
use crate::{Config, NodeId};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

/// What happens to a link.
#[derive(Clone, Debug)]
enum Event {
    Data(Data),
    Ack(Ack),
    Push { bytes: usize, state: bool },
    Snapshot { bytes: usize, last: bool },
    Wait(u64),
    Begin,
    GiveUp,
    Distrust,
    Transmit,
}

fn config() -> Config {
    let mut config = Config::default();
    (config.peer_bytes, config.frame_bytes) = (200 << 10, 64 << 10);
    config
}

/// A number near those that occur, or any.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..8_u64, 1 => any::<u64>(), 1 => (0..8_u64).prop_map(|below| u64::MAX - below)]
}

fn generation() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 1..4_u32, 1 => any::<u32>()]
}

fn ack() -> impl Strategy<Value = Ack> {
    let kind = prop_oneof![4 => Just(AckKind::Plain), 2 => Just(AckKind::Gap), 1 => Just(AckKind::Forgot)];
    (generation(), 0..4_u32, number(), kind).prop_map(|(own, generation, next, kind)| Ack {
        to: NodeId::new(1),
        own: own.max(1),
        generation,
        next,
        kind,
    })
}

/// A frame, a part of one, or any bytes.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0..3_usize).prop_map(|kind| [&[13][..], &[3, 0], &[14; 13]][kind].to_vec()),
        4 => (prop_oneof![3 => Just(PART), 1 => Just(LAST_PART)], 0..20_000_usize).prop_map(|(kind, length)| {
            let mut part = vec![13; length + 1];
            part[0] = kind;
            part
        }),
        1 => vec(any::<u8>(), 1..40),
    ]
}

fn data() -> impl Strategy<Value = Data> {
    (ack(), number(), vec(piece(), 1..6), any::<bool>()).prop_map(|(ack, seq, pieces, waits)| {
        let mut frames = Vec::new();
        pieces.iter().for_each(|piece| put_bytes(&mut frames, piece));
        let count = pieces.len() as u64;
        Data { ack, seq: seq.min(u64::MAX - count), waits, count, frames: frames.into() }
    })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => data().prop_map(Event::Data),
        4 => ack().prop_map(Event::Ack),
        8 => (prop_oneof![0..2000_usize, 0..60_000_usize], any::<bool>())
            .prop_map(|(bytes, state)| Event::Push { bytes, state }),
        2 => (0..16_000_usize, any::<bool>()).prop_map(|(bytes, last)| Event::Snapshot { bytes, last }),
        4 => prop_oneof![0..100_u64, 0..3000_u64].prop_map(Event::Wait),
        1 => Just(Event::Begin),
        1 => Just(Event::GiveUp),
        1 => Just(Event::Distrust),
        8 => Just(Event::Transmit),
    ]
}

/// Does all that a node would do.
fn drive(events: Vec<Event>) {
    let config = config();
    let (mut now, mut generation) = (0, 1);
    let mut link: Link<u32> = Link::new(now, generation, 0, &config);
    let mut begin = |link: &mut Link<u32>, now| {
        generation += 1;
        link.begin(now, generation);
    };
    for event in events {
        match event {
            Event::Data(data) => {
                let mut heard = link.receive(now, &data);
                if heard.anew {
                    begin(&mut link, now);
                }
                let mut count = 0;
                while let Some(frame) = link.next(&mut heard.frames) {
                    _ = frame;
                    count += 1;
                }
                assert!(count <= data.count);
            }
            Event::Ack(ack) => {
                if link.acknowledged(now, &ack) {
                    begin(&mut link, now);
                }
            }
            Event::Push { bytes, state: true } => _ = link.push_state(now, &vec![13; bytes + 1], Some(1)),
            Event::Push { bytes, state: false } => _ = link.push(now, &vec![13; bytes + 1], Some(1)),
            Event::Snapshot { bytes, last } if link.wants_snapshot() => {
                link.push_snapshot(now, &vec![13; bytes + 1], last);
            }
            Event::Snapshot { .. } => {}
            Event::Wait(ms) => now += ms,
            Event::Begin => begin(&mut link, now),
            Event::GiveUp => _ = link.give_up(),
            Event::Distrust => link.distrust(),
            Event::Transmit => {
                link.tick(now);
                let head = Head { from: NodeId::new(1), sent_at: 0 };
                let sent: Vec<Bytes> = std::iter::from_fn(|| link.transmit(now, head, NodeId::new(2))).collect();
                assert!(sent.iter().all(|datagram| crate::datagram::read(datagram).is_ok()));
                assert!(link.due() > now || link.wants_snapshot(), "it goes on for ever");
            }
        }
        let most = config.peer_bytes + config.peer_bytes / 4 + (16 << 10) + 64;
        assert!(link.bytes() <= most, "{} wait", link.bytes());
        assert!(link.outgoing.memory() <= 2 * most + (64 << 10), "{} are held", link.outgoing.memory());
        assert!(link.incoming.memory() <= 2 * config.frame_bytes, "{} of parts", link.incoming.memory());
    }
}

proptest! {
    #[test]
    fn any_events_keep_a_link_within_its_bounds(events in vec(event(), 1..120)) {
        drive(events);
    }
}
