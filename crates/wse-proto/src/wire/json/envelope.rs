//! `wse-default-json`: the envelope as a JSON array of three in a text frame. It must not decode a
//! payload, and must not recurse with the depth of the input.

use crate::wire::{
    depth::{DEPTH, nests_deeper_than, refuse_deep},
    envelope::{Envelope, Kind},
    error::{EncodeError, ProtocolError},
    json::{
        scan::{Quoted, Scanner},
        value::escape,
    },
    payload::{Format, Payload},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// Reads `[type, payload, stamp]`. Missing trailing elements mean null.
///
/// # Errors
/// For more than three elements, a type that is not a string, a stamp that is neither a string nor
/// null, and a nesting deeper than [`DEPTH`].
pub(crate) fn read(frame: &[u8]) -> Result<Envelope<'_>, ProtocolError> {
    let found = simdutf8::basic::from_utf8(frame).ok().and_then(find);
    found.map_or_else(|| read_slowly(frame), Ok)
}

/// The envelope that a text is, in one pass.
fn find(text: &str) -> Option<Envelope<'_>> {
    let mut scanner = Scanner::new(text);
    let (b'[', b'"') = (scanner.next(), scanner.next()) else { return None };
    let name = unescaped(scanner.string()?)?;
    let (mut payload, mut stamp, mut next) = (Payload::null(Format::Json), None, scanner.next());
    if next == b',' {
        let first = scanner.next();
        payload = Payload::found(scanner.value(first, DEPTH - 1)?);
        next = scanner.next();
    }
    if next == b',' {
        stamp = match scanner.next() {
            b'"' => Some(unescaped(scanner.string()?)?),
            // A welcome may have an object in the place of the stamp. It stays text.
            b'{' if name == Kind::Welcome.as_str() => Some(scanner.value(b'{', DEPTH - 1)?.text.into()),
            b'n' => scanner.value(b'n', 0).map(|_| None)?,
            _ => return None,
        };
        next = scanner.next();
    }
    (next == b']' && scanner.is_at_end()).then_some(Envelope { name, payload, stamp })
}

/// What a string says; `None` for half a character, which no text of Rust can hold.
#[inline(always)]
pub(crate) fn unescaped(quoted: Quoted<'_>) -> Option<Cow<'_, str>> {
    if !quoted.escaped {
        return Some(Cow::Borrowed(quoted.text));
    }
    serde_json::from_str(&format!("\"{}\"", quoted.text)).ok().map(Cow::Owned)
}

/// Reads what the scan has refused, and says what is wrong with it and where.
#[cold]
fn read_slowly(frame: &[u8]) -> Result<Envelope<'_>, ProtocolError> {
    let text = text(frame)?;
    match serde_json::from_str(text) {
        Ok(Array(envelope)) => Ok(envelope),
        Err(_) if is_npm_wse_2(text) => Err(ProtocolError::foreign("npm wse 2")),
        Err(_) if is_socket_io(text) => Err(ProtocolError::foreign("Socket.IO")),
        Err(error) => Err(no_json(error)),
    }
}

/// Whether this is a frame of npm `wse` 2: an object with the name in `c` and the payload in `dat`.
fn is_npm_wse_2(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow, rename = "c")]
        _c: Cow<'a, str>,
    }
    text.trim_start().starts_with('{') && serde_json::from_str::<Frame<'_>>(text).is_ok()
}

/// Whether it is a packet of Engine.IO, on which Socket.IO runs: a digit for the type, and behind it not
/// what makes it a number.
fn is_socket_io(text: &str) -> bool {
    let after = text.strip_prefix(|type_: char| ('0'..='6').contains(&type_)).unwrap_or_default();
    after == "probe" || after.trim_start_matches(|digit: char| digit.is_ascii_digit()).starts_with(['{', '[', '/'])
}

