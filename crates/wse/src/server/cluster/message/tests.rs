//! The layouts as they are fixed, what is written as it is read again, and bytes that nobody has written.

use super::{
    answer::Answer,
    call::{self, Asked},
    forms::{Forms, Wanted, wanted},
    send::Sent,
    values::{self, Told},
};
use crate::{
    app::names::{Age, Aged, Message},
    error::{CallError, SendError},
    server::users::retained::Stamp,
};
use bytes::Bytes;
use proptest::prelude::*;
use std::time::Duration;
use wse_cluster::{DeviceId, NodeId};
use wse_frame::{Frame, Opcode};
use wse_proto::{Closed, Codec, EncodeError, Format, Payload, RpError};

const MOST: usize = 1 << 20;

fn frame(codec: &Codec, name: &str, payload: &str, stamp: Option<&str>) -> Bytes {
    let mut envelope = Vec::new();
    let payload = Payload::json(payload).unwrap();
    codec.write_encoded(&mut envelope, name, &payload, stamp).unwrap();
    Frame::new(if codec.binary() { Opcode::Binary } else { Opcode::Text }, &envelope).into()
}

fn sent(name: &str, payload: &str) -> Sent {
    let mut forms = Forms::default();
    forms.add_frame(1, frame(&Codec::Json, name, payload, None));
    Sent { name: name.into(), age: None, stamp: None, forms }
}

fn id(number: u64) -> DeviceId {
    DeviceId::new(NodeId::new(7), number)
}

#[test]
fn the_layout_of_a_message_is_fixed() {
    let plain = sent("say", "1").write();
    assert_eq!(&plain[..], b"\x01\0\0\0\0\x03say\x01\x01\0\0\0\x10\x81\x0e[\"say\",1,null]");
    let age: Aged<u8> = Aged::new("m").latest("k").ttl(Duration::from_millis(258));
    let stamp = Some(Stamp { at: 5, node: NodeId::new(6) });
    let mut forms = Forms::default();
    forms.add_payload(&Payload::json("1").unwrap());
    forms.add_payload(&Payload::msgpack(b"\x01").unwrap());
    let all = Sent { name: "m".into(), age: age.age().cloned(), stamp, forms }.write();
    let expected = [
        &b"\x01\x03"[..],
        b"\0\0\0\0\0\0\x01\x02\0\0\0\x041:mk",
        b"\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x06",
        b"\0\0\0\x01m\x02",
        b"\x40\0\0\0\x011\x41\0\0\0\x01\x01",
    ];
    assert_eq!(all, expected.concat());
}

#[test]
fn the_layouts_of_calls_answers_and_values_are_fixed() {
    let payload = Payload::json("[1]").unwrap();
    assert_eq!(call::of_procedure("add", &payload), &b"\0\0\0\0\x03add\0[1]"[..]);
    assert_eq!(call::of_message(b"sent"), &b"\x01sent"[..]);
    assert_eq!(call::of_members("tea", None), [&[2][..], &[0; 16], b"tea"].concat());
    let after = call::of_members("tea", Some(id(9)));
    assert_eq!(after, &b"\x02\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x09tea"[..]);
    let written = |answer: Answer| answer.write().expect("an answer");
    assert_eq!(written(Answer::Result(payload.into_owned())), &b"\0\0[1]"[..]);
    assert_eq!(written(Answer::Arrived), &b"\x09"[..]);
    assert_eq!(written(Answer::Members(vec![id(9)])), &b"\x0c\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x09"[..]);
    let failed = |error| written(Answer::Failed(error));
    assert_eq!(
        failed(CallError::Failed(RpError::new("X").message("y"))),
        &b"\x01{\"code\":\"X\",\"message\":\"y\"}"[..]
    );
    assert_eq!(failed(CallError::Disconnected { closed: Closed::broken("z".into()) }), &b"\x03\x03\xeez"[..]);
    assert_eq!(failed(CallError::Send(SendError::TooBig(258))), &b"\x06\0\0\0\0\0\0\x01\x02"[..]);
    let alone = [(CallError::TimedOut, 2), (CallError::Busy, 4), (CallError::Send(SendError::Slow), 7)];
    alone.into_iter().for_each(|(error, kind)| assert_eq!(failed(error), &[kind][..]));
    assert!(Answer::Failed(CallError::NotReady).write().is_none(), "the node says that nothing was done");
    assert_eq!(values::ask(["tea", "tee"]), [&b"\x01\0\0\0\0\x03tea\0\0\0\x03tee"[..]]);
    assert_eq!(values::value("tea", b"sent"), &b"\x01\x01\0\0\0\x03teasent"[..]);
    let stamp = Stamp { at: 5, node: NodeId::new(6) };
    let forget = values::forget("tea", "topic", stamp);
    assert_eq!(forget, &b"\x01\x02\0\0\0\x03tea\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x06topic"[..]);
}

