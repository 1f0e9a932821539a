//! A payload: one value as bytes of a known format, decoded only when a type is named. It must not be
//! printed: payloads carry identities and secrets.

use crate::wire::{
    depth::DEPTH,
    error::{DecodeError, EncodeError},
    msgpack::{capture::capture, scan::scan, serialize::serialize, token::begins_list, value},
    surrogates::without_halves,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, ser::Error};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// The format of the bytes of a [`Payload`].
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
/// A handler may take a payload in place of a type and pass it on: as the same JSON, as an equal value
/// of MessagePack, or translated from one to the other. A payload may be a field of another type, but
/// not under `#[serde(flatten)]`. Its `Debug` form shows the format and the length, not the content.
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
    form: Form<'a>,
    /// It was a list of arguments. A list of one argument became that argument.
    arguments: bool,
}

#[derive(Clone)]
enum Form<'a> {
    /// JSON that was read.
    Json(Cow<'a, RawValue>),
    /// JSON that was written here. It is not shrunk to a `RawValue`, which would cost as much as
    /// writing it (600 of 5,400 instructions of an answered call).
    Written(Cow<'a, str>),
    /// One whole value, as [`scan`] found it.
    MessagePack(Cow<'a, [u8]>),
}

/// The bytes of either format, borrowed.
enum Content<'a> {
    Json(&'a str),
    MessagePack(&'a [u8]),
}

impl<'a> Payload<'a> {
    /// A payload of JSON text, kept as it is except for white space around it.
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
        match scan(bytes, DEPTH) {
            Ok(end) if end == bytes.len() => Ok(Self::scanned(bytes)),
            _ => Err(DecodeError::new::<Payload<'_>>("", std::io::Error::other("not one MessagePack value"))),
        }
    }

    pub(crate) fn raw(json: &'a RawValue) -> Self {
        Self::of(Form::Json(Cow::Borrowed(json)))
    }

    /// A payload of bytes that are known to be one value of MessagePack.
    pub(crate) fn scanned(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self::of(Form::MessagePack(bytes.into()))
    }

    fn of(form: Form<'a>) -> Self {
        Payload { form, arguments: false }
    }

    /// The same payload, marked as a list of arguments. A list of one argument has become that argument.
    pub(crate) fn of_arguments(mut self) -> Self {
        self.arguments = true;
        self
    }

    /// The null of a format: what an absent payload means.
    pub fn null(format: Format) -> Payload<'static> {
        Self::constant(format, "null", &[0xc0])
    }

    /// An object without fields.
    pub(crate) fn empty_object(format: Format) -> Payload<'static> {
        Self::constant(format, "{}", &[0x80])
    }

    /// A constant, given in both formats.
    pub(crate) fn constant(format: Format, json: &'static str, msgpack: &'static [u8]) -> Payload<'static> {
        match format {
            Format::Json => Payload::of(Form::Written(json.into())),
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
            Format::Json => Form::Written(serde_json::to_string(value).map_err(EncodeError::new)?.into()),
            Format::MessagePack => {
                let mut bytes = Vec::new();
                value::encode(&mut bytes, value)?;
                Form::MessagePack(bytes.into())
            }
        }))
    }

    /// Decodes the value into the type asked for.
    ///
    /// A list of arguments (subprotocol `ws-messaging`) that is not of that type is tried once more: a
    /// single argument as a list of one, an empty list as null.
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
            Content::MessagePack(bytes) => value::decode(bytes).map_err(|error| DecodeError::new::<T>("", error)),
        }
    }

    fn content(&self) -> Content<'_> {
        match &self.form {
            Form::Json(json) => Content::Json(json.get()),
            Form::Written(text) => Content::Json(text),
            Form::MessagePack(bytes) => Content::MessagePack(bytes),
        }
    }

    /// A list with this value as its only element.
    pub(crate) fn listed(&self) -> Payload<'static> {
        Payload::of(match self.content() {
            Content::Json(text) => Form::Written(format!("[{text}]").into()),
            Content::MessagePack(bytes) => Form::MessagePack([&[0x91], bytes].concat().into()),
        })
    }

    /// Whether the value is an object, by its first byte. Asked before a struct is decoded, because
    /// serde reads structs from arrays too.
    pub(crate) fn is_object(&self) -> bool {
        match self.content() {
            Content::Json(text) => text.starts_with('{'),
            Content::MessagePack(bytes) => matches!(bytes.first(), Some(0x80..=0x8f | 0xde | 0xdf)),
        }
    }

    /// Whether the value is an array, by its first byte.
    pub(crate) fn is_list(&self) -> bool {
        match self.content() {
            Content::Json(text) => text.starts_with('['),
            Content::MessagePack(bytes) => begins_list(bytes),
        }
    }

    fn is_empty_list(&self) -> bool {
        match self.content() {
            Content::Json(text) => text.strip_prefix('[').is_some_and(|rest| rest.trim_ascii_start().starts_with(']')),
            Content::MessagePack(bytes) => matches!(bytes, [0x90] | [0xdc, 0, 0] | [0xdd, 0, 0, 0, 0]),
        }
    }

    /// The same value in another format; the payload itself where it has that format already. Half a
    /// character, which JSON can escape and MessagePack cannot hold, becomes U+FFFD.
    ///
    /// # Errors
    /// When the value has no form there, as a MessagePack map whose keys are lists.
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
        let form = match self.form {
            Form::Json(json) => Form::Json(Cow::Owned(json.into_owned())),
            Form::Written(text) => Form::Written(Cow::Owned(text.into_owned())),
            Form::MessagePack(bytes) => Form::MessagePack(Cow::Owned(bytes.into_owned())),
        };
        Payload { form, arguments: self.arguments }
    }

    /// The same payload, borrowed.
    pub fn borrowed(&self) -> Payload<'_> {
        let form = match &self.form {
            Form::Json(json) => Form::Json(Cow::Borrowed(json)),
            Form::Written(text) => Form::Written(Cow::Borrowed(text)),
            Form::MessagePack(bytes) => Form::MessagePack(Cow::Borrowed(bytes)),
        };
        Payload { form, arguments: self.arguments }
    }
}

