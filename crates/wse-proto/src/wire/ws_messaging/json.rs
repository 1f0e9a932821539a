//! The frames of `ws-messaging` as JSON text. It must not decode a payload.

use crate::wire::{
    depth::refuse_deep,
    envelope::Envelope,
    error::{EncodeError, ProtocolError},
    json::{Text, no_json, text},
    payload::{Format, Payload},
    ws_messaging::{
        frame::{self, FrameFields, OwnFrame},
        names::CONNECT,
    },
};
use serde::{
    Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// The error for text that is not JSON, in the words of npm `ws-messaging`.
fn syntax(error: ProtocolError) -> ProtocolError {
    ProtocolError::new(format!("SyntaxError: {}", error.why()))
}

/// Reads the first frame of a client, which may be any value.
pub(crate) fn read_auth(frame: &[u8]) -> Result<Payload<'_>, ProtocolError> {
    let value = text(frame).and_then(|text| serde_json::from_str::<&RawValue>(text).map_err(no_json));
    value.map(Payload::raw).map_err(syntax)
}

/// Reads any other frame.
pub(crate) fn read(frame: &[u8], skip_validation: bool) -> Result<Envelope<'_>, ProtocolError> {
    let text = text(frame).map_err(syntax)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let fields = deserializer.deserialize_map(FrameVisitor).and_then(|fields| deserializer.end().map(|()| fields));
    match fields {
        Ok(fields) => fields.envelope(Format::Json, skip_validation),
        Err(_) => match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => Err(frame::invalid()),
            Err(error) => Err(syntax(no_json(error))),
        },
    }
}

struct FrameVisitor;

impl<'de> Visitor<'de> for FrameVisitor {
    type Value = FrameFields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FrameFields<'de>, A::Error> {
        let mut fields = FrameFields::default();
        // As in JavaScript, the last of several fields of one name counts.
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "name" => fields.name = Some(name(map.next_value()?)),
                "args" => fields.args = Some(arguments(map.next_value()?)),
                "id" => fields.id = Some(frame::id(map.next_value::<&RawValue>()?.get())),
                "result" => fields.result = Some(Payload::raw(map.next_value()?)),
                "error" => fields.error = Some(Payload::raw(map.next_value()?)),
                _ => {
                    fields.unknown = true;
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

fn name(value: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str(value.get()).ok().map(|Text(name)| name)
}

/// The payload that a list of arguments means: the argument itself where it is the only one and no
/// array, the list otherwise.
fn arguments(list: &RawValue) -> Option<Payload<'_>> {
    let single = serde_json::Deserializer::from_str(list.get()).deserialize_seq(Single).ok()?;
    Some(Payload::raw(single.unwrap_or(list)))
}

/// Finds the only element of a list, unless it is a list itself.
struct Single;

impl<'de> Visitor<'de> for Single {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let first = seq.next_element::<&RawValue>()?.filter(|first| !first.get().starts_with('['));
        let mut more = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok(first.filter(|_| !more))
    }
}

/// Appends an event, or a call with its id. An array becomes the list of arguments, any other payload
/// the only argument.
pub(crate) fn write<P: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    name: &str,
    payload: &P,
    id: Option<&str>,
) -> Result<(), EncodeError> {
    let start = out.len();
    named(out, name)?;
    let list = out.len();
    out.push(b'[');
    serde_json::to_writer(&mut *out, payload).map_err(EncodeError::new)?;
    if out.get(list + 1) == Some(&b'[') {
        out.remove(list);
    } else {
        out.push(b']');
    }
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":");
        put_id(out, id)?;
    }
    out.push(b'}');
    refuse_deep(&out[start..])
}

/// Appends a frame of the protocol's own.
pub(crate) fn write_own(
    out: &mut Vec<u8>,
    own: &OwnFrame,
    payload: &Payload<'_>,
    id: Option<&str>,
) -> Result<(), EncodeError> {
    let start = out.len();
    match own {
        OwnFrame::Auth => out.extend_from_slice(payload.as_bytes()),
        OwnFrame::Connect => {
            named(out, CONNECT)?;
            out.push(b'[');
            out.extend_from_slice(payload.as_bytes());
            out.extend_from_slice(b"]}");
        }
        OwnFrame::Answer(field) => {
            out.extend_from_slice(b"{\"id\":");
            put_id(out, id.unwrap_or_default())?;
            out.extend_from_slice(b",\"");
            out.extend_from_slice(field.as_bytes());
            out.extend_from_slice(b"\":");
            out.extend_from_slice(payload.as_bytes());
            out.push(b'}');
        }
    }
    refuse_deep(&out[start..])
}

fn named(out: &mut Vec<u8>, name: &str) -> Result<(), EncodeError> {
    out.extend_from_slice(b"{\"name\":");
    serde_json::to_writer(&mut *out, name).map_err(EncodeError::new)?;
    out.extend_from_slice(b",\"args\":");
    Ok(())
}

fn put_id(out: &mut Vec<u8>, id: &str) -> Result<(), EncodeError> {
    out.extend_from_slice(frame::number(id)?.as_bytes());
    Ok(())
}