#[test]
fn who_speaks_what_gets_a_form_that_says_all_of_the_message() {
    const OF_JSON: [u8; 3] = [0, 1, 3];
    for (spoken, known) in (0..=255).flat_map(|spoken| (0..32).map(move |known| (spoken, known))) {
        let Wanted { frames, json, msgpack } = wanted(spoken, known);
        assert_eq!(frames & !(spoken & known), 0, "only what somebody speaks and this server has");
        assert!(json || msgpack || frames & 0b110 != 0, "{spoken:b} {known:b}: one is exact");
        for codec in (0..5).filter(|codec| spoken & 1 << codec != 0 && frames & 1 << codec == 0) {
            let in_its_format =
                if OF_JSON.contains(&codec) { json || frames & 0b10 != 0 } else { msgpack || frames & 0b100 != 0 };
            assert!(in_its_format, "{spoken:b} {known:b}: {codec} gets the payload in its format");
        }
    }
    assert_eq!(wanted(0b10, 0b11110), Wanted { frames: 0b10, json: false, msgpack: false }, "and mostly nothing else");
    assert_eq!(wanted(0b11110, 0b11110), Wanted { frames: 0b11110, json: false, msgpack: false });
}

#[test]
fn a_frame_that_came_is_sent_only_if_this_server_might_have_made_it() {
    let of = |bytes: Bytes| {
        let mut forms = Forms::default();
        forms.add_frame(1, bytes);
        forms
    };
    let taken = |forms: &Forms, name: &str, most: usize| forms.frame(&Codec::Json, name, most).expect("a frame");
    let good = frame(&Codec::Json, "say", "1", None);
    assert_eq!(taken(&of(good.clone()), "say", MOST).unwrap(), good);
    assert!(matches!(taken(&of(good.clone()), "say", 5), Err(SendError::TooBig(16))));
    assert!(of(good.clone()).frame(&Codec::MessagePack, "say", MOST).is_none(), "none of that codec came");
    let masked = [&b"\x81\x89\0\0\0\0"[..], &good[2..]].concat();
    let fragment = [&b"\x01"[..], &good[1..]].concat();
    let (call, longer) = (frame(&Codec::Json, "say", "1", Some("stamp")), [&good[..], b" "].concat());
    let binary = Frame::new(Opcode::Binary, b"[\"say\",1]").into();
    let own = Frame::new(Opcode::Text, b"[\"~wse:ack\",1]").into();
    for bad in [masked.into(), fragment.into(), longer.into(), call, binary, own, Bytes::new(), good.slice(..5)] {
        assert!(matches!(taken(&of(bad.clone()), "say", MOST), Err(SendError::Encode(_))), "{bad:?}");
        assert!(of(bad).payload("say", Format::Json).is_err());
    }
    assert!(taken(&of(good), "other", MOST).is_err(), "it has another name than the message");
}

#[test]
fn a_short_frame_is_copied_and_keeps_nothing_else_of_the_bytes_it_came_in() {
    let long = format!("\"{}\"", "x".repeat(20_000));
    for (payload, copied) in [("1", true), (&*long, false)] {
        let bytes = sent("say", payload).write();
        let read = Sent::read(&bytes).expect("a message");
        let frame = read.forms.frame(&Codec::Json, "say", MOST).expect("a frame").unwrap();
        let within = bytes.as_ptr_range().contains(&frame.as_ptr());
        assert_eq!(within, !copied, "{} bytes", frame.len());
        assert!(!bytes.as_ptr_range().contains(&read.forms.detached().frame_of(1).as_ptr()));
    }
}

