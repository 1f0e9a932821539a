//! A payload as a field of another type, or alone for another serializer: how it serializes and deserializes.

use crate::wire::{
    depth::{DEPTH, TOO_DEEP},
    msgpack::{self, capture::capture, serialize::serialize, value::is_active},
    payload::{Content, Payload, depth_of, packed, taken::offer},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error};
use serde_json::value::RawValue;

/// Serializes the value it holds; as raw JSON where `serde_json` is the serializer.
impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let serializer = match offer(self, serializer) {
            Ok(serializer) => serializer,
            Err(taken) => return taken,
        };
        let raw = serializer.is_human_readable() && !is_active();
        match self.content() {
            Content::Json(text) if raw => {
                serde_json::from_str::<&RawValue>(text).map_err(S::Error::custom)?.serialize(serializer)
            }
            Content::Json(text) => serialize(&packed(text).map_err(S::Error::custom)?, serializer),
            Content::MessagePack(bytes) => serialize(bytes, serializer),
        }
    }
}

/// From a `serde_json` deserializer it becomes JSON as it was written, from any other MessagePack.
impl<'de> Deserialize<'de> for Payload<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() && !is_active() {
            let text: Box<str> = Box::<RawValue>::deserialize(deserializer)?.into();
            let depth = depth_of(&text);
            return Ok(Payload::text(text.into_string(), depth));
        }
        let mut bytes = Vec::new();
        capture(deserializer, &mut bytes)?;
        let depth = msgpack::scan::scan(&bytes, DEPTH).map_or(TOO_DEEP, |found| found.depth);
        Ok(Payload::scanned(bytes, depth))
    }
}
