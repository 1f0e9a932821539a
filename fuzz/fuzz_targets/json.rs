//! The JSON codecs under any bytes: nothing panics, a frame that was read can be written and read again, and another
//! reader of JSON agrees on what an envelope is.
//!
//! The whole input is a frame. The target sees what a connection sees, and does not look into the codecs.

#![no_main]

mod wire;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::Arc;
use wse_proto::{Codec, Format, Payload, WsMessaging};

fuzz_target!(|frame: &[u8]| {
    differ(frame);
    same_id(frame);
    same_id(&numbered(frame));
    wire::frame(&Codec::Json, frame);
});

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
        id: &'a serde_json::value::RawValue,
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
