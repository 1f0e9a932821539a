//! Encoding into a write buffer: `put_frame` and `put_close` behind what is already there, `write_frame`
//! alone. May never hold a second buffer.

use std::convert::Infallible;

use crate::{
    Opcode,
    close::CloseFrame,
    header::{self, CONTROL_MAX, HEADER_MAX},
    mask,
};

/// Appends one final frame to `out`; `write` appends the payload, straight behind the place kept
/// for the header.
///
/// `mask` is `None` for a server, and for a client the key, which must be new and unpredictable for
/// each frame (RFC 6455 section 5.3). A payload of up to 125 bytes stays where it was written; a
/// longer one moves by 2 or 8 bytes, because its header is longer (section 5.2).
///
/// If `write` fails or panics, `out` is cut back to where it was. `write` may only append: what it
/// does to the bytes before it is its own affair, and does not panic here. Of a close, ping or pong
/// the payload is cut to 125 bytes (section 5.5). This crate begins no fragmented messages, so
/// [`Opcode::Continuation`] is only right for a caller who has begun one by other means.
///
/// # Errors
///
/// The error of `write`; there is no other.
pub fn put_frame<E>(
    out: &mut Vec<u8>,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let room = if mask.is_some() { 6 } else { 2 };
    Draft::new(out, room).write(opcode, mask, write).map(drop)
}

/// Writes one final frame into `out`, which is emptied first, and returns where in `out` the frame begins;
/// it ends where `out` does.
///
/// The payload stays where it was written, whatever its length: before it there is room for the longest
/// header. So this is the way to write a large frame; [`put_frame`] is the way to write behind other frames.
/// Everything else is as in [`put_frame`], and `out` is empty if `write` fails or panics.
///
/// ```
/// use wse_frame::{Opcode, write_frame};
///
/// let mut out = Vec::new();
/// let begin = write_frame(&mut out, Opcode::Text, None, |out| {
///     out.extend_from_slice(b"hello");
///     Ok::<_, std::convert::Infallible>(())
/// })?;
/// assert_eq!(&out[begin..], b"\x81\x05hello");
/// # Ok::<(), std::convert::Infallible>(())
/// ```
///
/// # Errors
///
/// The error of `write`; there is no other.
pub fn write_frame<E>(
    out: &mut Vec<u8>,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<usize, E> {
    out.clear();
    Draft::new(out, HEADER_MAX).write(opcode, mask, write)
}

/// The bytes of one final frame around a payload of so many.
///
/// `masked` is for a client's frame. It says beforehand what [`put_frame`] will append.
pub fn frame_len(payload: usize, masked: bool) -> usize {
    let (_, head) = header::encode(Opcode::Binary, payload, masked.then_some([0; 4]));
    payload.saturating_add(head)
}

/// Appends a close frame (RFC 6455 section 5.5.1).
///
/// The reason is cut to 123 bytes, where a char ends. A code that must not travel (section 7.4:
/// 1005, 1006, 1015 and all that are not 1000 to 1003, 1007 to 1014 or 3000 to 4999) gives a close
/// frame without a body. `mask` as in [`put_frame`].
pub fn put_close(out: &mut Vec<u8>, mask: Option<[u8; 4]>, code: u16, reason: &str) {
    let Ok(()) = put_frame(out, Opcode::Close, mask, |out| {
        CloseFrame::write(out, code, reason);
        Ok::<_, Infallible>(())
    });
}

/// Appends a frame of a client, as [`put_frame`] wrote it, once more: under a new key, as every
/// frame has its own (RFC 6455 section 5.3). What is no whole masked frame is appended as it is.
pub fn put_again(out: &mut Vec<u8>, frame: &[u8], key: [u8; 4]) {
    let start = out.len();
    out.extend_from_slice(frame);
    let Some([_, second]) = frame.first_chunk() else { return };
    let head = match header::short_len(*second) {
        126 => 8,
        127 => 14,
        _ => 6,
    };
    if !header::is_masked(*second) || frame.len() < head {
        return;
    }
    let (head, payload) = out[start..].split_at_mut(head);
    let Some(place) = head.last_chunk_mut() else { return };
    mask::apply(std::array::from_fn(|at| place[at] ^ key[at]), payload);
    *place = key;
}

/// A frame that is being written; cut away again if it is not finished.
struct Draft<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    /// Where the payload begins.
    body: usize,
    done: bool,
}

