//! What holds for MessagePack whatever comes: against `rmp-serde`, against JSON, and against itself.

mod value;

use proptest::{collection::vec, option, prelude::*};
use rmp::encode as put;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use value::{config, value};
use wse_proto::{Codec, Envelope, Format, Payload};

/// What MessagePack has and JSON has not, too.
#[derive(Clone, Debug)]
enum Any {
    Json(Value),
    Binary(Vec<u8>),
    F32(f32),
    Extension(i8, Vec<u8>),
    Array(Vec<Any>),
    /// Of pairs, whose keys may be anything.
    Map(Vec<(Any, Any)>),
}

fn anything() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        2 => value().prop_map(Any::Json),
        1 => vec(any::<u8>(), 0..20).prop_map(Any::Binary),
        1 => any::<f32>().prop_map(Any::F32),
        1 => (any::<i8>(), vec(any::<u8>(), 0..20)).prop_map(|(kind, bytes)| Any::Extension(kind, bytes)),
    ];
    leaf.prop_recursive(3, 12, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Any::Array),
            vec((inner.clone(), inner), 0..5).prop_map(Any::Map),
        ]
    })
}

/// The only form that `rmp` gives a value: the shortest.
fn canonical(value: &Any, out: &mut Vec<u8>) {
    match value {
        Any::Json(value) => value.serialize(&mut rmp_serde::Serializer::new(out)).expect("JSON has a form"),
        Any::Binary(bytes) => put::write_bin(out, bytes).expect("into memory"),
        Any::F32(number) => put::write_f32(out, *number).expect("into memory"),
        Any::Extension(kind, bytes) => {
            put::write_ext_meta(out, bytes.len() as u32, *kind).expect("into memory");
            out.extend_from_slice(bytes);
        }
        Any::Array(list) => {
            put::write_array_len(out, list.len() as u32).expect("into memory");
            list.iter().for_each(|inner| canonical(inner, out));
        }
        Any::Map(pairs) => {
            put::write_map_len(out, pairs.len() as u32).expect("into memory");
            for (key, inner) in pairs {
                canonical(key, out);
                canonical(inner, out);
            }
        }
    }
}

fn bytes_of(value: &Any) -> Vec<u8> {
    let mut out = Vec::new();
    canonical(value, &mut out);
    out
}

fn write(envelope: &Envelope<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    Codec::MessagePack
        .write_encoded(&mut frame, &envelope.name, &envelope.payload, envelope.stamp.as_deref())
        .expect("it was MessagePack already");
    frame
}

/// An envelope of so many elements, the first of which is there.
fn beginning(head: u8, rest: &[u8]) -> Vec<u8> {
    [&[head, 0xa1, b'm'], rest].concat()
}

#[derive(Serialize, Deserialize)]
struct Holder<T> {
    before: u8,
    payload: T,
    after: Vec<T>,
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn a_value_is_encoded_and_decoded_as_rmp_serde_does(value in value()) {
        let payload = Payload::encode(Format::MessagePack, &value).unwrap();
        prop_assert_eq!(payload.as_bytes(), rmp_serde::to_vec_named(&value).unwrap());
        prop_assert_eq!(payload.decode::<Value>().unwrap(), value);
        prop_assert_eq!(&Payload::msgpack(payload.as_bytes()).unwrap(), &payload);
    }

