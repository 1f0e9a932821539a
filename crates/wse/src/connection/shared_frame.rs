//! A frame that many connections share, and its compressed form (RFC 7692). A thread has one deflater for all.

use bytes::Bytes;
use std::{cell::Cell, sync::OnceLock};
use wse_frame::deflate::{Deflate, Deflater};

thread_local! {
    /// Taken while it works.
    static DEFLATER: Cell<Option<Box<Deflater>>> = const { Cell::new(None) };
}

/// A server's frame that many connections share, compressed when the first of them needs it.
#[derive(Clone)]
pub(crate) struct SharedFrame {
    plain: Bytes,
    /// Compressed for the window that most allow; `None` where that makes it no smaller.
    compressed: OnceLock<Option<Bytes>>,
}

impl SharedFrame {
    pub(crate) fn new(plain: Bytes) -> Self {
        Self { plain, compressed: OnceLock::new() }
    }

    pub(crate) fn plain(&self) -> &Bytes {
        &self.plain
    }

    pub(super) fn compressed(&self, agreed: Deflate) -> Option<Bytes> {
        if !agreed.compresses_as(Deflate::default()) {
            return compress(&self.plain, false, agreed); // few clients ask for a smaller window
        }
        self.compressed.get_or_init(|| compress(&self.plain, false, agreed)).clone()
    }
}

/// A frame compressed, if that makes it smaller.
pub(super) fn compress(frame: &[u8], masked: bool, agreed: Deflate) -> Option<Bytes> {
    let mut deflater = DEFLATER.take().unwrap_or_default();
    let mut out = Vec::new();
    let smaller = deflater.put_frame(&mut out, frame, masked.then(rand::random), agreed);
    DEFLATER.set(Some(deflater));
    smaller.then(|| out.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wse_frame::{Frame, Opcode};

    #[test]
    fn what_many_share_is_compressed_once_and_only_for_those_who_allow_another_window_again() {
        let frame = SharedFrame::new(Frame::new(Opcode::Text, "to everyone ".repeat(100).as_bytes()).into());
        let window = |offer| Deflate::answer([offer]).expect("an agreement");
        let usual = window("permessage-deflate");
        let first = frame.compressed(usual).expect("it becomes smaller");
        let second = frame.compressed(usual).expect("it becomes smaller");
        assert_eq!(first.as_ptr(), second.as_ptr(), "the same memory");
        let named = window("permessage-deflate; server_max_window_bits=15");
        assert_eq!(frame.compressed(named).expect("it becomes smaller").as_ptr(), first.as_ptr(), "the same window");
        assert!(first.len() < 100 && first[0] == 0xc1);
        let small = window("permessage-deflate; server_max_window_bits=9");
        assert_ne!(frame.compressed(small).expect("it becomes smaller").as_ptr(), first.as_ptr());
        let smallest = window("permessage-deflate; server_max_window_bits=8");
        assert_eq!(frame.compressed(smallest), None);
    }

    #[test]
    fn what_many_share_and_does_not_become_smaller_is_tried_once() {
        let frame = SharedFrame::new(Frame::new(Opcode::Binary, &[1, 2, 3]).into());
        assert_eq!(frame.compressed(Deflate::default()), None);
        assert_eq!(frame.compressed.get(), Some(&None));
    }
}