impl<'o> Draft<'o> {
    /// A draft with so much room for the header.
    fn new(out: &'o mut Vec<u8>, room: usize) -> Self {
        let start = out.len();
        out.resize(start + room, 0);
        Draft { body: start + room, start, out, done: false }
    }

    /// Writes the payload, then the header before it, and masks the payload. Returns where the frame begins:
    /// behind the start by as much as the room is longer than the header.
    fn write<E>(
        mut self,
        opcode: Opcode,
        key: Option<mask::Key>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<usize, E> {
        write(self.out)?;
        let Draft { start, body, .. } = self;
        let out = &mut *self.out;
        if out.len() < body {
            out.resize(body, 0); // `write` has taken away what was not its own
        }
        if opcode.is_control() {
            out.truncate(body + CONTROL_MAX);
        }
        let len = out.len() - body;
        let (head, head_len) = header::encode(opcode, len, key);
        let begin = body.saturating_sub(head_len).max(start);
        let longer = begin + head_len - body;
        if longer > 0 {
            out.resize(out.len() + longer, 0);
            out.copy_within(body..body + len, body + longer);
        }
        let (head_place, payload) = out[begin..].split_at_mut(head_len);
        head_place.copy_from_slice(&head[..head_len]);
        if let Some(key) = key {
            mask::apply(key, payload);
        }
        self.done = true;
        Ok(begin)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.out.truncate(self.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Frame;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn the_length_of_a_frame_is_known_beforehand() {
        for payload in [0, 125, 126, 65_535, 65_536] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let mut out = Vec::new();
                put(&mut out, Opcode::Text, mask, &vec![b'x'; payload]);
                assert_eq!(out.len(), frame_len(payload, mask.is_some()), "{payload}");
            }
        }
        assert_eq!(frame_len(usize::MAX, true), usize::MAX);
    }

    fn put(out: &mut Vec<u8>, opcode: Opcode, mask: Option<[u8; 4]>, payload: &[u8]) {
        let Ok(()) = put_frame(out, opcode, mask, |out| {
            out.extend_from_slice(payload);
            Ok::<_, Infallible>(())
        });
    }

    /// What `write_frame` makes of it in a buffer that was used before.
    fn alone(opcode: Opcode, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
        let mut out = b"before".to_vec();
        let Ok(begin) = write_frame(&mut out, opcode, mask, |out| {
            assert!(out.len() <= HEADER_MAX, "what was there is in the way");
            out.extend_from_slice(payload);
            Ok::<_, Infallible>(())
        });
        assert!(opcode.is_control() || out.ends_with(payload) || mask.is_some());
        out.split_off(begin)
    }

    #[test]
    fn a_frame_has_the_shortest_header_at_every_edge_behind_what_was_there() {
        for (len, head) in [
            (0, &[0x82, 0][..]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (127, &[0x82, 126, 0, 127]),
            (65535, &[0x82, 126, 0xff, 0xff]),
            (65536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let payload: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let mut out = b"before".to_vec();
            put(&mut out, Opcode::Binary, None, &payload);
            assert_eq!(out, [b"before", head, &payload].concat());
            assert_eq!(alone(Opcode::Binary, None, &payload), out[6..]);
            assert_eq!(Frame::new(Opcode::Binary, &payload).as_bytes()[..], out[6..]);
        }
    }

    #[test]
    fn a_client_masks_and_says_so() {
        let mut out = Vec::new();
        put(&mut out, Opcode::Text, Some([0x37, 0xfa, 0x21, 0x3d]), b"Hello");
        assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        assert_eq!(alone(Opcode::Text, Some([0x37, 0xfa, 0x21, 0x3d]), b"Hello"), out);
    }

    #[test]
    fn a_frame_that_is_written_alone_is_the_frame_that_is_put_behind_others_and_its_payload_is_never_moved() {
        for len in [0, 1, 125, 126, 65535, 65536] {
            let payload: Vec<u8> = (0..len).map(|at| at as u8).collect();
            for mask in [None, Some([1, 2, 3, 4])] {
                let mut out = Vec::new();
                put(&mut out, Opcode::Binary, mask, &payload);
                assert_eq!(alone(Opcode::Binary, mask, &payload), out, "{len}");
            }
            let (mut out, mut place) = (Vec::with_capacity(HEADER_MAX + len), 0);
            let Ok(begin) = write_frame(&mut out, Opcode::Binary, None, |out| {
                place = out.len();
                out.extend_from_slice(&payload);
                Ok::<_, Infallible>(())
            });
            assert_eq!(out[place..], payload);
            assert_eq!(out.len() - begin, frame_len(len, false));
        }
    }

    #[test]
    fn a_frame_that_is_sent_again_has_another_key_and_the_same_payload() {
        for len in [0, 1, 5, 125, 126, 65535, 65536] {
            let payload: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let (mut first, mut again, mut expected) = (Vec::new(), b"before".to_vec(), b"before".to_vec());
            put(&mut first, Opcode::Text, Some([1, 2, 3, 4]), &payload);
            put(&mut expected, Opcode::Text, Some([9, 0, 7, 0xff]), &payload);
            put_again(&mut again, &first, [9, 0, 7, 0xff]);
            assert_eq!(again, expected);
        }
        for other in [&b""[..], b"\x81", b"\x81\x01x", b"\x81\x85abc"] {
            let mut out = Vec::new();
            put_again(&mut out, other, [1, 2, 3, 4]);
            assert_eq!(out, other);
        }
    }

    #[test]
    fn a_writer_that_fails_leaves_nothing_behind() {
        let half = |out: &mut Vec<u8>| {
            out.extend_from_slice(b"half");
            Err("no")
        };
        let mut out = b"before".to_vec();
        let end = put_frame(&mut out, Opcode::Text, None, half);
        assert_eq!((end, &out[..]), (Err("no"), &b"before"[..]));
        let end = write_frame(&mut out, Opcode::Text, None, half);
        assert_eq!((end, &out[..]), (Err("no"), &b""[..]));
    }

    #[test]
    fn a_writer_that_panics_leaves_nothing_behind() {
        let panics = |out: &mut Vec<u8>| -> Result<(), ()> {
            out.extend_from_slice(b"half");
            panic!("a serialiser that panics")
        };
        let mut out = b"before".to_vec();
        assert!(catch_unwind(AssertUnwindSafe(|| put_frame(&mut out, Opcode::Text, None, panics))).is_err());
        assert_eq!(out, b"before");
        assert!(catch_unwind(AssertUnwindSafe(|| write_frame(&mut out, Opcode::Text, None, panics))).is_err());
        assert_eq!(out, b"");
    }

    #[test]
    fn a_writer_that_takes_away_instead_does_not_panic() {
        let takes = |out: &mut Vec<u8>| {
            out.clear();
            Ok::<_, ()>(())
        };
        for mask in [None, Some([1, 2, 3, 4])] {
            let mut out = b"before".to_vec();
            assert_eq!(put_frame(&mut out, Opcode::Text, mask, takes), Ok(()));
            assert_eq!(write_frame(&mut out, Opcode::Text, mask, takes).map(|begin| out.len() - begin), {
                Ok(frame_len(0, mask.is_some()))
            });
        }
    }

    #[test]
    fn a_control_frame_is_never_longer_than_it_may_be() {
        let mut out = Vec::new();
        put(&mut out, Opcode::Ping, None, &[b'x'; 200]);
        assert_eq!(out, [&[0x89, 125], &[b'x'; 125][..]].concat());
        assert_eq!(alone(Opcode::Ping, None, &[b'x'; 200]), out);
        assert_eq!(Frame::new(Opcode::Ping, &[b'x'; 200]).as_bytes()[..], out);
    }

    #[test]
    fn a_close_reason_is_cut_to_123_bytes_where_a_char_ends() {
        for (reason, kept) in [
            ("x".repeat(123), 123),
            ("x".repeat(124), 123),
            ("ä".repeat(62), 122),
            ("x".repeat(121) + "😀", 121),
            (String::new(), 0),
        ] {
            let mut out = Vec::new();
            put_close(&mut out, None, 1000, &reason);
            assert_eq!(out, [&[0x88, kept as u8 + 2, 0x03, 0xe8], &reason.as_bytes()[..kept]].concat());
            assert_eq!(Frame::close(1000, &reason).as_bytes()[..], out);
            assert_eq!(Frame::close(1000, &reason).len(), out.len());
        }
    }

    #[test]
    fn a_code_that_must_not_travel_closes_without_a_body() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            let mut out = Vec::new();
            put_close(&mut out, None, code, "never");
            assert_eq!(out, [0x88, 0]);
            assert_eq!(Frame::close(code, "never").as_bytes()[..], out);
        }
        let mut out = Vec::new();
        put_close(&mut out, Some([1, 2, 3, 4]), 1005, "");
        assert_eq!(out, [0x88, 0x80, 1, 2, 3, 4]);
    }
}