#[test]
fn a_payload_is_read_from_whatever_says_all_of_it() {
    let payload = |forms: &Forms, format| {
        let payload = forms.payload("m", format).expect("a payload");
        assert_eq!(payload.format(), format);
        payload.decode::<Vec<u8>>().unwrap()
    };
    for codec in [1, 2] {
        let mut forms = Forms::default();
        forms.add_frame(codec, frame(if codec == 1 { &Codec::Json } else { &Codec::MessagePack }, "m", "[1,2]", None));
        assert_eq!((payload(&forms, Format::Json), payload(&forms, Format::MessagePack)), (vec![1, 2], vec![1, 2]));
    }
    let mut forms = Forms::default();
    forms.add_payload(&Payload::json("[1]").unwrap());
    assert_eq!(payload(&forms, Format::MessagePack), [1]);
    forms.add_payload(&Payload::msgpack(b"\x91\x02").unwrap());
    assert_eq!(
        (payload(&forms, Format::Json), payload(&forms, Format::MessagePack)),
        (vec![1], vec![2]),
        "each its own"
    );
    assert_eq!(payload(&forms.alone(), Format::Json), [2], "MessagePack has everything");
}

#[test]
fn a_message_without_an_exact_form_or_of_a_name_of_the_protocol_is_malformed() {
    let only = |codec| {
        let mut forms = Forms::default();
        forms.add_frame(codec, Bytes::from_static(b"x"));
        Sent { forms, ..sent("say", "1") }.write()
    };
    assert!(Sent::read(&only(1)).is_some());
    assert!(Sent::read(&only(3)).is_none() && Sent::read(&only(4)).is_none());
    for name in ["", "~wse:hi", "~wse:ack"] {
        assert!(Sent::read(&Sent { name: name.into(), ..sent("say", "1") }.write()).is_none(), "{name:?}");
    }
}

#[test]
fn an_outcome_reads_as_it_was() {
    let rp_error = || RpError::new("X").message("why").details(&[1, 2]);
    let errors = [
        CallError::TimedOut,
        CallError::Disconnected { closed: Closed::normal("bye".into()) },
        CallError::Busy,
        CallError::Failed(rp_error()),
        CallError::NotRegistered(RpError::new(wse_proto::Code::RP_NOT_REGISTERED)),
        CallError::Send(SendError::TooBig(usize::MAX)),
        CallError::Send(SendError::Slow),
        CallError::Send(EncodeError::new("no form").into()),
        CallError::Send(SendError::Stopped(rp_error())),
        CallError::Send(SendError::Unconfirmed),
        CallError::Send(SendError::Expired),
    ];
    for error in errors {
        let shown = (error.to_string(), error.code().to_owned());
        let bytes = Answer::Failed(error).write().expect("an answer");
        let Some(Answer::Failed(read)) = Answer::read(&bytes) else { panic!("{shown:?}") };
        if let CallError::Failed(error) | CallError::Send(SendError::Stopped(error)) = &read {
            assert_eq!(error.decode_details::<Vec<u8>>().unwrap(), Some(vec![1, 2]));
        }
        assert_eq!((read.to_string(), read.code().to_owned()), shown);
    }
    let members = (0..100).map(id).collect();
    let Some(Answer::Members(read)) = Answer::read(&Answer::Members(members).write().unwrap()) else { panic!() };
    assert_eq!(read, (0..100).map(id).collect::<Vec<_>>());
}

#[test]
fn a_long_question_is_asked_in_parts() {
    let rooms: Vec<String> = (0..1000).map(|number| format!("{number:0>200}")).collect();
    let parts = values::ask(rooms.iter().map(String::as_str));
    assert!(parts.iter().all(|part| part.len() < 17 << 10));
    let asked = parts.iter().flat_map(|part| match values::read(part) {
        Some(Told::Ask(rooms)) => rooms,
        other => panic!("{other:?}"),
    });
    assert!(asked.eq(rooms.iter().map(|room| Box::from(room.as_str()))));
    assert!(values::ask([]).is_empty());
}

