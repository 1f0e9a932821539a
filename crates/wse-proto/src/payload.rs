//! A payload: bytes of a known format, undecoded until somebody names a type.
//! It may never be printed: payloads carry identities and secrets.

use serde::{Serialize, de::DeserializeOwned};
use std::{borrow::Cow, fmt};

/// How the bytes of a [`Payload`] are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// JSON text (RFC 8259), valid UTF-8.
    Json,
}

/// What a message, call or answer carries: one value, still encoded.
///
/// Its `Debug` form shows the format and the length, never the content.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload<'a>(Encoded<'a>);

#[derive(Clone, PartialEq, Eq)]
enum Encoded<'a> {
    Json(Cow<'a, str>),
}

impl<'a> Payload<'a> {
    /// A payload of JSON text. The text is taken as it is; reading it fails later if it is not JSON.
    pub fn json(text: impl Into<Cow<'a, str>>) -> Self {
        Payload(Encoded::Json(text.into()))
    }

    /// The null of a format: what an absent payload means.
    pub fn null(format: Format) -> Self {
        match format {
            Format::Json => Self::json("null"),
        }
    }

    /// Encodes a value.
    ///
    /// # Errors
    /// When the value's `Serialize` fails, or it has no form in the format (JSON: map keys that
    /// are not strings).
    pub fn encode<T: Serialize + ?Sized>(format: Format, value: &T) -> Result<Self, EncodeError> {
        match format {
            Format::Json => serde_json::to_string(value).map(Self::json).map_err(EncodeError::json),
        }
    }

    /// Decodes the value into the type asked for.
    ///
    /// # Errors
    /// When the bytes are not a value of that type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        match &self.0 {
            Encoded::Json(text) => serde_json::from_str(text).map_err(DecodeError::json::<T>),
        }
    }

    /// Whether the value is an object; only a look at its first byte. Where a struct is wanted it
    /// is asked first, because serde reads structs from arrays too.
    pub(crate) fn is_object(&self) -> bool {
        match &self.0 {
            Encoded::Json(text) => text.trim_ascii_start().starts_with('{'),
        }
    }

    /// The format of the bytes.
    pub fn format(&self) -> Format {
        match &self.0 {
            Encoded::Json(_) => Format::Json,
        }
    }

    /// The bytes as they are on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Encoded::Json(text) => text.as_bytes(),
        }
    }

    /// The same payload, owning its bytes.
    pub fn into_owned(self) -> Payload<'static> {
        match self.0 {
            Encoded::Json(text) => Payload::json(text.into_owned()),
        }
    }

    /// The same payload, borrowed.
    pub fn borrowed(&self) -> Payload<'_> {
        match &self.0 {
            Encoded::Json(text) => Payload::json(&**text),
        }
    }
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.format(), self.as_bytes().len())
    }
}

/// A payload is not a value of the type asked for.
///
/// Its text names the type and the place, and never quotes the payload, so it may be logged. The
/// decoder's own words, which may quote, are its `source`.
#[derive(thiserror::Error)]
#[error("the payload is no `{expected}`, at line {line} column {column}")]
pub struct DecodeError {
    expected: &'static str,
    line: usize,
    column: usize,
    source: serde_json::Error,
}

impl DecodeError {
    pub(crate) fn json<T>(source: serde_json::Error) -> Self {
        Self { expected: std::any::type_name::<T>(), line: source.line(), column: source.column(), source }
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

    pub(crate) fn json(error: serde_json::Error) -> Self {
        Self(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_never_shows_its_content() {
        let payload = Payload::json(r#""a secret""#);
        assert_eq!(format!("{payload:?}"), "Json(10 bytes)");
    }

    #[test]
    fn a_value_survives_encoding_and_decoding() {
        let payload = Payload::encode(Format::Json, &("a", 1)).unwrap();
        assert_eq!(payload.decode::<(String, i64)>().unwrap(), ("a".to_owned(), 1));
        assert_eq!(payload.borrowed().into_owned(), payload);
    }

    #[test]
    fn what_does_not_fit_the_type_is_an_error() {
        let error = Payload::json("\"a secret\"").decode::<u64>().unwrap_err();
        assert_eq!(error.to_string(), "the payload is no `u64`, at line 1 column 10");
        assert!(!format!("{error:?}").contains("secret"));
        assert!(Payload::json("{").decode::<serde_json::Value>().is_err());
        let keyed_by_pairs = std::collections::HashMap::from([((1, 2), 3)]);
        assert!(Payload::encode(Format::Json, &keyed_by_pairs).is_err());
    }

    #[test]
    fn the_null_of_json_decodes_to_unit_and_none() {
        Payload::null(Format::Json).decode::<()>().unwrap();
        assert_eq!(Payload::null(Format::Json).decode::<Option<u8>>().unwrap(), None);
    }
}