/// A frame that the scan has refused, as text.
///
/// # Errors
/// When it is not UTF-8, or nests deeper than [`DEPTH`].
pub(crate) fn text(frame: &[u8]) -> Result<&str, ProtocolError> {
    if nests_deeper_than(frame, DEPTH) {
        return Err(ProtocolError::new(format!("nested deeper than {DEPTH}")));
    }
    std::str::from_utf8(frame).map_err(|_| ProtocolError::new("not UTF-8"))
}

/// Keeps the kind and the place of a parser's error. The parser's own text may quote the input, and
/// the input may be a secret.
pub(crate) fn no_json(error: serde_json::Error) -> ProtocolError {
    let kind = error.classify();
    ProtocolError::new(format!("{kind:?} error at column {} of line {}", error.column(), error.line()))
}

/// Appends an envelope; the payload is serialized directly behind the type.
pub(crate) fn write<P: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    name: &str,
    payload: &P,
    stamp: Option<&str>,
) -> Result<(), EncodeError> {
    begin(out, name)?;
    refuse_deep(1, Payload::put(out, Format::Json, payload)?)?;
    end(out, stamp)
}

/// Appends an envelope around a payload that is JSON text already.
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

/// Appends a welcome with an object in the third place; the object is given as text.
pub(crate) fn write_welcome(out: &mut Vec<u8>, payload: &Payload<'_>, granted: &str) -> Result<(), EncodeError> {
    refuse_deep(1, payload.depth())?;
    begin(out, Kind::Welcome.as_str())?;
    out.extend_from_slice(payload.as_bytes());
    out.push(b',');
    out.extend_from_slice(granted.as_bytes());
    out.push(b']');
    Ok(())
}

fn begin(out: &mut Vec<u8>, name: &str) -> Result<(), EncodeError> {
    out.extend_from_slice(b"[\"");
    escape(out, name)?;
    out.extend_from_slice(b"\",");
    Ok(())
}

fn end(out: &mut Vec<u8>, stamp: Option<&str>) -> Result<(), EncodeError> {
    let Some(stamp) = stamp else {
        out.extend_from_slice(b",null]");
        return Ok(());
    };
    out.extend_from_slice(b",\"");
    escape(out, stamp)?;
    out.extend_from_slice(b"\"]");
    Ok(())
}

struct Array<'a>(Envelope<'a>);

impl<'de> Deserialize<'de> for Array<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ArrayVisitor)
    }
}

struct ArrayVisitor;

impl<'de> Visitor<'de> for ArrayVisitor {
    type Value = Array<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array [type, payload, stamp]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let Text(name) = seq.next_element()?.ok_or_else(|| A::Error::custom("no type"))?;
        let payload = seq.next_element::<&RawValue>()?.unwrap_or(RawValue::NULL);
        let stamp = if name == Kind::Welcome.as_str() {
            seq.next_element::<&RawValue>()?.map(third_of_welcome).transpose().map_err(A::Error::custom)?.flatten()
        } else {
            seq.next_element::<Option<Text<'de>>>()?.flatten().map(|Text(stamp)| stamp)
        };
        if seq.next_element::<&RawValue>()?.is_some() {
            return Err(A::Error::custom("more than three elements"));
        }
        Ok(Array(Envelope { name, payload: Payload::raw(payload), stamp }))
    }
}

/// A welcome may have an object in the place of the stamp. It stays text.
fn third_of_welcome(third: &RawValue) -> Result<Option<Cow<'_, str>>, serde_json::Error> {
    if third.get().starts_with('{') {
        return Ok(Some(Cow::Borrowed(third.get())));
    }
    Ok(serde_json::from_str::<Option<Text<'_>>>(third.get())?.map(|Text(stamp)| stamp))
}

