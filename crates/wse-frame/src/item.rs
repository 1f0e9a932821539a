//! `Item`: what a decoder takes out of its input, and the types inside. May never hold a
//! connection's state.

use crate::{CloseFrame, Opcode};
use std::fmt;

/// What a [`Decoder`](crate::Decoder) takes out of its input.
#[derive(Debug, PartialEq)]
pub enum Item<'b> {
    /// A whole message, put together if it came in fragments.
    Message(Message<'b>),
    /// A ping: the peer expects a pong with the same payload (RFC 6455 section 5.5.2).
    Ping(Control),
    /// A pong: the answer to a ping, or unasked for, which is allowed (section 5.5.3).
    Pong(Control),
    /// The peer's last frame: it expects one in return, and nothing behind it counts (section
    /// 5.5.1).
    Close(Option<CloseFrame>),
}

/// A whole message.
#[derive(Debug, PartialEq)]
pub struct Message<'b> {
    /// [`Opcode::Text`] or [`Opcode::Binary`], nothing else.
    pub opcode: Opcode,
    /// The reserved bits of the message's first frame, as they stand in the byte (0x40, 0x20,
    /// 0x10).
    ///
    /// Only bits that [`Decoder::allow_reserved`](crate::Decoder::allow_reserved) has let in; 0
    /// without an extension.
    pub reserved: u8,
    /// The message's bytes, unmasked. Of a text without reserved bits they are UTF-8.
    pub payload: Payload<'b>,
}

impl Message<'_> {
    /// The text, if this is a text without reserved bits.
    ///
    /// The bytes are known to be UTF-8; without `unsafe` that costs a second look over them. Use
    /// [`Payload::as_slice`] where a `str` is not needed.
    pub fn text(&self) -> Option<&str> {
        if self.opcode != Opcode::Text || self.reserved != 0 {
            return None;
        }
        std::str::from_utf8(self.payload.as_slice()).ok()
    }
}

/// The bytes of a message.
///
/// Two payloads are equal if their bytes are. The `Debug` form shows how many there are, never which.
pub enum Payload<'b> {
    /// They lay whole in the input: lent out of it, unmasked in place.
    Borrowed(&'b mut [u8]),
    /// They came in pieces: put together.
    Owned(Vec<u8>),
}

impl Payload<'_> {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Payload::Borrowed(bytes) => bytes,
            Payload::Owned(bytes) => bytes,
        }
    }

    /// The bytes to keep: copied if they were lent, handed over if not.
    pub fn into_owned(self) -> Vec<u8> {
        match self {
            Payload::Borrowed(bytes) => bytes.to_vec(),
            Payload::Owned(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Payload<'_> {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self, Payload::Borrowed(_)) { "Borrowed" } else { "Owned" };
        write!(f, "{kind}({} bytes)", self.as_slice().len())
    }
}

impl PartialEq for Payload<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

/// The payload of a ping or a pong: at most 125 bytes (RFC 6455 section 5.5). Its `Debug` form shows
/// how many, never which.
#[derive(Clone, PartialEq, Eq)]
pub struct Control(pub(crate) Vec<u8>);

impl Control {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Control {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Control({} bytes)", self.0.len())
    }
}
