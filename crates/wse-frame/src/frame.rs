//! `Frame`: a frame encoded once. May never be masked, and so never be sent by a client.

use bytes::Bytes;
use std::fmt;

use crate::{
    Opcode,
    close::CloseFrame,
    header::{self, CONTROL_MAX},
};

/// A frame encoded once, header and payload in one piece of memory, cheap to clone and to share.
///
/// It is final and not masked, as a server sends it (RFC 6455 section 5.1). A client masks each
/// frame anew: it uses [`put_frame`](crate::put_frame). Its `Debug` form shows the length only.
///
/// ```
/// use wse_frame::{Frame, Opcode};
///
/// let line = Frame::new(Opcode::Text, b"hello");
/// let for_another_peer = line.clone(); // the same memory
/// assert_eq!(&for_another_peer.as_bytes()[..], b"\x81\x05hello");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// Encodes a frame; the payload of a close, ping or pong is cut to 125 bytes (section 5.5).
    pub fn new(opcode: Opcode, payload: &[u8]) -> Frame {
        let len = if opcode.is_control() { payload.len().min(CONTROL_MAX) } else { payload.len() };
        let (head, head_len) = header::encode(opcode, len, None);
        let mut bytes = Vec::with_capacity(head_len + len);
        bytes.extend_from_slice(&head[..head_len]);
        bytes.extend_from_slice(&payload[..len]);
        Frame(bytes.into())
    }

    /// Encodes a close frame; code and reason are treated as by [`put_close`](crate::put_close).
    pub fn close(code: u16, reason: &str) -> Frame {
        let mut body = Vec::new();
        CloseFrame::write(&mut body, code, reason);
        Frame::new(Opcode::Close, &body)
    }

    /// The encoded frame.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// How many bytes it takes on the wire, header included; never 0.
    #[expect(clippy::len_without_is_empty, reason = "a frame has a header, so it is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<Frame> for Bytes {
    fn from(frame: Frame) -> Bytes {
        frame.0
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.len())
    }
}
