//! A payload: one value as bytes of a known format, decoded only when a type is named. It must not be
//! printed: payloads carry identities and secrets.

use crate::wire::{
    depth::{DEPTH, TOO_DEEP},
    error::{DecodeError, EncodeError},
    json, mismatch,
    msgpack::{self, capture::capture, token::begins_list},
    surrogates::without_halves,
};
use serde::{Serialize, de::DeserializeOwned};
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
    /// How many arrays and objects are inside one another, counted when it was read or written: neither is
    /// done again to send it. [`TOO_DEEP`] at most.
    depth: u8,
    /// It was a list of arguments. A list of one argument became that argument.
    arguments: bool,
}

#[derive(Clone)]
enum Form<'a> {
    /// One value as text, without white space around it.
    Json(Cow<'a, str>),
    /// One whole value.
    MessagePack(Cow<'a, [u8]>),
}

/// The bytes of most answers and small messages.
const SHORT: usize = 64;

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
        match json::scan::scan(text, DEPTH) {
            Some(found) => Ok(Self::found(found)),
            None => {
                let invalid = |error| DecodeError::json::<serde_json::Value>(None, error);
                let json = serde_json::from_str(text).map_err(invalid)?;
                Ok(Self::raw(json))
            }
        }
    }

    /// A payload of MessagePack.
    ///
    /// # Errors
    /// When it is not exactly one value, or nests deeper than 128.
    pub fn msgpack(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        match msgpack::scan::scan(bytes, DEPTH) {
            Ok(found) if found.end == bytes.len() => Ok(Self::scanned(bytes, found.depth)),
            _ => Err(DecodeError::new::<Payload<'_>>("", std::io::Error::other("not one MessagePack value"))),
        }
    }

    /// A payload of JSON that `serde_json` has read.
    pub(crate) fn raw(json: &'a RawValue) -> Self {
        Self::text(json.get(), depth_of(json.get()))
    }

    /// A payload of JSON that the scan has found.
    pub(crate) fn found(found: json::scan::Found<'a>) -> Self {
        Self::text(found.text, found.depth)
    }

    /// A payload of text that is known to be one value of JSON and to nest so deep.
    pub(crate) fn text(text: impl Into<Cow<'a, str>>, depth: u8) -> Self {
        Payload { form: Form::Json(text.into()), depth, arguments: false }
    }

    /// A payload of bytes that are known to be one value of MessagePack and to nest so deep.
    pub(crate) fn scanned(bytes: impl Into<Cow<'a, [u8]>>, depth: u8) -> Self {
        Payload { form: Form::MessagePack(bytes.into()), depth, arguments: false }
    }

    /// The same payload, marked as a list of arguments. A list of one argument has become that argument.
    pub(crate) fn of_arguments(mut self) -> Self {
        self.arguments = true;
        self
    }

    /// Whether it was a list of arguments.
    pub(crate) fn is_of_arguments(&self) -> bool {
        self.arguments
    }

    /// The null of a format: what an absent payload means.
    pub fn null(format: Format) -> Payload<'static> {
        Self::constant(format, "null", &[0xc0], 0)
    }

    /// An object without fields.
    pub(crate) fn empty_object(format: Format) -> Payload<'static> {
        Self::constant(format, "{}", &[0x80], 1)
    }

    /// A constant, given in both formats, that nests so deep.
    pub(crate) fn constant(format: Format, json: &'static str, msgpack: &'static [u8], depth: u8) -> Payload<'static> {
        match format {
            Format::Json => Payload::text(json, depth),
            Format::MessagePack => Payload::scanned(msgpack, depth),
        }
    }

    /// Encodes a value. A payload of the format is copied, and nothing is looked at.
    ///
    /// # Errors
    /// When the value's `Serialize` fails, or it has no form in the format (JSON: map keys that
    /// are neither strings, numbers nor bools).
    pub fn encode<T: Serialize + ?Sized>(format: Format, value: &T) -> Result<Payload<'static>, EncodeError> {
        if let Some(payload) = taken::copy(format, value) {
            return Ok(payload);
        }
        // To grow there from nothing takes 70 of 4,110 instructions of a call.
        let mut bytes = Vec::with_capacity(SHORT);
        Ok(match format {
            Format::Json => {
                let depth = json::value::encode(&mut bytes, value)?;
                Payload::text(json::value::into_text(bytes)?, depth)
            }
            Format::MessagePack => {
                let depth = msgpack::value::encode_and_count(&mut bytes, value)?;
                Payload::scanned(bytes, depth)
            }
        })
    }

    /// Appends a value in a format, and returns how deep it nests. A payload of the format is copied, and
    /// nothing is looked at.
    pub(crate) fn put<T: Serialize + ?Sized>(out: &mut Vec<u8>, format: Format, value: &T) -> Result<u8, EncodeError> {
        if let Some(depth) = taken::append(out, format, value) {
            return Ok(depth);
        }
        match format {
            Format::Json => json::value::encode(out, value),
            Format::MessagePack => msgpack::value::encode_and_count(out, value),
        }
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
            Content::Json(text) => serde_json::from_str(text).map_err(|error| {
                let mut again = serde_json::Deserializer::from_str(text);
                DecodeError::json::<T>(mismatch::traced::fault::<T, _>(&mut again), error)
            }),
            Content::MessagePack(bytes) => msgpack::value::decode(bytes)
                .map_err(|error| DecodeError::new::<T>(msgpack::value::fault::<T>(bytes).unwrap_or_default(), error)),
        }
    }

    fn content(&self) -> Content<'_> {
        match &self.form {
            Form::Json(text) => Content::Json(text),
            Form::MessagePack(bytes) => Content::MessagePack(bytes),
        }
    }

    /// A list with this value as its only element.
    pub(crate) fn listed(&self) -> Payload<'static> {
        let depth = self.depth.saturating_add(1);
        match self.content() {
            Content::Json(text) => Payload::text(format!("[{text}]"), depth),
            Content::MessagePack(bytes) => Payload::scanned([&[0x91], bytes].concat(), depth),
        }
    }

    /// How many arrays and objects are inside one another: 0 for a string.
    pub(crate) fn depth(&self) -> u8 {
        self.depth
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
            (Content::Json(text), Format::MessagePack) => {
                let bytes = packed(text).map_err(EncodeError::new)?;
                Ok(Payload::scanned(bytes, self.depth))
            }
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
            Form::Json(text) => Form::Json(Cow::Owned(text.into_owned())),
            Form::MessagePack(bytes) => Form::MessagePack(Cow::Owned(bytes.into_owned())),
        };
        Payload { form, depth: self.depth, arguments: self.arguments }
    }

    /// The same payload, borrowed.
    pub fn borrowed(&self) -> Payload<'_> {
        let form = match &self.form {
            Form::Json(text) => Form::Json(Cow::Borrowed(text)),
            Form::MessagePack(bytes) => Form::MessagePack(Cow::Borrowed(bytes)),
        };
        Payload { form, depth: self.depth, arguments: self.arguments }
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

/// How deep a text nests that is known to be one value of JSON.
fn depth_of(text: &str) -> u8 {
    json::scan::scan(text, DEPTH).map_or(TOO_DEEP, |found| found.depth)
}

mod nested;
mod taken;
#[cfg(test)]
mod tests;