/// Equal when format and bytes are equal. JSON that differs in white space is not equal.
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

/// JSON text as MessagePack. Half a character becomes U+FFFD.
fn packed(text: &str) -> Result<Vec<u8>, serde_json::Error> {
    let pack = |text: &str| {
        let mut bytes = Vec::with_capacity(text.len());
        capture(&mut serde_json::Deserializer::from_str(text), &mut bytes).map(|()| bytes)
    };
    // Half a character is rare, and the parser's only error in JSON that it has read before, apart from
    // numbers beyond every double.
    pack(text).or_else(|error| without_halves(text).map_or(Err(error), |whole| pack(&whole)))
}

/// Serializes the value it holds; as raw JSON where `serde_json` is the serializer.
impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = serializer.is_human_readable() && !value::is_active();
        match (&self.form, self.content()) {
            (Form::Json(json), _) if raw => json.serialize(serializer),
            (_, Content::Json(text)) if raw => {
                serde_json::from_str::<&RawValue>(text).map_err(S::Error::custom)?.serialize(serializer)
            }
            (_, Content::Json(text)) => serialize(&packed(text).map_err(S::Error::custom)?, serializer),
            (_, Content::MessagePack(bytes)) => serialize(bytes, serializer),
        }
    }
}

/// From a `serde_json` deserializer it becomes JSON as it was written, from any other MessagePack.
impl<'de> Deserialize<'de> for Payload<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() && !value::is_active() {
            return Ok(Payload::of(Form::Json(Cow::Owned(Box::<RawValue>::deserialize(deserializer)?))));
        }
        let mut bytes = Vec::new();
        capture(deserializer, &mut bytes)?;
        Ok(Payload::scanned(bytes))
    }
}

#[cfg(test)]
mod tests;
