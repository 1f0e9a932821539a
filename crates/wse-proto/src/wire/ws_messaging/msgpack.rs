//! The frames of `ws-messaging` as MessagePack. It must not decode a payload.

use crate::wire::{
    depth::{DEPTH, refuse_deep},
    envelope::Envelope,
    error::{EncodeError, ProtocolError},
    msgpack::{
        scan::{next_value, scan},
        token::{Reader, Token, begins_list},
        value::encode,
    },
    payload::{Format, Payload},
    ws_messaging::{
        frame::{self, FrameFields, OwnFrame},
        names::CONNECT,
    },
};
use serde::Serialize;
use std::borrow::Cow;

/// Checks that the frame is one whole value, and returns how deep it nests.
fn whole(frame: &[u8]) -> Result<u8, ProtocolError> {
    match scan(frame, DEPTH) {
        Ok(found) if found.end == frame.len() => Ok(found.depth),
        Ok(_) => Err(ProtocolError::new("Error: bytes after the frame")),
        Err(error) => Err(ProtocolError::new(format!("Error: {}", error.why()))),
    }
}

/// Reads the first frame of a client, which may be any value.
pub(crate) fn read_auth(frame: &[u8]) -> Result<Payload<'_>, ProtocolError> {
    let depth = whole(frame)?;
    Ok(Payload::scanned(frame, depth))
}

/// Reads any other frame.
pub(crate) fn read(frame: &[u8], skip_validation: bool) -> Result<Envelope<'_>, ProtocolError> {
    let mut reader = Reader::new(frame);
    let fields = match take(&mut reader) {
        Ok(fields) if reader.left() == 0 => fields,
        // What is wrong with the frame as a whole comes before what is wrong with a part of it.
        taken => whole(frame).and(taken)?,
    };
    fields.envelope(Format::MessagePack, skip_validation)
}

/// Takes the fields of a frame, and looks at every byte once; only a list of one argument is looked at again.
fn take<'a>(reader: &mut Reader<'a>) -> Result<FrameFields<'a>, ProtocolError> {
    let Token::Map(length) = reader.token()? else { return Err(frame::invalid()) };
    let mut fields = FrameFields::default();
    for _ in 0..length {
        // A key that is not a string is no field of a frame.
        let (key, _) = next_value(reader, DEPTH - 1)?;
        let (value, depth) = next_value(reader, DEPTH - 1)?;
        let value = Payload::scanned(value, depth);
        match Reader::new(key).text() {
            Ok("name") => fields.name = Some(name(&value)),
            Ok("args") => fields.args = Some(arguments(value)),
            Ok("id") => fields.id = Some(id(&value)),
            Ok("result") => fields.result = Some(value),
            Ok("error") => fields.error = Some(value),
            _ => fields.unknown = true,
        }
    }
    Ok(fields)
}

fn name<'a>(value: &Payload<'a>) -> Option<Cow<'a, str>> {
    let name = Reader::new(value.as_bytes()).text().ok()?;
    Some(Cow::Owned(name.to_owned()))
}

/// The payload that a list of arguments means: the argument itself where it is the only one and no
/// array, the list otherwise.
fn arguments(list: Payload<'_>) -> Option<Payload<'_>> {
    let mut reader = Reader::new(list.as_bytes());
    if reader.array().ok()? != 1 {
        return Some(list);
    }
    let (single, depth) = next_value(&mut reader, DEPTH).ok()?;
    let single = Payload::scanned(single, depth);
    if single.is_list() { Some(list) } else { Some(single.into_owned()) }
}

fn id(value: &Payload<'_>) -> Option<Cow<'static, str>> {
    let number = match Reader::new(value.as_bytes()).token().ok()? {
        Token::Unsigned(id) => id.to_string(),
        Token::Signed(id) => id.to_string(),
        // Its own text would be the shortest of its kind, which may be another number as a double.
        Token::F32(id) => f64::from(id).to_string(),
        Token::F64(id) => id.to_string(),
        _ => return None,
    };
    frame::id(&number).map(|id| Cow::Owned(id.into_owned()))
}

/// Appends an event, or a call with its id. An array becomes the list of arguments, any other payload
/// the only argument.
pub(crate) fn write<P: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    name: &str,
    payload: &P,
    id: Option<&str>,
) -> Result<(), EncodeError> {
    head(out, 2 + u32::from(id.is_some()))?;
    put(out, "name")?;
    put(out, name)?;
    put(out, "args")?;
    let list = out.len();
    let depth = Payload::put(out, Format::MessagePack, payload)?;
    if begins_list(&out[list..]) {
        refuse_deep(1, depth)?;
    } else {
        refuse_deep(2, depth)?;
        out.insert(list, 0x91);
    }
    if let Some(id) = id {
        put(out, "id")?;
        put_id(out, id)?;
    }
    Ok(())
}

/// Appends a frame of the protocol's own.
pub(crate) fn write_own(
    out: &mut Vec<u8>,
    own: &OwnFrame,
    payload: &Payload<'_>,
    id: Option<&str>,
) -> Result<(), EncodeError> {
    refuse_deep(own.levels(), payload.depth())?;
    match own {
        OwnFrame::Auth => {}
        OwnFrame::Connect => {
            head(out, 2)?;
            put(out, "name")?;
            put(out, CONNECT)?;
            put(out, "args")?;
            out.push(0x91);
        }
        OwnFrame::Answer(field) => {
            head(out, 2)?;
            put(out, "id")?;
            put_id(out, id.unwrap_or_default())?;
            put(out, field)?;
        }
    }
    out.extend_from_slice(payload.as_bytes());
    Ok(())
}

fn head(out: &mut Vec<u8>, fields: u32) -> Result<(), EncodeError> {
    rmp::encode::write_map_len(out, fields).map(drop).map_err(EncodeError::new)
}

fn put(out: &mut Vec<u8>, text: &str) -> Result<(), EncodeError> {
    rmp::encode::write_str(out, text).map_err(EncodeError::new)
}

fn put_id(out: &mut Vec<u8>, id: &str) -> Result<(), EncodeError> {
    let id = frame::number(id)?;
    match (id.parse::<u64>(), id.parse::<f64>()) {
        (Ok(id), _) => encode(out, &id),
        (_, Ok(id)) => encode(out, &id),
        (_, Err(error)) => Err(EncodeError::new(error)),
    }
}
