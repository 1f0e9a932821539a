//! A payload: bytes of a known format, undecoded until somebody names a type.
//! It may never be printed: payloads carry identities and secrets.

use crate::{json, msgpack};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, ser::Error};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// How the bytes of a [`Payload`] are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// JSON text (RFC 8259), valid UTF-8.
    Json,
    /// One MessagePack value.
    MessagePack,
}

/// What a message, call or answer carries: one value, still encoded.
///
/// A handler may take one in place of a type and pass it on, as the same JSON or an equal value of
/// MessagePack, or translated from one to the other. It may stand inside of another type, but not
/// under `#[serde(flatten)]`. Its `Debug` form shows the format and the length, never the content.
///
/// ```
/// use wse_proto::{Format, Payload};
///
/// let payload = Payload::json(r#"{"x": 1.50}"#)?;
/// assert_eq!(payload.as_bytes(), br#"{"x": 1.50}"#);
/// assert_eq!(Payload::encode(Format::MessagePack, &payload)?.as_bytes(), b"\x81\xa1x\xcb\x3f\xf8\0\0\0\0\0\0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Payload<'a> {
    encoded: Encoded<'a>,
    /// It was a list of arguments, of which a single one stands for itself.
    arguments: bool,
}

#[derive(Clone)]
enum Encoded<'a> {
    /// JSON that somebody else has written.
    Json(Cow<'a, RawValue>),
    /// JSON that was written here: no need to shrink it to a `RawValue`, which costs as much as
    /// writing it (600 of 5,400 instructions of an answered call).
    Written(Cow<'a, str>),
    /// One whole value, as [`msgpack::scan`] found it.
    MessagePack(Cow<'a, [u8]>),
}

/// The bytes, whoever holds them.
enum Content<'a> {
    Json(&'a str),
    MessagePack(&'a [u8]),
}

impl<'a> Payload<'a> {
    /// A payload of JSON text, kept as it is but for white space around it.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(text: &'a str) -> Result<Self, DecodeError> {
        serde_json::from_str::<&RawValue>(text).map(Self::raw).map_err(DecodeError::json::<serde_json::Value>)
    }

    /// A payload of MessagePack.
    ///
    /// # Errors
    /// When it is not exactly one value, or nests deeper than 128.
    pub fn msgpack(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        match msgpack::scan(bytes, json::DEPTH) {
            Ok(end) if end == bytes.len() => Ok(Self::scanned(bytes)),
            _ => Err(DecodeError::new::<Payload<'_>>("", std::io::Error::other("not one MessagePack value"))),
        }
    }

    pub(crate) fn raw(json: &'a RawValue) -> Self {
        Self::of(Encoded::Json(Cow::Borrowed(json)))
    }

    /// Of bytes that are known to be one value of MessagePack.
    pub(crate) fn scanned(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self::of(Encoded::MessagePack(bytes.into()))
    }

    fn of(encoded: Encoded<'a>) -> Self {
        Payload { encoded, arguments: false }
    }

    /// The same, known to have been a list of arguments, of which a single one stands for itself.
    pub(crate) fn of_arguments(mut self) -> Self {
        self.arguments = true;
        self
    }

    /// The null of a format: what an absent payload means.
    pub fn null(format: Format) -> Payload<'static> {
        Self::constant(format, "null", &[0xc0])
    }

    /// A value that is written down in both formats.
    pub(crate) fn constant(format: Format, json: &'static str, msgpack: &'static [u8]) -> Payload<'static> {
        match format {
            Format::Json => Payload::of(Encoded::Written(json.into())),
            Format::MessagePack => Payload::scanned(msgpack),
        }
    }

    /// Encodes a value.
    ///
    /// # Errors
    /// When the value's `Serialize` fails, or it has no form in the format (JSON: map keys that
    /// are neither strings, numbers nor bools).
    pub fn encode<T: Serialize + ?Sized>(format: Format, value: &T) -> Result<Payload<'static>, EncodeError> {
        Ok(Payload::of(match format {
            Format::Json => Encoded::Written(serde_json::to_string(value).map_err(EncodeError::new)?.into()),
            Format::MessagePack => {
                let mut bytes = Vec::new();
                msgpack::encode(&mut bytes, value)?;
                Encoded::MessagePack(bytes.into())
            }
        }))
    }

    /// Decodes the value into the type asked for.
    ///
    /// What came as a list of arguments (subprotocol `ws-messaging`) is tried once more when it is not
    /// of that type: a single argument as a list of one, an empty list as nothing.
    ///
    /// # Errors
    /// When the bytes are not a value of that type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        let failed = match self.decode_as_is() {
            Err(error) if self.arguments => error,
            done => return done,
        };
        let otherwise = if self.is_empty_list() { Self::null(self.format()) } else { self.listed() };
        otherwise.decode_as_is().map_err(|_| failed)
    }

    fn decode_as_is<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        match self.content() {
            Content::Json(text) => serde_json::from_str(text).map_err(DecodeError::json::<T>),
            Content::MessagePack(bytes) => msgpack::decode(bytes).map_err(|error| DecodeError::new::<T>("", error)),
        }
    }

    fn content(&self) -> Content<'_> {
        match &self.encoded {
            Encoded::Json(json) => Content::Json(json.get()),
            Encoded::Written(text) => Content::Json(text),
            Encoded::MessagePack(bytes) => Content::MessagePack(bytes),
        }
    }

    /// The list that holds this value alone.
    pub(crate) fn listed(&self) -> Payload<'static> {
        Payload::of(match self.content() {
            Content::Json(text) => Encoded::Written(format!("[{text}]").into()),
            Content::MessagePack(bytes) => Encoded::MessagePack([&[0x91], bytes].concat().into()),
        })
    }

    /// Whether the value is an object; only a look at its first byte. Where a struct is wanted it
    /// is asked first, because serde reads structs from arrays too.
    pub(crate) fn is_object(&self) -> bool {
        match self.content() {
            Content::Json(text) => text.starts_with('{'),
            Content::MessagePack(bytes) => matches!(bytes.first(), Some(0x80..=0x8f | 0xde | 0xdf)),
        }
    }

    /// Whether the value is an array; only a look at its first byte.
    pub(crate) fn is_list(&self) -> bool {
        match self.content() {
            Content::Json(text) => text.starts_with('['),
            Content::MessagePack(bytes) => msgpack::begins_list(bytes),
        }
    }

    fn is_empty_list(&self) -> bool {
        match self.content() {
            Content::Json(text) => text.strip_prefix('[').is_some_and(|rest| rest.trim_ascii_start().starts_with(']')),
            Content::MessagePack(bytes) => matches!(bytes, [0x90] | [0xdc, 0, 0] | [0xdd, 0, 0, 0, 0]),
        }
    }

    /// The same value in another format; itself where it is in that format.
    ///
    /// # Errors
    /// When it has no form there: MessagePack maps whose keys are lists, say.
    pub fn translated(&self, format: Format) -> Result<Payload<'_>, EncodeError> {
        match (self.content(), format) {
            (Content::Json(text), Format::MessagePack) => packed(text).map(Payload::scanned).map_err(EncodeError::new),
            (Content::MessagePack(_), Format::Json) => Payload::encode(format, self),
            _ => Ok(self.borrowed()),
        }
    }

    /// The format of the bytes.
    pub fn format(&self) -> Format {
        match self.content() {
            Content::Json(_) => Format::Json,
            Content::MessagePack(_) => Format::MessagePack,
        }
    }

    /// The bytes as they are on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        match self.content() {
            Content::Json(text) => text.as_bytes(),
            Content::MessagePack(bytes) => bytes,
        }
    }

    /// The same payload, owning its bytes.
    pub fn into_owned(self) -> Payload<'static> {
        let encoded = match self.encoded {
            Encoded::Json(json) => Encoded::Json(Cow::Owned(json.into_owned())),
            Encoded::Written(text) => Encoded::Written(Cow::Owned(text.into_owned())),
            Encoded::MessagePack(bytes) => Encoded::MessagePack(Cow::Owned(bytes.into_owned())),
        };
        Payload { encoded, arguments: self.arguments }
    }

    /// The same payload, borrowed.
    pub fn borrowed(&self) -> Payload<'_> {
        let encoded = match &self.encoded {
            Encoded::Json(json) => Encoded::Json(Cow::Borrowed(json)),
            Encoded::Written(text) => Encoded::Written(Cow::Borrowed(text)),
            Encoded::MessagePack(bytes) => Encoded::MessagePack(Cow::Borrowed(bytes)),
        };
        Payload { encoded, arguments: self.arguments }
    }
}

