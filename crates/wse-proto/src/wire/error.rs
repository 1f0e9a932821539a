//! The errors of reading a frame, decoding a payload, and encoding a value. The text of an error must
//! not quote what was read.

use std::fmt;

/// A frame is not an envelope of the protocol spoken, or has no place where it came.
///
/// On the protocols of `wse` the connection ends with 1000 `wse.protocol-error`, and a peer that was not
/// let in yet is told in the reason what was expected; it does not get the text about a frame. On
/// `ws-messaging` the text is sent to the peer.
#[derive(Debug, thiserror::Error)]
#[error("{}{why}", kind.before())]
pub struct ProtocolError {
    why: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The frame is not an envelope.
    Frame,
    /// It is a frame of this other protocol.
    Foreign(&'static str),
    /// It is an envelope that must not come like this.
    Envelope,
}

impl Kind {
    fn before(self) -> &'static str {
        match self {
            Kind::Frame | Kind::Foreign(_) => "not an envelope: ",
            Kind::Envelope => "",
        }
    }
}

impl ProtocolError {
    /// An error with this text, which must not quote the frame.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), kind: Kind::Frame }
    }

    /// An envelope that must not come like this, for that reason.
    pub(crate) fn of_envelope(why: &str) -> Self {
        Self { why: why.into(), kind: Kind::Envelope }
    }

    /// The frame is one of another protocol.
    pub(crate) fn foreign(protocol: &'static str) -> Self {
        Self { why: format!("a frame of {protocol}"), kind: Kind::Foreign(protocol) }
    }

    pub(crate) fn why(&self) -> &str {
        &self.why
    }

    /// What a peer may be told of it: nothing of a frame, since that text may be of a codec of the
    /// application's.
    pub(crate) fn told(&self) -> Option<String> {
        match self.kind {
            Kind::Frame => None,
            Kind::Foreign(protocol) => Some(format!("the format of {protocol}")),
            Kind::Envelope => Some(self.why.clone()),
        }
    }
}

impl From<DecodeError> for ProtocolError {
    fn from(error: DecodeError) -> Self {
        Self::new(error.to_string())
    }
}

/// A payload is not a value of the type asked for.
///
/// The text names the type, the field and what was expected there, as in ``the payload is no `Ride`, at
/// `stops[2].lat`: expected f64, got a string``. It does not quote the payload, so it may be logged. The
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

    /// The error of JSON that is not of the type; `fault` says where it is not, if that is known.
    pub(crate) fn json<T>(fault: Option<String>, source: serde_json::Error) -> Self {
        let place = || format!(", at line {} column {}", source.line(), source.column());
        Self::new::<T>(fault.unwrap_or_else(place), source)
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
