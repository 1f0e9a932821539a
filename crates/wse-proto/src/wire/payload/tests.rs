//! Payloads: what is kept, what is decoded, what is translated.

use super::*;
use crate::wire::{
    json::envelope::{write, write_raw},
    msgpack,
};
use serde::{Deserialize, Serializer, ser::Error};
use serde_json::json;

fn json(text: &str) -> Payload<'_> {
    Payload::json(text).unwrap()
}

#[test]
fn a_payload_never_shows_its_content() {
    assert_eq!(format!("{:?}", json(r#""a secret""#)), "Json(10 bytes)");
}

#[test]
fn a_value_survives_encoding_and_decoding_in_every_format() {
    for format in [Format::Json, Format::MessagePack] {
        let payload = Payload::encode(format, &("a", 1)).unwrap();
        assert_eq!(payload.decode::<(String, i64)>().unwrap(), ("a".to_owned(), 1));
        assert_eq!(payload.borrowed().into_owned(), payload);
        assert_eq!(payload.format(), format);
    }
}

#[test]
fn what_does_not_fit_the_type_is_an_error() {
    let error = json("\"a secret\"").decode::<u64>().unwrap_err();
    assert_eq!(error.to_string(), "the payload is no `u64`: expected u64, got a string");
    assert!(!format!("{error:?}").contains("secret"));
    let secret = Payload::encode(Format::MessagePack, "a secret").unwrap();
    assert_eq!(secret.decode::<u64>().unwrap_err().to_string(), error.to_string());
    let keyed_by_pairs = std::collections::HashMap::from([((1, 2), 3)]);
    assert!(Payload::encode(Format::Json, &keyed_by_pairs).is_err());
    assert!(Payload::json("{").is_err());
    assert!(Payload::msgpack(b"\x92\x01").is_err());
    assert!(Payload::msgpack(b"\x01\x01").is_err());
}

#[test]
fn the_null_of_a_format_decodes_to_unit_and_none() {
    for format in [Format::Json, Format::MessagePack] {
        Payload::null(format).decode::<()>().unwrap();
        assert_eq!(Payload::null(format).decode::<Option<u8>>().unwrap(), None);
    }
}

#[test]
fn one_format_is_translated_into_the_other_and_back() {
    let text = r#"{"a":[1,-2,3.5,"x",null,true,18446744073709551615],"b":{}}"#;
    let there = json(text).translated(Format::MessagePack).unwrap().into_owned();
    assert_eq!(there.format(), Format::MessagePack);
    assert_eq!(there.translated(Format::Json).unwrap(), json(text));
    assert_eq!(there.translated(Format::MessagePack).unwrap(), there);
}

#[test]
fn a_translation_keeps_the_order_of_keys_and_lists_of_any_length() {
    for length in [0, 1, 15, 16, 17, 5000, 70_000] {
        let list = vec![1; length];
        let text = serde_json::to_string(&[&list]).unwrap();
        let there = json(&text).translated(Format::MessagePack).unwrap().into_owned();
        Payload::msgpack(there.as_bytes()).unwrap();
        assert_eq!(there.decode::<Vec<Vec<u8>>>().unwrap(), [list], "{length}");
        assert_eq!(there.translated(Format::Json).unwrap(), json(&text));
    }
    let text = r#"{"b":{"z":1,"y":[2]},"a":"é","":{}}"#;
    assert_eq!(json(text).translated(Format::MessagePack).unwrap().translated(Format::Json).unwrap(), json(text));
    let long = format!("[\"{}\"]", "x".repeat(70_000));
    let there = json(&long).translated(Format::MessagePack).unwrap().into_owned();
    assert_eq!(there.translated(Format::Json).unwrap(), json(&long), "a short list of much");
}

#[test]
fn half_a_character_becomes_the_replacement_character_on_the_way_to_messagepack() {
    let halves = json(r#"{"a\ud83d":["\ud83d\ude00 \ude00",{"inner":"\\ud83d"}]}"#);
    let there = Payload::encode(Format::MessagePack, &("m", &halves)).unwrap();
    assert_eq!(
        there.translated(Format::Json).unwrap(),
        json("[\"m\",{\"a\u{fffd}\":[\"😀 \u{fffd}\",{\"inner\":\"\\\\ud83d\"}]}]")
    );
    assert_eq!(halves.translated(Format::Json).unwrap(), halves, "JSON stays as it was written");
    assert!(halves.decode::<serde_json::Value>().is_err(), "a handler that takes text does not get half a character");
    assert!(json("1e400").translated(Format::MessagePack).is_err());
}

#[test]
fn a_type_has_one_shape_in_both_formats() {
    let address = std::net::IpAddr::from([127, 0, 0, 1]);
    let told = Payload::encode(Format::MessagePack, &address).unwrap();
    assert_eq!(told, Payload::encode(Format::MessagePack, "127.0.0.1").unwrap());
    assert_eq!(told.decode::<std::net::IpAddr>().unwrap(), address);
    assert_eq!(told.translated(Format::Json).unwrap(), json(r#""127.0.0.1""#));
    assert_eq!(json(r#""127.0.0.1""#).translated(Format::MessagePack).unwrap(), told);
}

#[test]
fn a_type_that_holds_json_of_its_own_is_not_confused_by_a_payload_around_it() {
    /// A payload that travels as JSON text.
    struct Text(Payload<'static>);
    impl Serialize for Text {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&serde_json::to_string(&self.0).map_err(S::Error::custom)?)
        }
    }
    let inner = json(r#"{"n":[1.5,null]}"#).into_owned();
    for format in [Format::Json, Format::MessagePack] {
        let told: String = Payload::encode(format, &Text(inner.clone())).unwrap().decode().unwrap();
        assert_eq!(told, r#"{"n":[1.5,null]}"#);
    }
    assert_eq!(Payload::encode(Format::Json, &inner).unwrap(), inner, "and nothing stays behind");
}

#[test]
fn a_payload_inside_of_a_type_is_kept_as_it_was_written() {
    #[derive(Serialize, Deserialize)]
    struct To {
        cid: String,
        payload: Payload<'static>,
    }
    let to: To = json(r#"{"cid":"a","payload":{"n": 1.0 }}"#).decode().unwrap();
    assert_eq!(to.payload.as_bytes(), br#"{"n": 1.0 }"#);
    assert_eq!(Payload::encode(Format::Json, &to).unwrap().as_bytes(), br#"{"cid":"a","payload":{"n": 1.0 }}"#);
    // A map of a binary, a float32 and an extension: what JSON has no form for.
    let bytes = b"\x83\xa1b\xc4\x02\xff\x00\xa1f\xca\x3f\x80\0\0\xa1e\xd4\x05\x07";
    let wire = [b"\x82\xa3cid\xa1a\xa7payload", &bytes[..]].concat();
    let to: To = Payload::msgpack(&wire).unwrap().decode().unwrap();
    assert_eq!(to.payload.as_bytes(), bytes);
    assert_eq!(Payload::encode(Format::MessagePack, &to).unwrap().as_bytes(), wire);
    assert!(to.payload.decode::<serde_json::Value>().is_err(), "JSON has no extensions");
}

#[test]
fn a_list_of_arguments_decodes_as_what_it_may_mean() {
    let list = |text| json(text).of_arguments();
    list("[]").decode::<()>().unwrap();
    assert_eq!(list("[ ]").decode::<Option<u8>>().unwrap(), None);
    assert_eq!(list("[]").decode::<Vec<u8>>().unwrap(), [0; 0]);
    assert_eq!(list("5").decode::<Vec<u8>>().unwrap(), [5]);
    assert_eq!(list("5").decode::<(u8,)>().unwrap(), (5,));
    assert_eq!(list("[1,2]").decode::<(u8, u8)>().unwrap(), (1, 2));
    assert!(list("\"x\"").decode::<u8>().unwrap_err().to_string().contains("`u8`"));
    assert!(json("[]").decode::<()>().is_err(), "only a list of arguments");
    assert_eq!(json("{\"a\":1}").listed().decode::<serde_json::Value>().unwrap(), json!([{"a": 1}]));
}

/// Text that no parser and no scan would take for JSON, with a depth that is none of it.
fn unlooked() -> Payload<'static> {
    Payload::text("neither read nor scanned", 3)
}

#[test]
fn a_payload_is_sent_as_it_stands() {
    let payload = unlooked();
    for write in [
        |out: &mut Vec<u8>, payload: &Payload<'_>| write(out, "m", payload, None),
        |out: &mut Vec<u8>, payload: &Payload<'_>| write(out, "m", &payload, None),
        |out: &mut Vec<u8>, payload: &Payload<'_>| write_raw(out, "m", payload, None),
    ] {
        let mut out = Vec::new();
        write(&mut out, &payload).unwrap();
        assert_eq!(out, br#"["m",neither read nor scanned,null]"#);
    }
    let again = Payload::encode(Format::Json, &payload).unwrap();
    assert_eq!((&again, again.depth()), (&payload, 3));
    let packed = Payload::scanned(b"\xc1\xc1", 200);
    assert_eq!(Payload::encode(Format::MessagePack, &packed).unwrap(), packed);
    assert!(msgpack::envelope::write(&mut Vec::new(), "m", &packed, None).is_err(), "its depth is known");
    assert!(write(&mut Vec::new(), "m", &Payload::text("0", 128), None).is_err());
}

#[test]
fn a_payload_within_another_value_is_looked_at() {
    assert!(Payload::encode(Format::Json, &Some(unlooked())).is_err());
    assert!(Payload::encode(Format::Json, &[unlooked()]).is_err());
    assert_eq!(serde_json::to_string(&json("[ 1 ]")).unwrap(), "[ 1 ]", "another serializer");
    assert_eq!(serde_json::to_value(json("[ 1 ]")).unwrap(), json!([1]));
}

#[test]
fn the_depth_of_what_is_written_is_counted_on_the_way() {
    #[derive(Serialize)]
    enum Shape<'a> {
        Unit,
        Newtype(&'a str),
        Tuple(u8, u8),
        Struct { inner: Vec<Shape<'a>>, map: std::collections::BTreeMap<&'a str, Option<(u8,)>> },
        Payload(Payload<'a>),
        Raw(&'a RawValue),
    }
    let raw: &RawValue = serde_json::from_str("[[[{}]]]").unwrap();
    let map = std::collections::BTreeMap::from([("[[[[\"{", Some((1,)))]);
    for (shape, depth) in [
        (Shape::Unit, 0),
        (Shape::Newtype("[[[["), 1),
        (Shape::Tuple(1, 2), 2),
        (Shape::Struct { inner: vec![], map: map.clone() }, 4),
        (Shape::Struct { inner: vec![Shape::Tuple(1, 1), Shape::Unit], map }, 5),
        (Shape::Payload(json("7")), 1),
        (Shape::Payload(json(r#"{"a":[1,{}]}"#)), 4),
        (Shape::Raw(raw), 5),
    ] {
        let payload = Payload::encode(Format::Json, &shape).unwrap();
        let text = std::str::from_utf8(payload.as_bytes()).unwrap();
        assert_eq!((payload.depth(), json(text).depth()), (depth, depth), "{text}");
        let there = payload.translated(Format::MessagePack).unwrap();
        assert_eq!(Payload::msgpack(there.as_bytes()).unwrap().depth(), there.depth());
        if !matches!(shape, Shape::Raw(_)) {
            let packed = Payload::encode(Format::MessagePack, &shape).unwrap();
            assert_eq!(packed.depth(), depth, "{text}");
        }
    }
}

#[test]
fn raw_json_counts_where_it_stands() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for (depth, fits) in [(1, true), (125, true), (126, true), (127, false), (128, false), (129, false), (1000, false)]
    {
        let raw: &RawValue = &serde_json::from_str::<Box<RawValue>>(&nested(depth)).unwrap();
        let alone = write(&mut Vec::new(), "m", raw, None);
        assert_eq!(alone.is_ok(), depth <= 127, "{depth}");
        assert_eq!(write(&mut Vec::new(), "m", &[raw], None).is_ok(), fits, "{depth}");
        let payload = Payload::raw(raw);
        assert_eq!(write(&mut Vec::new(), "m", &[&payload], None).is_ok(), fits, "{depth}");
        assert_eq!(write(&mut Vec::new(), "m", &payload, None).is_ok(), depth <= 127, "{depth}");
        let read: Payload<'static> = serde_json::from_str(&nested(depth)).unwrap();
        assert_eq!(read.depth(), payload.depth(), "{depth}");
    }
}

#[test]
fn a_long_text_is_encoded_whatever_it_is_written_in() {
    for text in ["x", "ß", "世界", "😀 und \"mehr\"\n", "\u{7f}\u{2028}"] {
        for length in [0, 1, 5, 9, 20, 21, 22, 60, 61, 62, 63, 64, 65, 1000] {
            let text = text.repeat(length);
            let payload = Payload::encode(Format::Json, &text).unwrap();
            assert_eq!(payload.as_bytes(), serde_json::to_vec(&text).unwrap());
            assert_eq!(payload.decode::<String>().unwrap(), text);
        }
    }
}

#[test]
fn what_nests_too_deep_is_refused_when_it_is_sent_in_either_format_however_deep_it_is() {
    for depth in [128, 255, 300] {
        let value = (0..depth).fold(json!(1), |inner, _| json!([inner]));
        for format in [Format::Json, Format::MessagePack] {
            let payload = Payload::encode(format, &value).unwrap();
            let mut out = Vec::new();
            let sent = match format {
                Format::Json => [write(&mut out, "m", &value, None), write_raw(&mut out, "m", &payload, None)],
                Format::MessagePack => [
                    msgpack::envelope::write(&mut out, "m", &value, None),
                    msgpack::envelope::write_raw(&mut out, "m", &payload, None),
                ],
            };
            for refused in sent.map(Result::unwrap_err) {
                assert!(format!("{refused:?}").contains("nested deeper than 128"), "{depth}: {refused:?}");
            }
        }
    }
}
