//! A message as bytes that the application carries to another process by itself.

use super::Encoded;
use crate::{app::names::Age, error::SendError, server::Server};
use wse_proto::{Codec, ProtocolError};

/// What the bytes of a message begin with: how the envelope behind it is to be read.
const JSON: u8 = 1;
const MESSAGE_PACK: u8 = 2;
/// Beside either: how the message ages stands before the envelope.
const AGES: u8 = 0x80;

impl Encoded {
    /// The message as bytes, for [`from_bytes`](Self::from_bytes) in another process: of the same or
    /// a later version.
    ///
    /// # Errors
    /// [`SendError::Encode`] when the payload nests deeper than the wires of `wse` allow, which a
    /// codec of your own may not have noticed.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SendError> {
        // MessagePack first: it has everything that JSON has, and binary data besides.
        let (mark, codec) = match self.msgpack.get() {
            Some(_) => (MESSAGE_PACK, Codec::MessagePack),
            None => (JSON, Codec::Json),
        };
        let mut bytes = match &self.age {
            None => vec![mark],
            Some(age) => {
                let mut bytes = vec![mark | AGES];
                age.write(&mut bytes);
                bytes
            }
        };
        codec.write_encoded(&mut bytes, &self.name, self.payload(codec.format())?, None)?;
        Ok(bytes)
    }

    /// Reads a message that [`to_bytes`](Self::to_bytes) has written, to be sent by this server. The
    /// bytes need not be trusted: they are bounded by [`Limits::queue_bytes`](crate::Limits::queue_bytes)
    /// and checked as a frame of a device is. A device whose wire has no form for the message gets
    /// nothing.
    ///
    /// # Errors
    /// When they are not such a message, or longer than a queue.
    pub fn from_bytes(server: &Server, bytes: &[u8]) -> Result<Self, ProtocolError> {
        if bytes.len() > 1 + server.0.env.limits.queue_bytes {
            return Err(ProtocolError::new("an encoded message larger than a queue"));
        }
        let unknown = || ProtocolError::new("an encoded message of no known version");
        let (mark, envelope) = bytes.split_first().ok_or_else(unknown)?;
        let codec = match mark & !AGES {
            JSON => Codec::Json,
            MESSAGE_PACK => Codec::MessagePack,
            _ => return Err(unknown()),
        };
        let (age, envelope) = match mark & AGES {
            0 => (None, envelope),
            _ => Age::read(envelope).map(|(age, envelope)| (Some(age), envelope)).ok_or_else(unknown)?,
        };
        let envelope = codec.read(envelope, codec.binary())?;
        if envelope.is_call() || codec.can_name(&envelope.name).is_err() {
            return Err(ProtocolError::new("an encoded message that is none of the application's"));
        }
        let message = Self::empty(&server.0, &envelope.name, age.as_ref());
        let _ = message.slot(codec.format()).set(envelope.payload.into_owned());
        Ok(message)
    }
}