fn any_sent() -> impl Strategy<Value = Sent> {
    let name = "[a-z]{1,8}";
    let age = prop::option::of((prop::option::of("[a-z]{0,5}"), prop::option::of(0..1_000_000_u64)));
    let forms = (any::<[Option<Vec<u8>>; 4]>(), any::<Option<Vec<u8>>>(), 0..i64::MAX);
    let stamp = prop::option::of((any::<u64>(), any::<u64>()));
    (name, age, stamp, forms).prop_map(|(name, age, stamp, (frames, msgpack, number))| {
        let mut forms = Forms::default();
        (1..).zip(frames).for_each(|(codec, frame)| frame.into_iter().for_each(|it| forms.add_frame(codec, it.into())));
        forms.add_payload(&Payload::json(&number.to_string()).unwrap());
        let packed = msgpack.map(|bytes| Payload::encode(Format::MessagePack, &bytes).unwrap());
        packed.iter().for_each(|payload| forms.add_payload(payload));
        let age = age.map(|(latest, ttl)| Age { latest: latest.map(Into::into), ttl: ttl.map(Duration::from_millis) });
        Sent { name: name.into(), age, stamp: stamp.map(|(at, node)| Stamp { at, node: NodeId::new(node) }), forms }
    })
}

/// Reads bytes as everything that they might be.
fn read_as_all(bytes: &Bytes) {
    if let Some(sent) = Sent::read(bytes) {
        for (codec, most) in [(Codec::Json, MOST), (Codec::MessagePack, MOST)] {
            let _ = sent.forms.frame(&codec, &sent.name, most);
            let _ = sent.forms.payload(&sent.name, codec.format());
        }
        assert!(sent.forms.total() <= bytes.len(), "it takes no more than what is there");
    }
    let _ = (call::read(bytes), Answer::read(bytes), values::read(bytes));
}

proptest! {
    #[test]
    fn a_message_reads_as_it_was_written(sent in any_sent()) {
        let bytes = sent.write();
        let read = Sent::read(&bytes).expect("a message");
        prop_assert_eq!(&read.name, &sent.name);
        prop_assert_eq!(format!("{:?}", read.age), format!("{:?}", sent.age));
        prop_assert_eq!((read.stamp, &read.forms), (sent.stamp, &sent.forms));
        for end in 0..bytes.len() {
            prop_assert!(Sent::read(&bytes.slice(..end)).is_none(), "cut to {}", end);
        }
        let asked = call::read(&call::of_message(&bytes));
        prop_assert!(matches!(asked, Some(Asked::Message(asked)) if asked.forms == sent.forms));
        let told = values::read(&values::value("tea", &bytes));
        prop_assert_eq!(matches!(told, Some(Told::Value { .. })), sent.stamp.is_some(), "a value has a stamp");
    }

    #[test]
    fn a_call_and_its_result_read_as_they_were_written(name in ".{0,9}", number: i64, packed: bool) {
        let format = if packed { Format::MessagePack } else { Format::Json };
        let payload = Payload::encode(format, &(number, "x")).unwrap();
        let Some(Asked::Procedure { name: read, payload: argument }) = call::read(&call::of_procedure(&name, &payload)) else {
            panic!("a call");
        };
        prop_assert_eq!((&*read, &argument), (&*name, &payload));
        let answer = Answer::read(&Answer::Result(payload.clone()).write().unwrap());
        prop_assert!(matches!(answer, Some(Answer::Result(result)) if result == payload));
    }

    #[test]
    fn bytes_that_nobody_has_written_are_read_without_a_panic(
        bytes in prop::collection::vec(prop_oneof![0..14_u8, any::<u8>()], 0..80),
        sent in any_sent(),
        place: prop::sample::Index,
        byte: u8,
    ) {
        read_as_all(&bytes.into());
        let mut changed = sent.write().to_vec();
        let place = place.index(changed.len());
        changed[place] = byte;
        read_as_all(&changed.clone().into());
        read_as_all(&[&[1][..], &changed].concat().into());
        read_as_all(&[&[1, 1, 0, 0, 0, 1, b'r'][..], &changed].concat().into());
    }
}
