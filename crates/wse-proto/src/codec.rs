//! Codecs: between the bytes of a frame and an envelope. One is chosen for a connection by its
//! WebSocket subprotocol. A codec may never decode a payload, and knows no framing.

use crate::{EncodeError, Envelope, Format, Kind, Payload, json};
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

    /// Reads one whole message; `binary` says what kind of frame it came in. An empty stamp is no
    /// stamp.
    ///
    /// # Errors
    /// When it is not an envelope of this codec, has an empty type, or came in the other kind of
    /// frame.
    pub fn read<'a>(&self, message: &'a [u8], binary: bool) -> Result<Envelope<'a>, ProtocolError> {
        if binary != self.binary() {
            return Err(ProtocolError::new("a frame of the wrong kind, text for binary or the reverse"));
        }
        let mut envelope = match self {
            Codec::Json => json::read(message)?,
            Codec::Custom(codec) => codec.read(message)?,
        };
        if envelope.name.is_empty() {
            return Err(ProtocolError::new("an empty type"));
        }
        envelope.stamp = envelope.stamp.filter(|stamp| !stamp.is_empty());
        Ok(envelope)
    }

    /// Appends a message or call of the application's; the payload is encoded on the way.
    ///
    /// # Errors
    /// When the payload does not encode or nests too deep to be read, or the name is empty or one
    /// of the protocol's own; `out` may then hold a part.
    pub fn write<P: Serialize + ?Sized>(
        &self,
        out: &mut Vec<u8>,
        name: &str,
        payload: &P,
        stamp: Option<&str>,
    ) -> Result<(), EncodeError> {
        if name.is_empty() || Kind::of(name).is_some() {
            return Err(EncodeError::new(format!("{name:?} cannot name a message or procedure")));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_stamp_is_none_and_an_empty_type_an_error() {
        let envelope = Codec::Json.read(br#"["m",null,""]"#, false).unwrap();
        assert_eq!(envelope.stamp, None);
        assert!(Codec::Json.read(br#"[""]"#, false).is_err());
    }

    #[test]
    fn the_other_kind_of_frame_is_an_error() {
        assert!(Codec::Json.read(br#"["m"]"#, true).is_err());
    }

    #[test]
    fn what_no_peer_could_read_is_not_written() {
        let write = |name: &str, payload: &serde_json::Value| {
            Codec::Json.write(&mut Vec::new(), name, payload, None).map_err(|error| error.to_string())
        };
        let nested = |depth| (0..depth).fold(serde_json::json!([]), |inner, _| serde_json::json!([inner]));
        assert!(write("m", &nested(100)).is_ok());
        assert!(write("m", &nested(127)).unwrap_err().contains("nested deeper"));
        for name in ["", "~wse:hi", "~wse:response"] {
            assert!(write(name, &nested(0)).unwrap_err().contains("cannot name"), "{name}");
        }
    }
}