    #[test]
    fn what_is_written_is_read_again(
        name in "[^~]{1,20}", value in value(), stamp in option::of("[^~]{1,40}"),
    ) {
        let mut frame = Vec::new();
        Codec::MessagePack.write(&mut frame, &name, &value, stamp.as_deref()).unwrap();
        let envelope = Codec::MessagePack.read(&frame, true).unwrap();
        prop_assert_eq!((&*envelope.name, envelope.stamp.as_deref()), (&*name, stamp.as_deref()));
        prop_assert_eq!(envelope.payload.decode::<Value>().unwrap(), value);
        prop_assert_eq!(write(&envelope), frame, "encoded before or on the way, it is one frame");
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_no_envelope(value in anything(), cut in any::<prop::sample::Index>()) {
        let payload = bytes_of(&value);
        let frame = write(&Envelope { name: "m".into(), payload: Payload::msgpack(&payload).unwrap(), stamp: None });
        let cut = &frame[..cut.index(frame.len())];
        prop_assert!(Codec::MessagePack.read(cut, true).is_err());
        prop_assert!(Codec::MessagePack.read(&frame.repeat(2), true).is_err());
    }

    #[test]
    fn bytes_are_refused_or_mean_the_same_when_written_again(
        frame in prop_oneof![
            vec(any::<u8>(), 0..64),
            (0x91..0x94u8, vec(any::<u8>(), 0..24)).prop_map(|(head, rest)| beginning(head, &rest)),
            (0x92..0x94u8, anything()).prop_map(|(head, value)| {
                let stamp = if head == 0x93 { &b"\xa1S"[..] } else { b"" };
                beginning(head, &[&bytes_of(&value), stamp].concat())
            }),
        ],
    ) {
        if let Ok(envelope) = Codec::MessagePack.read(&frame, true) {
            prop_assert!(!envelope.name.is_empty());
            prop_assert!(envelope.stamp.as_deref() != Some(""));
            let again = write(&envelope);
            prop_assert_eq!(Codec::MessagePack.read(&again, true).unwrap(), envelope);
        }
        prop_assert!(Codec::MessagePack.read(&frame, false).is_err(), "no text frame is MessagePack");
    }

    #[test]
    fn everything_that_messagepack_has_is_kept_inside_of_a_type(value in anything()) {
        let bytes = bytes_of(&value);
        let payload = Payload::msgpack(&bytes).unwrap();
        let captured = payload.decode::<Payload<'static>>().unwrap();
        prop_assert_eq!(captured.as_bytes(), &bytes[..]);
        let encoded = Payload::encode(Format::MessagePack, &payload).unwrap();
        prop_assert_eq!(encoded.as_bytes(), &bytes[..]);

        let holder = Holder { before: 1, payload: payload.borrowed(), after: vec![payload.borrowed(); 2] };
        let wire = Payload::encode(Format::MessagePack, &holder).unwrap();
        let read: Holder<Payload<'static>> = wire.decode().unwrap();
        prop_assert_eq!((read.before, &read.payload, read.after.len()), (1, &payload, 2));
        prop_assert_eq!(Payload::encode(Format::MessagePack, &read).unwrap(), wire);
    }

    #[test]
    fn any_bytes_of_messagepack_are_passed_on_as_they_came_and_have_one_form_within_another_value(
        bytes in vec(any::<u8>(), 0..48),
    ) {
        let Ok(payload) = Payload::msgpack(&bytes) else { return Ok(()) };
        prop_assert_eq!(&Payload::encode(Format::MessagePack, &payload).unwrap(), &payload);
        // Text that is no UTF-8 has no form outside of the bytes it came in.
        let Ok(holder) = Payload::encode(Format::MessagePack, &(&payload, 1)) else { return Ok(()) };
        let (once, _): (Payload<'static>, u8) = holder.decode().unwrap();
        prop_assert!(once.as_bytes().len() <= bytes.len(), "the canonical form is the shortest");
        prop_assert_eq!(&Payload::encode(Format::MessagePack, &(&once, 1)).unwrap(), &holder);
    }

    #[test]
    fn a_value_of_json_is_translated_there_and_back(value in value()) {
        let json = Payload::encode(Format::Json, &value).unwrap();
        let there = json.translated(Format::MessagePack).unwrap();
        prop_assert_eq!(there.as_bytes(), rmp_serde::to_vec_named(&value).unwrap());
        let back = there.translated(Format::Json).unwrap();
        prop_assert_eq!(&back, &json);

        let packed = Payload::encode(Format::MessagePack, &value).unwrap();
        let there = packed.translated(Format::Json).unwrap();
        prop_assert_eq!(&there, &json);
        let back = there.translated(Format::MessagePack).unwrap();
        prop_assert_eq!(&back, &packed);
    }
}

#[test]
fn what_json_has_no_form_for_is_translated_or_refused_and_never_a_panic() {
    let cases: &[(&[u8], Option<&str>)] = &[
        (b"\xc4\x02\xff\x00", Some("[255,0]")),
        (b"\xca\x3f\xc0\0\0", Some("1.5")),
        (b"\xcb\x7f\xf8\0\0\0\0\0\0", Some("null")),
        (b"\x81\x05\x06", Some(r#"{"5":6}"#)),
        (b"\x81\xc3\x06", Some(r#"{"true":6}"#)),
        (b"\x81\x90\x06", None),
        (b"\x81\x80\x06", None),
    ];
    for (bytes, json) in cases {
        let payload = Payload::msgpack(bytes).unwrap();
        let translated = payload.translated(Format::Json).ok();
        assert_eq!(translated.as_ref().map(Payload::as_bytes), json.map(str::as_bytes), "{bytes:02x?}");
    }
}

#[test]
fn a_payload_as_deep_as_the_reader_allows_decodes_and_a_deeper_one_is_refused() {
    for depth in 120..140 {
        let payload = [&b"\x91".repeat(depth - 1)[..], b"\x90"].concat();
        assert_eq!(Payload::msgpack(&payload).is_ok(), depth <= 128, "{depth}");
        let frame = [b"\x92\xa1m", &payload[..]].concat();
        let envelope = Codec::MessagePack.read(&frame, true);
        let decoded = envelope.as_ref().map(|envelope| {
            let payload = &envelope.payload;
            (payload.decode::<Value>().is_ok(), payload.decode::<Payload<'static>>().is_ok(), write(envelope).len())
        });
        assert_eq!(decoded.ok(), (depth < 128).then_some((true, true, frame.len() + 1)), "{depth}");
    }
}

#[test]
fn an_empty_stamp_is_no_stamp_and_an_empty_type_no_envelope() {
    let read = |frame| Codec::MessagePack.read(frame, true).map(|envelope| envelope.stamp.is_some());
    assert!(!read(b"\x93\xa1m\xc0\xa0").unwrap());
    assert!(!read(b"\x93\xa1m\xc0\xd9\x00").unwrap());
    assert!(read(b"\x93\xa1m\xc0\xa1S").unwrap());
    assert!(read(b"\x91\xa0").is_err());
    assert!(read(b"\x93\xd9\x00\xc0\xa1S").is_err());
}

#[test]
fn a_failure_to_decode_says_so_and_quotes_nothing() {
    let secret = Payload::encode(Format::MessagePack, &("secret", 1)).unwrap();
    let error = secret.decode::<(u8, u8)>().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
    assert!(secret.decode::<(String,)>().is_err(), "a longer list is no shorter one");
}
