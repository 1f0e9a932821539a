//! Codecs: between the bytes of a frame and an envelope. One is chosen for a connection by its
//! WebSocket subprotocol. A codec may never decode a payload, and knows no framing.

use crate::{EncodeError, Envelope, Format, Payload, json};
use serde::Serialize;
use std::{fmt, sync::Arc};

/// A frame is not an envelope of the protocol spoken; the connection ends with
/// 1000 `wse.protocol-error`.
#[derive(Debug, thiserror::Error)]
#[error("not an envelope: {0}")]
pub struct ProtocolError(String);

impl ProtocolError {
    /// With a text for the application's own log; it is never sent.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// How the envelopes of a connection become frames.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Codec {
    /// `wse-default-json`: a JSON array of three in a text frame.
    Json,
    /// The application's own.
    Custom(Arc<dyn CustomCodec>),
}

/// A wire format of the application's own, chosen by its subprotocol name.
///
/// The payload of an [`Envelope`] is JSON text on both ways: a codec whose frames carry something
/// else translates. The protocol's own types (`~wse:hi` and the like) pass through the codec as
/// every other, so a codec may give them other names on the wire.
pub trait CustomCodec: Send + Sync + 'static {
    /// The subprotocol's name: a token of RFC 9110 section 5.6.2, offered and selected in
    /// `Sec-WebSocket-Protocol`.
    fn name(&self) -> &str;

    /// Whether envelopes travel in binary frames; text frames otherwise, which must be UTF-8.
    fn binary(&self) -> bool {
        false
    }

    /// Appends the frame's payload for an envelope.
    ///
    /// # Errors
    /// When the envelope has no form in this codec; the sender gets the error.
    fn write(&self, envelope: &Envelope<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Reads the payload of one whole message.
    ///
    /// # Errors
    /// When it is not an envelope: the connection ends with a protocol error.
    fn read<'a>(&self, frame: &'a [u8]) -> Result<Envelope<'a>, ProtocolError>;
}

impl fmt::Debug for dyn CustomCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomCodec({:?})", self.name())
    }
}

impl Codec {
    /// The subprotocol's name.
    pub fn name(&self) -> &str {
        match self {
            Codec::Json => "wse-default-json",
            Codec::Custom(codec) => codec.name(),
        }
    }

    /// The format of the payloads it reads and takes.
    pub fn format(&self) -> Format {
        match self {
            Codec::Json | Codec::Custom(_) => Format::Json,
        }
    }

    /// Whether its envelopes travel in binary frames.
    pub fn binary(&self) -> bool {
        match self {
            Codec::Json => false,
            Codec::Custom(codec) => codec.binary(),
        }
    }

    /// Reads one whole message; `binary` says what kind of frame it came in.
    ///
    /// # Errors
    /// When it is not an envelope of this codec, or came in the other kind of frame.
    pub fn read<'a>(&self, message: &'a [u8], binary: bool) -> Result<Envelope<'a>, ProtocolError> {
        if binary != self.binary() {
            return Err(ProtocolError::new("a frame of the wrong kind, text for binary or the reverse"));
        }
        match self {
            Codec::Json => json::read(message),
            Codec::Custom(codec) => codec.read(message),
        }
    }

    /// Appends an envelope whose payload is encoded on the way.
    ///
    /// # Errors
    /// When the payload does not encode; `out` may then hold a part.
    pub fn write<P: Serialize + ?Sized>(
        &self,
        out: &mut Vec<u8>,
        name: &str,
        payload: &P,
        stamp: Option<&str>,
    ) -> Result<(), EncodeError> {
        match self {
            Codec::Json => json::write(out, name, payload, stamp),
            Codec::Custom(_) => {
                let payload = Payload::encode(self.format(), payload)?;
                self.write_encoded(out, name, &payload, stamp)
            }
        }
    }

    /// Appends an envelope whose payload is encoded already, in this codec's [`format`](Codec::format).
    ///
    /// # Errors
    /// When a custom codec refuses the envelope; `out` may then hold a part.
    pub fn write_encoded(
        &self,
        out: &mut Vec<u8>,
        name: &str,
        payload: &Payload<'_>,
        stamp: Option<&str>,
    ) -> Result<(), EncodeError> {
        match self {
            Codec::Json => json::write_raw(out, name, payload.as_bytes(), stamp),
            Codec::Custom(codec) => {
                let envelope =
                    Envelope { name: name.into(), payload: payload.borrowed(), stamp: stamp.map(Into::into) };
                codec.write(&envelope, out)
            }
        }
    }
}
