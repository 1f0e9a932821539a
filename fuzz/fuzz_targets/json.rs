//! The JSON codecs under any bytes: nothing panics, a frame that was read can be written and read again, and another
//! reader of JSON agrees on what an envelope is.
//!
//! The whole input is a frame. The target sees what a connection sees, and does not look into the codecs.

#![no_main]

mod wire;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use wse_proto::Codec;

fuzz_target!(|frame: &[u8]| {
    differ(frame);
    wire::frame(&Codec::Json, frame);
});

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
