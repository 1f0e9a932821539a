//! The trait of a wire format that the application brings itself.

use crate::wire::{
    envelope::Envelope,
    error::{EncodeError, ProtocolError},
};
use std::fmt;

/// A wire format of the application's own, chosen by its subprotocol name.
///
/// The payload of an [`Envelope`] is JSON in both directions; a codec whose frames carry something
/// else has to translate. The protocol's own types (`~wse:hi` and the like) pass through the codec
/// like every other type, so a codec may give them other names on the wire. A welcome that grants a
/// session carries the grant in the place of its stamp, as JSON text without white space.
pub trait CustomCodec: Send + Sync + 'static {
    /// The subprotocol's name: a token of RFC 9110 section 5.6.2, offered and selected in
    /// `Sec-WebSocket-Protocol`.
    fn name(&self) -> &str;

    /// Whether envelopes travel in binary frames. By default they travel in text frames, which must
    /// be UTF-8.
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
