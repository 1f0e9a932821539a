//! Frames as bytes: their fixed form, round trips, and everything that is none.

use super::{Change, Frame, Told};
use crate::{CallId, DeviceId, Entry, Except, Hlc, Leaving, NodeId, Recipients, Scope, TakeId};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;
use wse_proto::Cid;

fn cid() -> impl Strategy<Value = Cid> {
    prop_oneof![8 => "[a-zé]{0,12}", 1 => "[a-z]{4096}"].prop_map(Cid::from)
}

fn room() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![8 => "[a-zé]{0,12}", 1 => "[a-z]{256}"].prop_map(Arc::from)
}

fn device() -> impl Strategy<Value = DeviceId> {
    any::<(u64, u64)>().prop_map(|(node, number)| DeviceId::new(NodeId::new(node), number))
}

fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=most).prop_map(Bytes::from)
}

fn entry() -> impl Strategy<Value = Entry> {
    (device(), cid(), any::<(u64, u8, bool, bool, bool)>(), 0..8_u8).prop_map(|(id, cid, rest, codec)| {
        let (since, hop, parked, session, trial) = rest;
        Entry { id, cid, since: Hlc(since), hop, codec, parked, session, trial }
    })
}

fn told() -> impl Strategy<Value = Told> {
    any::<(bool, u64, u64, Option<u64>, bool)>().prop_map(|(here, at, prev, by, raised)| Told {
        here,
        at: Hlc(at),
        prev: Hlc(prev),
        by: by.map(NodeId::new),
        raised,
    })
}

fn change() -> impl Strategy<Value = Change> {
    let leaving = (any::<bool>(), bytes(128)).prop_map(|(clean, closed)| Leaving { clean, closed });
    prop_oneof![
        entry().prop_map(Change::In),
        (device(), cid(), leaving).prop_map(|(id, cid, leaving)| Change::Out { id, cid, leaving }),
        (device(), cid(), any::<bool>()).prop_map(|(id, cid, parked)| Change::Park { id, cid, parked }),
        (device(), cid()).prop_map(|(id, cid)| Change::Confirm { id, cid }),
        (room(), any::<u32>()).prop_map(|(name, members)| Change::Room { name, members }),
        (cid(), told()).prop_map(|(cid, told)| Change::Told(cid, told)),
    ]
}

fn recipients() -> impl Strategy<Value = Recipients> {
    let scope = prop_oneof![
        Just(Scope::Everyone),
        cid().prop_map(Scope::User),
        device().prop_map(Scope::Device),
        room().prop_map(Scope::Room),
    ];
    let except = prop_oneof![device().prop_map(Except::Device), cid().prop_map(Except::User)];
    (scope, vec(except, 0..4)).prop_map(|(scope, except)| Recipients { scope, except })
}

fn frame() -> impl Strategy<Value = Frame> {
    let call = (any::<u64>(), device()).prop_map(|(id, device)| (CallId(id), device));
    let id = || any::<u64>().prop_map(TakeId);
    let body = || bytes(300);
    prop_oneof![
        (vec(entry(), 0..4), vec((room(), any::<u32>()), 0..4), vec((cid(), told()), 0..4), any::<bool>())
            .prop_map(|(entries, rooms, told, last)| Frame::Snap { entries, rooms, told, last }),
        vec(change(), 0..6).prop_map(Frame::Delta),
        (recipients(), body()).prop_map(|(to, message)| Frame::Send { to, message }),
        (vec(call, 0..4), any::<u32>(), body()).prop_map(|(calls, remaining_ms, body)| Frame::Call {
            calls,
            remaining_ms,
            body
        }),
        (any::<u64>(), proptest::option::of(body())).prop_map(|(id, answer)| Frame::Answer { id: CallId(id), answer }),
        vec(any::<u64>().prop_map(CallId), 0..4).prop_map(Frame::Cancel),
        (recipients(), any::<u64>(), bytes(128)).prop_map(|(to, at, closed)| Frame::Close { to, at: Hlc(at), closed }),
        (id(), device(), body()).prop_map(|(id, device, body)| Frame::Take { id, device, body }),
        (id(), proptest::option::of((entry(), body()))).prop_map(|(id, given)| Frame::Given { id, given }),
        (id(), device(), any::<bool>()).prop_map(|(id, device, wanted)| Frame::Got { id, device, wanted }),
        (id(), entry(), body()).prop_map(|(id, entry, body)| Frame::Offer { id, entry, body }),
        body().prop_map(Frame::App),
        any::<(u32, u64)>().prop_map(|(devices, hash)| Frame::Check { devices, hash }),
        device().prop_map(|device| Frame::Seen { device }),
    ]
}

