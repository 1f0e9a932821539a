//! The errors of reading a frame, decoding a payload, and encoding a value. The text of an error must
//! not quote what was read.

use std::fmt;

/// A frame is not an envelope of the protocol spoken.
///
/// On the protocols of `wse` the connection ends with 1000 `wse.protocol-error` and the peer does
/// not get the text. On `ws-messaging` the text is sent to the peer.
#[derive(Debug, thiserror::Error)]
#[error("not an envelope: {0}")]
pub struct ProtocolError(String);

impl ProtocolError {
    /// An error with this text, which must not quote the frame.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    pub(crate) fn why(&self) -> &str {
        &self.0
    }
}

impl From<DecodeError> for ProtocolError {
    fn from(error: DecodeError) -> Self {
        Self(error.to_string())
    }
}

/// A payload is not a value of the type asked for.
///
/// The text names the type and the place, and does not quote the payload, so it may be logged. The
/// decoder's own error, which may quote the payload, is the `source`.
#[derive(thiserror::Error)]
#[error("the payload is no `{expected}`{place}")]
pub struct DecodeError {
    expected: &'static str,
    place: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl DecodeError {
    pub(crate) fn new<T>(place: impl Into<String>, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { expected: std::any::type_name::<T>(), place: place.into(), source: source.into() }
    }

    pub(crate) fn json<T>(source: serde_json::Error) -> Self {
        Self::new::<T>(format!(", at line {} column {}", source.line(), source.column()), source)
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f) // a derived form would print the source, which may quote
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