/// Equal when format and bytes are: JSON that differs in white space is not.
impl PartialEq for Payload<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.format() == other.format() && self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Payload<'_> {}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.format(), self.as_bytes().len())
    }
}

/// JSON text as MessagePack.
fn packed(text: &str) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(text.len());
    msgpack::capture(&mut serde_json::Deserializer::from_str(text), &mut bytes)?;
    Ok(bytes)
}

/// As the value it is; raw where `serde_json` writes JSON.
impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = serializer.is_human_readable() && !msgpack::at_work();
        match (&self.encoded, self.content()) {
            (Encoded::Json(json), _) if raw => json.serialize(serializer),
            (_, Content::Json(text)) if raw => {
                serde_json::from_str::<&RawValue>(text).map_err(S::Error::custom)?.serialize(serializer)
            }
            (_, Content::Json(text)) => msgpack::serialize(&packed(text).map_err(S::Error::custom)?, serializer),
            (_, Content::MessagePack(bytes)) => msgpack::serialize(bytes, serializer),
        }
    }
}

/// From a `serde_json` deserializer it is JSON as it was written, from any other MessagePack.
impl<'de> Deserialize<'de> for Payload<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() && !msgpack::at_work() {
            return Ok(Payload::of(Encoded::Json(Cow::Owned(Box::<RawValue>::deserialize(deserializer)?))));
        }
        let mut bytes = Vec::new();
        msgpack::capture(deserializer, &mut bytes)?;
        Ok(Payload::scanned(bytes))
    }
}

/// A payload is not a value of the type asked for.
///
/// Its text names the type and the place, and never quotes the payload, so it may be logged. The
/// decoder's own words, which may quote, are its `source`.
#[derive(thiserror::Error)]
#[error("the payload is no `{expected}`{place}")]
pub struct DecodeError {
    expected: &'static str,
    place: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl DecodeError {
    fn new<T>(place: impl Into<String>, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { expected: std::any::type_name::<T>(), place: place.into(), source: source.into() }
    }

    fn json<T>(source: serde_json::Error) -> Self {
        Self::new::<T>(format!(", at line {} column {}", source.line(), source.column()), source)
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f) // a derived form would quote
    }
}

/// A value cannot be encoded in the connection's format.
#[derive(Debug, thiserror::Error)]
#[error("the value does not encode: {0}")]
pub struct EncodeError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl EncodeError {
    /// Wraps the error of a custom codec.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

#[cfg(test)]
mod tests;
