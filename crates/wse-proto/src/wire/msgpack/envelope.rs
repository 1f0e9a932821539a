//! `wse-msgpack`: the envelope as a MessagePack array of three in a binary frame. It must not decode
//! a payload.

use crate::wire::{
    depth::DEPTH,
    envelope::{Envelope, Kind},
    error::{EncodeError, ProtocolError},
    msgpack::{
        scan::{next_value, refuse_deep, scan},
        token::Reader,
        value::encode,
    },
    payload::{Format, Payload},
};
use serde::Serialize;
use std::borrow::Cow;

/// Reads an array of one to three: type, payload, stamp.
pub(crate) fn read(frame: &[u8]) -> Result<Envelope<'_>, ProtocolError> {
    if scan(frame, DEPTH)? != frame.len() {
        return Err(ProtocolError::new("bytes after the envelope"));
    }
    let mut reader = Reader::new(frame);
    let length @ 1..=3 = reader.array()? else { return Err(ProtocolError::new("not an array of one to three")) };
    let name = Cow::Borrowed(reader.text()?);
    let payload =
        if length > 1 { Payload::scanned(next_value(&mut reader)?) } else { Payload::null(Format::MessagePack) };
    let stamp = match length {
        3 if name == Kind::Welcome.as_str() => third_of_welcome(&Payload::scanned(next_value(&mut reader)?))?,
        3 => reader.text_or_nil()?.map(Cow::Borrowed),
        _ => None,
    };
    Ok(Envelope { name, payload, stamp })
}

/// A welcome may have a map in the place of the stamp. It becomes JSON text.
fn third_of_welcome(third: &Payload<'_>) -> Result<Option<Cow<'static, str>>, ProtocolError> {
    if !third.is_object() {
        return Ok(third.decode::<Option<String>>()?.map(Cow::Owned));
    }
    let json = third.translated(Format::Json).map_err(|_| ProtocolError::new("a map that is no JSON"))?;
    Ok(Some(String::from_utf8_lossy(json.as_bytes()).into_owned().into()))
}

/// Appends a welcome with a map in the third place; the map is given as JSON text.
pub(crate) fn write_welcome(out: &mut Vec<u8>, payload: &[u8], granted: &str) -> Result<(), EncodeError> {
    let start = out.len();
    begin(out, Kind::Welcome.as_str())?;
    out.extend_from_slice(payload);
    let granted = Payload::json(granted).map_err(EncodeError::new)?;
    out.extend_from_slice(granted.translated(Format::MessagePack)?.as_bytes());
    refuse_deep(&out[start..])
}

/// Appends an envelope; the payload is serialized directly behind the type.
pub(crate) fn write<P: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    name: &str,
    payload: &P,
    stamp: Option<&str>,
) -> Result<(), EncodeError> {
    let start = out.len();
    begin(out, name)?;
    encode(out, payload)?;
    end(out, stamp, start)
}

/// Appends an envelope around a payload that is MessagePack already.
pub(crate) fn write_raw(out: &mut Vec<u8>, name: &str, payload: &[u8], stamp: Option<&str>) -> Result<(), EncodeError> {
    let start = out.len();
    begin(out, name)?;
    out.extend_from_slice(payload);
    end(out, stamp, start)
}

fn begin(out: &mut Vec<u8>, name: &str) -> Result<(), EncodeError> {
    rmp::encode::write_array_len(out, 3).map_err(EncodeError::new)?;
    rmp::encode::write_str(out, name).map_err(EncodeError::new)
}

fn end(out: &mut Vec<u8>, stamp: Option<&str>, start: usize) -> Result<(), EncodeError> {
    match stamp {
        Some(stamp) => rmp::encode::write_str(out, stamp).map_err(EncodeError::new)?,
        None => out.push(0xc0),
    }
    refuse_deep(&out[start..])
}