fn written(frame: &Frame) -> Bytes {
    let mut out = Vec::new();
    frame.write(&mut out);
    out.into()
}

/// Whatever is read is written as it was: a frame has one form.
fn read(bytes: &Bytes) -> Option<Frame> {
    let frame = Frame::read(bytes).ok()?;
    assert_eq!(&written(&frame), bytes, "{frame:?}");
    Some(frame)
}

proptest! {
    #[test]
    fn every_frame_is_read_as_it_was_written(frame in frame()) {
        prop_assert_eq!(Frame::read(&written(&frame)), Ok(frame));
    }

    #[test]
    fn a_frame_of_every_length_with_every_byte_changed_is_none_or_another(frame in frame(), bit in 0..8_u32) {
        let whole = written(&frame);
        for length in 0..whole.len().min(500) {
            let cut = read(&whole.slice(..length));
            prop_assert_ne!(cut.as_ref(), Some(&frame));
        }
        for at in 0..whole.len().min(500) {
            let mut changed = whole.to_vec();
            changed[at] ^= 1 << bit;
            let other = read(&changed.into());
            prop_assert_ne!(other.as_ref(), Some(&frame));
        }
    }

    #[test]
    fn any_bytes_are_a_frame_of_one_form_or_none(bytes in vec(any::<u8>(), 0..200), kind in 0..16_u8) {
        let mut bytes = bytes;
        read(&bytes.clone().into());
        bytes.insert(0, kind);
        read(&bytes.into());
    }
}

#[test]
fn the_forms_are_fixed() {
    let device = DeviceId::new(NodeId::new(0x0102), 0x0304);
    let entry = Entry {
        id: device,
        cid: "ann".into(),
        since: Hlc(0x0506),
        hop: 7,
        codec: 2,
        parked: true,
        session: true,
        trial: false,
    };
    let told = Told { here: true, at: Hlc(8), prev: Hlc(9), by: Some(NodeId::new(10)), raised: false };
    let id = "00000000000001020000000000000304";
    let one = format!("{id}0000000000000506071a03616e6e");
    let leaving = Leaving { clean: true, closed: Bytes::from_static(b"\xee") };
    let to = Recipients { scope: Scope::Room("r".into()), except: vec![Except::User("b".into())] };
    let message = Bytes::from_static(b"\xff");
    let forms: Vec<(Frame, String)> = vec![
        (
            Frame::Snap {
                entries: vec![entry.clone()],
                rooms: vec![("r".into(), 11)],
                told: vec![("ann".into(), told)],
                last: true,
            },
            format!("020101{one}010000000b0172010500000000000000080000000000000009000000000000000a03616e6e"),
        ),
        (
            Frame::Delta(vec![
                Change::In(entry.clone()),
                Change::Out { id: device, cid: "ann".into(), leaving },
                Change::Park { id: device, cid: "ann".into(), parked: true },
                Change::Confirm { id: device, cid: "ann".into() },
                Change::Room { name: "r".into(), members: 0 },
                Change::Told("ann".into(), Told { raised: true, by: None, ..told }),
            ]),
            format!(
                "030601{one}02{id}0101ee03616e6e03{id}0103616e6e04{id}03616e6e0500000000017206\
                 030000000000000008000000000000000903616e6e"
            ),
        ),
        (Frame::Send { to: to.clone(), message: message.clone() }, "0403017201010162ff".into()),
        (Frame::Send { to: Scope::Everyone.into(), message: message.clone() }, "040000ff".into()),
        (
            Frame::Call { calls: vec![(CallId(12), device)], remaining_ms: 1000, body: message.clone() },
            format!("05000003e801000000000000000c{id}ff"),
        ),
        (Frame::Answer { id: CallId(1), answer: Some(message.clone()) }, "06000000000000000101ff".into()),
        (Frame::Answer { id: CallId(1), answer: None }, "06000000000000000100".into()),
        (Frame::Cancel(vec![CallId(1)]), "07010000000000000001".into()),
        (
            Frame::Close { to: Scope::Device(device).into(), at: Hlc(1), closed: message.clone() },
            format!("08000000000000000102{id}00ff"),
        ),
        (Frame::Take { id: TakeId(1), device, body: message.clone() }, format!("090000000000000001{id}ff")),
        (Frame::Given { id: TakeId(1), given: None }, "0a000000000000000100".into()),
        (
            Frame::Given { id: TakeId(1), given: Some((entry.clone(), message.clone())) },
            format!("0a000000000000000101{one}ff"),
        ),
        (Frame::Got { id: TakeId(1), device, wanted: true }, format!("0b0000000000000001{id}01")),
        (Frame::Offer { id: TakeId(1), entry, body: message.clone() }, format!("0c0000000000000001{one}ff")),
        (Frame::App(message), "0dff".into()),
        (Frame::Check { devices: 1, hash: 2 }, "0e000000010000000000000002".into()),
        (Frame::Seen { device }, "0f00000000000001020000000000000304".into()),
    ];
    for (frame, form) in forms {
        let hex: String = written(&frame).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, form, "{frame:?}");
        assert_eq!(read(&written(&frame)), Some(frame));
    }
}

