//! The frames of `ws-messaging` as JSON text. It may never decode a payload.

use super::frame::{self, Fields, Own};
use crate::{
    EncodeError, Envelope, Format, Payload, ProtocolError,
    json::{Text, no_json, refuse_deep, text},
};
use serde::{
    Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// What is no JSON, as npm `ws-messaging` names it.
fn syntax(error: ProtocolError) -> ProtocolError {
    ProtocolError::new(format!("SyntaxError: {}", error.why()))
}

/// The first frame of a client: any value.
pub(crate) fn read_auth(frame: &[u8]) -> Result<Payload<'_>, ProtocolError> {
    let value = text(frame).and_then(|text| serde_json::from_str::<&RawValue>(text).map_err(no_json));
    value.map(Payload::raw).map_err(syntax)
}

/// Any other frame.
pub(crate) fn read(frame: &[u8], skip_validation: bool) -> Result<Envelope<'_>, ProtocolError> {
    let text = text(frame).map_err(syntax)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let fields = deserializer.deserialize_map(Frame).and_then(|fields| deserializer.end().map(|()| fields));
    match fields {
        Ok(fields) => fields.envelope(Format::Json, skip_validation),
        Err(_) => match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => Err(frame::invalid()),
            Err(error) => Err(syntax(no_json(error))),
        },
    }
}

struct Frame;

impl<'de> Visitor<'de> for Frame {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        // As in JavaScript, the last of several fields of one name holds.
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "name" => fields.name = Some(name(map.next_value()?)),
                "args" => fields.args = Some(arguments(map.next_value()?)),
                "id" => fields.id = Some(frame::id(map.next_value::<&RawValue>()?.get())),
                "result" => fields.result = Some(Payload::raw(map.next_value()?)),
                "error" => fields.error = Some(Payload::raw(map.next_value()?)),
                _ => {
                    fields.odd = true;
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

/// A single argument that is no array stands for itself, every other list for the list.
fn arguments(list: &RawValue) -> Option<Payload<'_>> {
    let single = serde_json::Deserializer::from_str(list.get()).deserialize_seq(Single).ok()?;
    Some(Payload::raw(single.unwrap_or(list)))
}

/// The only element of a list, if it is no list itself.
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

/// Appends an event, or a call with its id. A payload that is an array is spread over the
/// arguments, anything else is the one argument.
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

/// Appends an envelope of the protocol's own.
pub(crate) fn write_own(
    out: &mut Vec<u8>,
    own: &Own,
    payload: &Payload<'_>,
    id: Option<&str>,
) -> Result<(), EncodeError> {
    let start = out.len();
    match own {
        Own::Auth => out.extend_from_slice(payload.as_bytes()),
        Own::Connect => {
            named(out, super::CONNECT)?;
            out.push(b'[');
            out.extend_from_slice(payload.as_bytes());
            out.extend_from_slice(b"]}");
        }
        Own::Answer(field) => {
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
    serde_json::to_writer(out, &frame::number(id)?).map_err(EncodeError::new)
}
