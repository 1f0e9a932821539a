//! The frames of `ws-messaging` as JSON text. It must not decode a payload.

use crate::wire::{
    depth::{DEPTH, refuse_deep},
    envelope::Envelope,
    error::{EncodeError, ProtocolError},
    json::{
        envelope::{Text, no_json, text, unescaped},
        scan::{Scanner, scan},
        value::escape,
    },
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

fn utf8(frame: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(frame).ok()
}

/// Reads the first frame of a client, which may be any value.
pub(crate) fn read_auth(frame: &[u8]) -> Result<Payload<'_>, ProtocolError> {
    if let Some(found) = utf8(frame).and_then(|text| scan(text, DEPTH)) {
        return Ok(Payload::found(found));
    }
    let value = text(frame).and_then(|text| serde_json::from_str::<&RawValue>(text).map_err(no_json));
    value.map(Payload::raw).map_err(syntax)
}

/// Reads any other frame.
pub(crate) fn read(frame: &[u8], skip_validation: bool) -> Result<Envelope<'_>, ProtocolError> {
    let fields = utf8(frame).and_then(find).map_or_else(|| read_slowly(frame), Ok)?;
    fields.envelope(Format::Json, skip_validation)
}

/// The fields of a text that is a frame, in one pass.
fn find(text: &str) -> Option<FrameFields<'_>> {
    let mut scanner = Scanner::new(text);
    let mut fields = FrameFields::default();
    let (b'{', mut next) = (scanner.next(), scanner.next()) else { return None };
    while next == b'"' {
        let key = unescaped(scanner.string()?)?;
        let (b':', first) = (scanner.next(), scanner.next()) else { return None };
        // As in JavaScript, the last of several fields of one name counts.
        match (&*key, first) {
            ("name", b'"') => fields.name = Some(Some(unescaped(scanner.string()?)?)),
            ("args", b'[') => fields.args = Some(Some(find_arguments(&mut scanner)?)),
            // What is wrong with them is found slowly.
            ("name" | "args", _) => return None,
            (key, _) => {
                let value = scanner.value(first, DEPTH - 1)?;
                match key {
                    "id" => fields.id = Some(frame::id(value.text)),
                    "result" => fields.result = Some(Payload::found(value)),
                    "error" => fields.error = Some(Payload::found(value)),
                    _ => fields.unknown = true,
                }
            }
        }
        next = match scanner.next() {
            b',' => Some(scanner.next()).filter(|next| *next == b'"')?,
            b'}' => b'}',
            _ => return None, // a field follows without a comma, say
        };
    }
    (next == b'}' && scanner.is_at_end()).then_some(fields)
}

/// The payload that a list of arguments means, whose opening bracket was taken: the argument itself where it
/// is the only one and no array, the list otherwise.
fn find_arguments<'a>(scanner: &mut Scanner<'a>) -> Option<Payload<'a>> {
    let start = scanner.position() - 1;
    let (mut single, mut depth) = (None, 0);
    let mut first = scanner.next();
    let mut more = false;
    if first != b']' {
        loop {
            let value = scanner.value(first, DEPTH - 2)?;
            depth = depth.max(value.depth);
            single = (!more && first != b'[').then_some(value);
            match scanner.next() {
                b',' => (first, more) = (scanner.next(), true),
                b']' => break,
                _ => return None,
            }
        }
    }
    let list = || scanner.since(start).map(|list| Payload::text(list, depth + 1));
    single.map(Payload::found).or_else(list)
}

/// Reads what [`find`] has refused, and says what is wrong with it and where.
#[cold]
fn read_slowly(frame: &[u8]) -> Result<FrameFields<'_>, ProtocolError> {
    let text = text(frame).map_err(syntax)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let fields = deserializer.deserialize_map(FrameVisitor).and_then(|fields| deserializer.end().map(|()| fields));
    fields.map_err(|_| match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => frame::invalid(),
        Err(error) => syntax(no_json(error)),
    })
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
    named(out, name)?;
    let list = out.len();
    out.push(b'[');
    let depth = Payload::put(out, Format::Json, payload)?;
    if out.get(list + 1) == Some(&b'[') {
        refuse_deep(1, depth)?;
        out.remove(list);
    } else {
        refuse_deep(2, depth)?;
        out.push(b']');
    }
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":");
        put_id(out, id)?;
    }
    out.push(b'}');
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
    Ok(())
}

fn named(out: &mut Vec<u8>, name: &str) -> Result<(), EncodeError> {
    out.extend_from_slice(b"{\"name\":\"");
    escape(out, name)?;
    out.extend_from_slice(b"\",\"args\":");
    Ok(())
}

fn put_id(out: &mut Vec<u8>, id: &str) -> Result<(), EncodeError> {
    out.extend_from_slice(frame::number(id)?.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What fields and their values are made of and broken with.
    const PARTS: [&str; 32] = [
        "\"name\":\"m\"",
        "\"name\":",
        "\"args\":[",
        "\"args\":[]",
        "\"args\":",
        "\"id\":7",
        "\"id\":",
        "\"result\":",
        "\"error\":",
        "\"n\\u0061me\":\"\\u0061\"",
        "\"\\ud800\":",
        "\"more\":",
        "null",
        "1",
        "1.0",
        "-0",
        "\"x\"",
        "[1]",
        "[[]]",
        "{\"a\":[1]}",
        "{",
        "}",
        "[",
        "]",
        ",",
        ", ",
        ":",
        " ",
        "\n",
        "\"",
        "ß",
        "\u{1}",
    ];

    /// What a frame says: its envelope, or why there is none. The depth is what keeps it from being sent on.
    fn told(fields: FrameFields<'_>, skip_validation: bool) -> String {
        let envelope = fields.envelope(Format::Json, skip_validation);
        format!(
            "{:?}",
            envelope.map(|Envelope { name, payload, stamp }| {
                let arguments = payload.is_of_arguments();
                (name, String::from_utf8_lossy(payload.as_bytes()).into_owned(), payload.depth(), arguments, stamp)
            })
        )
    }

    proptest! {
        #[test]
        fn what_is_found_in_one_pass_is_what_serde_json_reads(
            parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..9),
            comma in any::<bool>(),
        ) {
            let text = format!("{{{}}}", parts.join(if comma { "," } else { "" }));
            let (found, read) = (|| find(&text), || read_slowly(text.as_bytes()));
            for skip_validation in [false, true] {
                if let Some(found) = found() {
                    let told_of = |fields| told(fields, skip_validation);
                    prop_assert_eq!(Ok(told_of(found)), read().map(told_of).map_err(|error| error.to_string()), "{}", text);
                }
            }
        }
    }
}
