//! Tests of what is said of a payload of the wrong type.

use super::traced::fault;
use crate::{Format, Payload};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[allow(dead_code)]
struct Ride {
    id: u8,
    #[serde(default)]
    stops: Vec<Stop>,
    kind: Option<Kind>,
    #[serde(default)]
    prices: BTreeMap<String, Price>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Stop {
    lat: f64,
    at: (u8, u8),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code)]
enum Kind {
    Car,
    Van { seats: u8 },
    Other(Price),
    Both(u8, u8),
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Price(u32);

#[derive(Deserialize)]
#[serde(try_from = "String")]
#[allow(dead_code)]
struct Plate(String);

impl TryFrom<String> for Plate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() < 8 { Ok(Plate(text)) } else { Err(format!("{text} is no plate, expected {text}")) }
    }
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Flat {
    #[serde(flatten)]
    stop: BTreeMap<String, u8>,
}

#[derive(Deserialize)]
#[serde(untagged)]
#[allow(dead_code)]
enum Either {
    Number(u8),
    Flag(bool),
}

/// What is said of the same value in both formats, which has to be the same.
fn told<T: DeserializeOwned>(value: &Value) -> String {
    let [json, msgpack] = [Format::Json, Format::MessagePack].map(|format| {
        let payload = Payload::encode(format, value).unwrap();
        let Err(error) = payload.decode::<T>() else { panic!("{value} is one") };
        error.to_string()
    });
    assert_eq!(json, msgpack);
    let (_, told) = json.split_once("`, at ").or_else(|| json.split_once("`: ")).unwrap_or_else(|| panic!("{json}"));
    told.to_owned()
}

#[test]
fn the_field_is_named_with_what_was_expected_and_what_kind_of_value_came() {
    let stop = |stop: Value| json!({"id": 1, "stops": [{"lat": 1.5, "at": [1, 2]}, stop]});
    let kind = |kind: Value| json!({"id": 1, "kind": kind});
    for (value, expected) in [
        (json!("secret"), "expected struct Ride, got a string"),
        (json!({}), "missing field `id`"),
        (json!({"id": "secret"}), "`id`: expected u8, got a string"),
        (json!({"id": 300}), "`id`: expected u8, got an integer"),
        (json!({"id": 1.5}), "`id`: expected u8, got a number with a fraction"),
        (json!({"id": null}), "`id`: expected u8, got null"),
        (json!({"id": [1]}), "`id`: expected u8, got an array"),
        (json!({"id": true, "stops": 1}), "`id`: expected u8, got a boolean"),
        (json!({"id": 1, "stops": {}}), "`stops`: expected a sequence, got an object"),
        (stop(json!({"lat": "secret", "at": [1, 2]})), "`stops[1].lat`: expected f64, got a string"),
        (stop(json!({"at": [1, 2]})), "`stops[1]`: missing field `lat`"),
        (stop(json!({"lat": 1, "at": [1, "secret"]})), "`stops[1].at[1]`: expected u8, got a string"),
        (stop(json!({"lat": 1, "secret": 1})), "`stops[1]`: unknown field, expected `lat` or `at`"),
        (stop(json!(["secret", [1, 2]])), "`stops[1].lat`: expected f64, got a string"),
        (kind(json!("secret")), "`kind`: expected one of `car`, `van`, `other`, `both`"),
        (kind(json!({"van": {"seats": "secret"}})), "`kind.van.seats`: expected u8, got a string"),
        (kind(json!({"other": "secret"})), "`kind.other`: expected u32, got a string"),
        (kind(json!({"both": [1, "secret"]})), "`kind.both[1]`: expected u8, got a string"),
        (json!({"id": 1, "prices": {"secret": -1}}), "`prices.*`: expected u32, got an integer"),
    ] {
        assert_eq!(told::<Ride>(&value), expected, "{value}");
    }
    assert_eq!(told::<(u8, Price)>(&json!([1, "secret"])), "`[1]`: expected u32, got a string");
    assert_eq!(told::<[[u8; 2]; 2]>(&json!([[1, 2], [3]])), "`[1]`: expected an array of length 2, got another length");
    assert_eq!(told::<Either>(&json!("secret")), "expected a variant of Either");
    // What serde keeps before it looks at it has no path, and is not named wrongly.
    assert_eq!(told::<Flat>(&json!({"secret": "secret"})), "expected u8, got a string");
}

#[test]
fn what_a_type_says_of_its_own_is_not_told_since_it_may_quote() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Car {
        plate: Plate,
    }
    let car = json!({"plate": "a secret that is long"});
    assert_eq!(told::<Car>(&car), "`plate`: a value that its type does not accept");
    for secret in ["secret, expected secret", "secret`, expected `secret", "\", expected \"secret"] {
        assert_eq!(told::<u8>(&json!(secret)), "expected u8, got a string");
        assert!(!told::<Kind>(&json!(secret)).contains("secret"));
        assert!(!told::<Stop>(&json!({ secret: 1 })).contains("secret"));
    }
}

#[test]
fn what_decodes_has_no_fault_and_payloads_in_it_are_read_as_before() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Held {
        held: Payload<'static>,
        raw: Value,
        number: u8,
    }
    let text = r#"{"held":{"a":[1]},"raw":{"b":2},"number":5}"#;
    assert_eq!(fault::<Held, _>(&mut serde_json::Deserializer::from_str(text)), None);
    let value = json!({"held": {"a": [1]}, "raw": {"b": 2}, "number": "secret"});
    assert_eq!(told::<Held>(&value), "`number`: expected u8, got a string");
}
