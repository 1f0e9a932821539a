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

    /// The payload of bytes that are exactly one frame of that opcode, as [`new`](Frame::new) encodes it; `None` of any
    /// other bytes. Such a frame may be sent as it is, whoever has encoded it.
    ///
    /// ```
    /// use wse_frame::{Frame, Opcode};
    ///
    /// assert_eq!(Frame::payload_of(Opcode::Text, b"\x81\x05hello"), Some(&b"hello"[..]));
    /// assert_eq!(Frame::payload_of(Opcode::Binary, b"\x81\x05hello"), None);
    /// ```
    pub fn payload_of(opcode: Opcode, frame: &[u8]) -> Option<&[u8]> {
        let head_len = match frame.get(1)? {
            0..=125 => 2,
            126 => 4,
            127 => 10,
            _ => return None, // masked
        };
        let (head, payload) = frame.split_at_checked(head_len)?;
        let (expected, expected_len) = header::encode(opcode, payload.len(), None);
        let whole = head == &expected[..expected_len] && !(opcode.is_control() && payload.len() > CONTROL_MAX);
        whole.then_some(payload)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_frame_as_it_is_encoded_here_has_a_payload() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; len];
            let frame = Frame::new(Opcode::Text, &payload);
            let bytes = frame.as_bytes();
            assert_eq!(Frame::payload_of(Opcode::Text, bytes), Some(&payload[..]), "{len}");
            assert_eq!(Frame::payload_of(Opcode::Binary, bytes), None);
            assert_eq!(Frame::payload_of(Opcode::Text, &bytes[..bytes.len() - 1]), None);
            assert_eq!(
                Frame::payload_of(Opcode::Text, &[bytes, &b"x"[..]].concat()),
                None,
                "two frames, or one and more"
            );
            for bit in 0..16 {
                let mut wrong = bytes.to_vec();
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Frame::payload_of(Opcode::Text, &wrong), None, "{len}, bit {bit}");
            }
        }
        for wrong in
            [&b""[..], b"\x81", b"\x81\x7e\0\x01x", b"\x81\x7f\0\0\0\0\0\0\0\x01x", b"\x81\xff", b"\x81\x7f\xff"]
        {
            assert_eq!(Frame::payload_of(Opcode::Text, wrong), None, "{wrong:?}");
        }
        let long_ping = [&b"\x89\x7e\0\x7e"[..], &[0; 126]].concat();
        assert_eq!(Frame::payload_of(Opcode::Ping, &long_ping), None, "a control frame is short");
    }
}
