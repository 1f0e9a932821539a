//! MessagePack: the envelope as an array of three in a binary frame, and what both wires that may
//! speak it share. It may never take memory for what has only been announced, and never recurse
//! deeper than the bound.

mod capture;
mod serialize;
mod token;

pub(crate) use capture::capture;
pub(crate) use serialize::serialize;
pub(crate) use token::{Reader, Token, begins_list};

use crate::{EncodeError, Envelope, Format, Kind, Payload, codec::ProtocolError, json::DEPTH};
use serde::{Serialize, de::DeserializeOwned};
use std::{borrow::Cow, cell::Cell};

/// The end of the one value that the bytes begin with. Finds everything that is announced but not
/// there, and nesting deeper than `depth`, without taking memory for either.
pub(crate) fn scan(bytes: &[u8], depth: usize) -> Result<usize, ProtocolError> {
    let mut reader = Reader::new(bytes);
    // How many values each open array or map still lacks.
    let mut open: Vec<usize> = Vec::new();
    loop {
        let values = match reader.token()? {
            Token::Array(length) => length,
            Token::Map(length) => length.saturating_mul(2),
            _ => 0,
        };
        if values > reader.left() {
            return Err(ProtocolError::new("more elements are announced than there are bytes"));
        }
        if values > 0 {
            open.push(values);
        }
        // An empty one is as deep as one that holds something.
        let closed_at_once = values == 0 && reader.last_was_container();
        if open.len() + usize::from(closed_at_once) > depth {
            return Err(ProtocolError::new(format!("nested deeper than {depth}")));
        }
        if values > 0 {
            continue;
        }
        loop {
            let Some(lacking) = open.last_mut() else { return Ok(reader.position()) };
            *lacking -= 1;
            if *lacking > 0 {
                break;
            }
            open.pop();
        }
    }
}

/// Reads an array of one to three: type, payload, stamp.
pub(crate) fn read(frame: &[u8]) -> Result<Envelope<'_>, ProtocolError> {
    if scan(frame, DEPTH)? != frame.len() {
        return Err(ProtocolError::new("bytes after the envelope"));
    }
    let mut reader = Reader::new(frame);
    let length @ 1..=3 = reader.array()? else { return Err(ProtocolError::new("not an array of one to three")) };
    let name = Cow::Borrowed(reader.text()?);
    let payload = if length > 1 { reader.value()? } else { Payload::null(Format::MessagePack) };
    let stamp = match length {
        3 if name == Kind::Welcome.as_str() => third_of_welcome(&reader.value()?)?,
        3 => reader.text_or_nil()?.map(Cow::Borrowed),
        _ => None,
    };
    Ok(Envelope { name, payload, stamp })
}

/// Where a stamp has its place a welcome may have a map, which becomes JSON text.
fn third_of_welcome(third: &Payload<'_>) -> Result<Option<Cow<'static, str>>, ProtocolError> {
    if !third.is_object() {
        return Ok(third.decode::<Option<String>>()?.map(Cow::Owned));
    }
    let json = third.translated(Format::Json).map_err(|_| ProtocolError::new("a map that is no JSON"))?;
    Ok(Some(String::from_utf8_lossy(json.as_bytes()).into_owned().into()))
}

/// Appends a welcome with a map, given as JSON text, in the third place.
pub(crate) fn write_welcome(out: &mut Vec<u8>, payload: &[u8], granted: &str) -> Result<(), EncodeError> {
    let start = out.len();
    begin(out, Kind::Welcome.as_str())?;
    out.extend_from_slice(payload);
    let granted = Payload::json(granted).map_err(EncodeError::new)?;
    out.extend_from_slice(granted.translated(Format::MessagePack)?.as_bytes());
    refuse_deep(&out[start..])
}

/// Appends an envelope; the payload is serialised straight behind the type.
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

/// A peer would end the connection over it.
pub(crate) fn refuse_deep(frame: &[u8]) -> Result<(), EncodeError> {
    scan(frame, DEPTH).map(drop).map_err(EncodeError::new)
}

thread_local! {
    /// Whether a value is being read from or written in MessagePack on this thread.
    static AT_WORK: Cell<bool> = const { Cell::new(false) };
}

/// Whether what is asked to serialize or deserialize itself now does so in MessagePack. Types take
/// the shape that they have in JSON, so they cannot tell by `is_human_readable`.
pub(crate) fn at_work() -> bool {
    AT_WORK.get()
}

fn working<T>(work: impl FnOnce() -> T) -> T {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            AT_WORK.set(self.0);
        }
    }
    let _before = Before(AT_WORK.replace(true));
    work()
}

/// Appends a value: structs as maps, so that other languages read them by name, and every type in
/// the shape that it has in JSON, so that one handler serves both.
pub(crate) fn encode<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), EncodeError> {
    let mut serializer = rmp_serde::Serializer::new(out).with_struct_map().with_human_readable();
    working(|| value.serialize(&mut serializer)).map_err(EncodeError::new)
}

/// Reads a value that was scanned.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    working(|| T::deserialize(&mut deserializer))
}

#[cfg(test)]
mod tests;
