//! The JSON codecs under any bytes: nothing panics, a frame that was read can be written and read again, and another
//! reader of JSON agrees on what an envelope is.
//!
//! The whole input is a frame. The target sees what a connection sees, and does not look into the codecs.

#![no_main]

mod wire;

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, value::RawValue};
use std::sync::Arc;
use wse_proto::{Codec, Format, Payload, WsMessaging};

fuzz_target!(|frame: &[u8]| {
    differ(frame);
    same_value(frame);
    same_id(frame);
    same_id(&numbered(frame));
    wire::frame(&Codec::Json, frame);
});

/// A payload is what the other reader takes for a value, without the white space around it, and is sent unless it
/// nests too deep. A scan that overlooks a value shows here: nobody knows how deep that is, so it is not sent.
fn same_value(frame: &[u8]) {
    let Ok(text) = std::str::from_utf8(frame) else { return };
    let value = serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get);
    let payload = Payload::json(text).ok();
    assert_eq!(payload.as_ref().map(Payload::as_bytes), value.map(str::as_bytes), "{text:?}");
    let (Some(payload), Some(value)) = (payload, value) else { return };
    let sent = Codec::Json.write_encoded(&mut Vec::new(), "m", &payload, None);
    assert_eq!(sent.is_ok(), depth(value) < 128, "{text:?}");
}

/// How many arrays and objects are inside one another.
fn depth(json: &str) -> usize {
    let (mut open, mut deepest, mut quoted, mut escaped) = (0, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => open += 1,
            b']' | b'}' => open -= 1,
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// A call of `ws-messaging` whose id is all of the input that can stand in a number: most inputs have no large id.
fn numbered(input: &[u8]) -> Vec<u8> {
    let id = input.iter().copied().filter(|byte| byte.is_ascii_digit() || b".eE+-".contains(byte));
    br#"{"name":"add","args":[],"id":"#.iter().copied().chain(id).chain(*b"}").collect()
}

/// A call of `ws-messaging` is answered under the text of its id, unless that is a number that every double holds:
/// then under an equal number.
fn same_id(frame: &[u8]) {
    #[derive(serde::Deserialize)]
    struct Call<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    let codec = Codec::WsMessaging(Arc::new(WsMessaging::new()), Format::Json);
    let Ok(Call { id }) = serde_json::from_slice(frame) else { return };
    let Some(stamp) = codec.read(frame, false).ok().and_then(|envelope| envelope.stamp) else { return };
    let mut answer = Vec::new();
    let null = Payload::null(Format::Json);
    codec.write_encoded(&mut answer, "~wse:response", &null, Some(&stamp)).expect("an id that was read is written");
    let answered: Call<'_> = serde_json::from_slice(&answer).expect("it is JSON");
    let exact = id.get().parse::<f64>().is_ok_and(|number| number <= 9_007_199_254_740_992.0);
    let equal = exact && id.get().parse::<f64>() == answered.id.get().parse::<f64>();
    assert!(equal || answered.id.get() == id.get(), "{} was answered as {}", id.get(), answered.id.get());
}

/// What the other reader refuses may still be an envelope: it looks into payloads, the codec does not.
fn differ(frame: &[u8]) {
    let read = Codec::Json.read(frame, false);
    let Ok(Value::Array(parts)) = serde_json::from_slice::<Value>(frame) else { return };
    let name = parts.first().and_then(Value::as_str).filter(|name| !name.is_empty());
    let welcome = name == Some("~wse:welcome");
    let stamped = match parts.get(2) {
        None | Some(Value::Null | Value::String(_)) => true,
        Some(Value::Object(_)) => welcome,
        Some(_) => false,
    };
    let lawful = name.is_some() && stamped && parts.len() <= 3;
    assert_eq!(read.is_ok(), lawful, "{:?} {read:?}", String::from_utf8_lossy(frame));
    let (Ok(envelope), Some(name)) = (read, name) else { return };
    assert_eq!(envelope.name, name);
    let payload = envelope.payload.decode::<Value>().expect("the other reader has read it");
    assert_eq!(Some(&payload), parts.get(1).or(Some(&Value::Null)));
    if !welcome {
        let stamp = parts.get(2).and_then(Value::as_str).filter(|stamp| !stamp.is_empty());
        assert_eq!(envelope.stamp.as_deref(), stamp);
    }
}