/// A string, borrowed unless it holds escapes.
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Envelope<'_>, ProtocolError> {
        read(text.as_bytes())
    }

    #[test]
    fn an_array_of_three_is_an_envelope() {
        let envelope = read_text(r#"["add",{"a":5},"S1"]"#).unwrap();
        assert_eq!(envelope.name, "add");
        assert_eq!(envelope.payload.as_bytes(), br#"{"a":5}"#);
        assert_eq!(envelope.stamp.as_deref(), Some("S1"));
    }

    #[test]
    fn missing_elements_are_null() {
        for text in [r#"["m"]"#, r#"["m",null]"#, r#"["m",null,null]"#, " [ \"m\" ] "] {
            let envelope = read_text(text).unwrap();
            assert_eq!((envelope.payload.as_bytes(), envelope.stamp), (&b"null"[..], None), "{text}");
        }
    }

    #[test]
    fn escapes_in_a_name_are_undone() {
        assert_eq!(read_text(r#"["a\"\u00e9"]"#).unwrap().name, "a\"é");
    }

    #[test]
    fn whatever_is_not_such_an_array_is_refused() {
        let refused = [
            "",
            "null",
            "{}",
            "[]",
            "[null,1,null]",
            "[1]",
            "[\"m\",1,2]",
            "[\"m\",1,{}]",
            "[\"m\",1,\"s\",4]",
            "[\"m\",]",
            "[\"m\"",
            "[\"m\",1,null]x",
            "{{{",
            "not json at all",
            "[\"m\",{]",
            "[[\"m\"]]",
            "[\"m\",01]",
            "[\"\\ud800\"]",
        ];
        for text in refused {
            assert!(read_text(text).is_err(), "{text}");
        }
        assert!(read(b"[\"m\",\"\xff\"]").is_err());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut out = Vec::new();
        write(&mut out, "a\"b", &("x", 1), Some("S")).unwrap();
        assert_eq!(out, br#"["a\"b",["x",1],"S"]"#);
        let envelope = read(&out).unwrap();
        let mut again = Vec::new();
        write_raw(&mut again, &envelope.name, &envelope.payload, envelope.stamp.as_deref()).unwrap();
        assert_eq!(out, again);
    }

    #[test]
    fn names_and_stamps_are_escaped_where_they_have_to_be() {
        for text in
            ["\"", "a\"", "\"\"", "\\", "\n", "\u{0}", "\u{1f}", "\u{7f}ß😀\u{2028}", "plain", "a name of more bytes"]
        {
            let mut out = Vec::new();
            write(&mut out, text, &1, Some(text)).unwrap();
            let quoted = serde_json::to_string(text).unwrap();
            assert_eq!(out, format!("[{quoted},1,{quoted}]").into_bytes());
        }
    }

    #[test]
    fn depth_is_counted_outside_of_strings_only() {
        let nested = |depth: usize| format!("[\"m\",{}{}]", "[".repeat(depth), "]".repeat(depth));
        assert!(read_text(&nested(usize::from(DEPTH) - 1)).is_ok());
        assert!(read_text(&nested(DEPTH.into())).is_err());
        assert!(read_text(&nested(100_000)).is_err());
        assert!(read_text(&format!("[\"m\",\"{}\"]", "[".repeat(1000))).is_ok());
        assert!(read_text(&format!("[\"m\",\"\\\"{}\"]", "{".repeat(1000))).is_ok());
        assert!(read_text(&format!("[\"m\",[{}[]]]", "[],".repeat(1000))).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn what_is_found_in_one_pass_is_what_serde_json_reads(
            parts in proptest::collection::vec(proptest::sample::select(&[
                "\"m\"", "\"~wse:welcome\"", "\"\\u0061\"", "\"\\ud800\"", "\"\"", "null", "1", "{}", "[[]]", "{\"a\":[]}",
                ",", ", ", " ", "[", "]", "ß", "nul",
            ][..]), 0..7),
            comma in proptest::bool::ANY,
        ) {
            let text = format!("[{}]", parts.join(if comma { "," } else { "" }));
            if let Some(found) = find(&text) {
                let read = read_slowly(text.as_bytes()).map_err(|error| format!("{text}: {error}")).unwrap();
                assert_eq!((found.payload.depth(), &found), (read.payload.depth(), &read), "{text}");
            }
        }
    }

    #[test]
    fn an_error_says_where_and_never_quotes_the_input() {
        let error = read_text(r#"["m","secret" "secret"]"#).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        assert!(error.contains("column"), "{error}");
    }
}
