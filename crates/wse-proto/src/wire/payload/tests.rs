//! Payloads: what is kept, what is decoded, what is translated.

use super::*;
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
    assert_eq!(error.to_string(), "the payload is no `u64`, at line 1 column 10");
    assert!(!format!("{error:?}").contains("secret"));
    let secret = Payload::encode(Format::MessagePack, "a secret").unwrap();
    assert_eq!(secret.decode::<u64>().unwrap_err().to_string(), "the payload is no `u64`");
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
