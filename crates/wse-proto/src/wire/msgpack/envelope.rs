//! `wse-msgpack`: the envelope as a MessagePack array of three in a binary frame. It must not decode
//! a payload.

use crate::wire::{
    depth::{DEPTH, refuse_deep},
    envelope::{Envelope, Kind},
    error::{EncodeError, ProtocolError},
    msgpack::{
        scan::{next_value, scan},
        token::Reader,
    },
    payload::{Format, Payload},
};
use serde::Serialize;
use std::borrow::Cow;

/// Reads an array of one to three: type, payload, stamp.
pub(crate) fn read(frame: &[u8]) -> Result<Envelope<'_>, ProtocolError> {
    let mut reader = Reader::new(frame);
    match take(&mut reader) {
        Ok(envelope) if reader.left() == 0 => Ok(envelope),
        // What is wrong with the frame as a whole comes before what is wrong with a part of it.
        taken => match scan(frame, DEPTH)?.end == frame.len() {
            true => taken,
            false => Err(ProtocolError::new("bytes after the envelope")),
        },
    }
}

/// Takes an envelope, and looks at every byte once.
fn take<'a>(reader: &mut Reader<'a>) -> Result<Envelope<'a>, ProtocolError> {
    let length @ 1..=3 = reader.array()? else { return Err(ProtocolError::new("not an array of one to three")) };
    let name = Cow::Borrowed(reader.text()?);
    let payload = if length > 1 { next_payload(reader)? } else { Payload::null(Format::MessagePack) };
    let stamp = match length {
        3 if name == Kind::Welcome.as_str() => third_of_welcome(&next_payload(reader)?)?,
        3 => reader.text_or_nil()?.map(Cow::Borrowed),
        _ => None,
    };
    Ok(Envelope { name, payload, stamp })
}

fn next_payload<'a>(reader: &mut Reader<'a>) -> Result<Payload<'a>, ProtocolError> {
    next_value(reader, DEPTH - 1).map(|(bytes, depth)| Payload::scanned(bytes, depth))
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
pub(crate) fn write_welcome(out: &mut Vec<u8>, payload: &Payload<'_>, granted: &str) -> Result<(), EncodeError> {
    refuse_deep(1, payload.depth())?;
    begin(out, Kind::Welcome.as_str())?;
    out.extend_from_slice(payload.as_bytes());
    let granted = Payload::json(granted).map_err(EncodeError::new)?;
    out.extend_from_slice(granted.translated(Format::MessagePack)?.as_bytes());
    Ok(())
}

/// Appends an envelope; the payload is serialized directly behind the type.
pub(crate) fn write<P: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    name: &str,
    payload: &P,
    stamp: Option<&str>,
) -> Result<(), EncodeError> {
    begin(out, name)?;
    refuse_deep(1, Payload::put(out, Format::MessagePack, payload)?)?;
    end(out, stamp)
}

/// Appends an envelope around a payload that is MessagePack already.
pub(crate) fn write_raw(
    out: &mut Vec<u8>,
    name: &str,
    payload: &Payload<'_>,
    stamp: Option<&str>,
) -> Result<(), EncodeError> {
    refuse_deep(1, payload.depth())?;
    begin(out, name)?;
    out.extend_from_slice(payload.as_bytes());
    end(out, stamp)
}

fn begin(out: &mut Vec<u8>, name: &str) -> Result<(), EncodeError> {
    rmp::encode::write_array_len(out, 3).map_err(EncodeError::new)?;
    rmp::encode::write_str(out, name).map_err(EncodeError::new)
}

fn end(out: &mut Vec<u8>, stamp: Option<&str>) -> Result<(), EncodeError> {
    match stamp {
        Some(stamp) => rmp::encode::write_str(out, stamp).map_err(EncodeError::new)?,
        None => out.push(0xc0),
    }
    Ok(())
}