#[test]
fn what_is_too_long_or_out_of_its_range_is_refused() {
    let refused = |frame: Frame| assert!(Frame::read(&written(&frame)).is_err(), "{frame:?}");
    let user = |length| Recipients::from(Scope::User("a".repeat(length).into()));
    let room = |length| Recipients::from(Scope::Room("a".repeat(length).into()));
    let closed = |length| Bytes::from(vec![0; length]);
    let close = |length| Frame::Close { to: user(1), at: Hlc(0), closed: closed(length) };
    let out = |length| {
        let leaving = Leaving { clean: true, closed: closed(length) };
        Frame::Delta(vec![Change::Out { id: DeviceId::new(NodeId::new(1), 1), cid: "a".into(), leaving }])
    };
    refused(Frame::Send { to: user(4097), message: Bytes::new() });
    refused(Frame::Send { to: room(257), message: Bytes::new() });
    refused(close(129));
    refused(out(129));
    for longest in [Frame::Send { to: user(4096), message: Bytes::new() }, close(128), out(128)] {
        assert_eq!(Frame::read(&written(&longest)), Ok(longest));
    }
    for bad in [
        &[][..],
        &[0, 1, 2],                                                    // a part
        &[15],                                                         // no such kind
        &[3, 1, 7],                                                    // no such change
        &[4, 9, 0],                                                    // no such recipients
        &[4, 0, 1, 3],                                                 // no such exception
        &[4, 3, 0x81, 0x00, b'a', 0],                                  // a length in two bytes that needs one
        &[4, 3, 1, 0xff, 0],                                           // not UTF-8
        &[7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], // more than there is
        &[7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], // more than 64 bits
        &[6, 0, 0, 0, 0, 0, 0, 0, 1, 2],                               // neither yes nor no
        &[6, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0],                            // goes on
        &[5, 0, 0, 0, 0, 1],                                           // fewer bytes than calls
    ] {
        assert!(Frame::read(&Bytes::copy_from_slice(bad)).is_err(), "{bad:?}");
    }
}

#[test]
fn a_payload_is_a_slice_of_its_datagram() {
    let frame = Frame::Send { to: Scope::Everyone.into(), message: Bytes::from(vec![7; 100]) };
    let datagram = Bytes::from([&[0xaa; 50][..], &written(&frame)].concat());
    let Ok(Frame::Send { message, .. }) = Frame::read_within(&datagram, &datagram[50..]) else { panic!("not read") };
    assert_eq!(message.as_ptr(), datagram[53..].as_ptr());
}

#[test]
fn a_list_takes_less_than_thirty_times_the_memory_of_its_bytes() {
    // An id that is read takes a header, and an allocation at least 32 bytes.
    let text = 32;
    for (taken, bytes) in [
        (size_of::<Entry>() + text, super::read::ENTRY),
        (size_of::<(Arc<str>, u32)>() + text, super::read::ROOM),
        (size_of::<(Cid, Told)>() + text, super::read::TOLD),
        (size_of::<Change>() + text, super::read::CHANGE),
        (size_of::<(CallId, DeviceId)>(), super::read::CALL),
        (size_of::<Except>() + text, super::read::EXCEPT),
    ] {
        assert!(taken < 30 * bytes, "{taken} for {bytes}");
    }
}
