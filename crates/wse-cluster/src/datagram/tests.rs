//! Datagrams as bytes.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const TO: u64 = 0x0809;

fn head() -> Head {
    Head { from: NodeId::new(0x0102_0304_0506_0708), sent_at: 0x1122_3344 }
}

fn an_ack(kind: AckKind) -> Ack {
    Ack { to: NodeId::new(TO), own: 1, generation: 2, next: 3, kind }
}

fn hex(bytes: &Bytes) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn with_frames(seq: u64, frames: &[u8]) -> Bytes {
    let mut out = data(head(), &an_ack(AckKind::Plain), seq, true, frames.len());
    assert_eq!(out.len(), DATA_HEAD);
    out.extend_from_slice(frames);
    out.into()
}

#[test]
fn the_forms_are_fixed() {
    let a_beat =
        Beat { name: "pod-é".into(), ready: true, limit: 2, devices: 3, born: 0x0102, version: "0.1.0".into() };
    let ack_form = "0000000000000809 00000001 00000002 0000000000000003";
    for (datagram, said, form) in [
        (
            beat(head(), &a_beat),
            Datagram::Beat(a_beat.clone()),
            "0101 0102030405060708 11223344 01 00000002 00000003 0000000000000102 05302e312e30 06706f642dc3a9",
        ),
        (bye(head()), Datagram::Bye, "0102 0102030405060708 11223344"),
        (
            ack(head(), &an_ack(AckKind::Forgot)),
            Datagram::Ack(an_ack(AckKind::Forgot)),
            &format!("0104 0102030405060708 11223344 {ack_form} 02"),
        ),
        (
            with_frames(5, &[2, 13, 9, 1, 13]),
            Datagram::Data(Data {
                ack: an_ack(AckKind::Plain),
                seq: 5,
                waits: true,
                count: 2,
                frames: Bytes::from_static(&[2, 13, 9, 1, 13]),
            }),
            &format!("0103 0102030405060708 11223344 {ack_form} 00 0000000000000005 01 020d09 010d"),
        ),
    ] {
        assert_eq!(hex(&datagram), form.replace(' ', ""));
        assert_eq!(read(&datagram), Ok((head(), said)));
    }
}

#[test]
fn a_later_version_may_say_more_in_a_beat_but_in_nothing_else() {
    let longer = |datagram: Bytes| Bytes::from([&datagram[..], &[1]].concat());
    assert!(read(&longer(beat(head(), &Beat::default()))).is_ok());
    assert!(read(&longer(bye(head()))).is_err());
    assert!(read(&longer(ack(head(), &an_ack(AckKind::Plain)))).is_err());
}

#[test]
fn what_is_none_is_refused() {
    let changed = |datagram: Bytes, at: usize, byte: u8| {
        let mut changed = datagram.to_vec();
        changed[at] = byte;
        Bytes::from(changed)
    };
    let frames = with_frames(0, &[1, 13]);
    for bad in [
        changed(frames.clone(), 0, 2),         // another version
        changed(frames.clone(), 1, 5),         // no such kind
        changed(frames.clone(), 25, 0),        // generation 0
        changed(frames.clone(), 38, 3),        // no such acknowledgement
        changed(frames.clone(), 47, 2),        // neither yes nor no
        changed(frames.clone(), DATA_HEAD, 2), // longer than it is
        changed(frames.clone(), DATA_HEAD, 0), // an empty frame
        with_frames(0, &[]),                   // no frame
        with_frames(u64::MAX, &[1, 13]),       // more than can be counted
        with_frames(0, &[0x81, 0, 13]),        // a length in two bytes that needs one
        beat(head(), &Beat { name: "a".repeat(257), ..Beat::default() }),
        beat(head(), &Beat { version: "a".repeat(65), ..Beat::default() }),
        with_frames(0, &[vec![0xff, 0xff, 3], vec![13; 0xffff]].concat()), // too large
    ] {
        assert!(read(&bad).is_err(), "{bad:?}");
    }
    let largest = DATAGRAM_BYTES - DATA_HEAD - 3;
    let mut frames = Vec::new();
    put_bytes(&mut frames, &vec![13; largest]);
    assert_eq!(with_frames(0, &frames).len(), DATAGRAM_BYTES);
    assert!(read(&with_frames(0, &frames)).is_ok());
}

#[test]
fn a_datagram_cut_anywhere_is_none() {
    let whole = [
        beat(head(), &Beat { name: "a".into(), version: "b".into(), ..Beat::default() }),
        bye(head()),
        ack(head(), &an_ack(AckKind::Gap)),
    ];
    for datagram in whole {
        for length in 0..datagram.len() {
            assert!(read(&datagram.slice(..length)).is_err());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_datagram_or_none(bytes in vec(any::<u8>(), 0..200), kind in 0..6_u8) {
        let mut bytes = bytes;
        _ = read(&bytes.clone().into());
        bytes.splice(0..0, [VERSION, kind]);
        if let Ok((head, Datagram::Data(data))) = read(&bytes.clone().into()) {
            let mut again = super::data(head, &data.ack, data.seq, data.waits, 0);
            again.extend_from_slice(&data.frames);
            prop_assert_eq!(again, bytes);
            prop_assert!(data.count >= 1 && data.count <= data.frames.len() as u64 / 2);
        }
    }
}
