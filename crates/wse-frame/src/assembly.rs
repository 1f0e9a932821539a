//! `Assembly`: a message that comes in pieces. May never reserve memory for what has not arrived.

use crate::{FrameError, Message, Opcode, Payload};

/// A message that comes in pieces: of a frame, or of several.
pub(crate) struct Assembly {
    bytes: Vec<u8>,
    opcode: Opcode,
    reserved: u8,
    /// How many of the last bytes begin a char that has not ended: 0 to 3.
    open: u8,
    frames: u32,
}

impl Assembly {
    /// A message of which nothing has arrived.
    pub(crate) fn new(opcode: Opcode, reserved: u8) -> Assembly {
        Assembly { bytes: Vec::new(), opcode, reserved, open: 0, frames: 0 }
    }

    /// Bytes that have arrived.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory held: at most twice those that have arrived, or 8.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Frames that have ended.
    pub(crate) fn frames(&self) -> usize {
        self.frames as usize
    }

    /// A frame has ended, and it was not the last.
    pub(crate) fn end_frame(&mut self) {
        self.frames = self.frames.saturating_add(1);
    }

    /// Appends what has arrived; `ascii` if that is known to be all it is.
    ///
    /// `missing` bytes are to follow, and then the message ends; `None`: there will be another frame.
    pub(crate) fn push(&mut self, arrived: &[u8], ascii: bool, missing: Option<usize>) -> Result<(), FrameError> {
        let unseen = self.bytes.len().saturating_sub(usize::from(self.open));
        if let Some(missing) = missing
            && self.bytes.capacity() - self.bytes.len() < arrived.len()
        {
            // Doubling, as a Vec does by itself, but not past the message's end.
            let doubled = self.bytes.len().saturating_add(arrived.len());
            self.bytes.reserve_exact(arrived.len().saturating_add(missing.min(doubled)));
        }
        self.bytes.extend_from_slice(arrived);
        if self.opcode != Opcode::Text || self.reserved != 0 || (ascii && self.open == 0) {
            return Ok(());
        }
        let unseen = self.bytes.get(unseen..).unwrap_or_default();
        self.open = match std::str::from_utf8(unseen) {
            Ok(_) => 0,
            // The last char has begun well and not ended: fewer than 4 bytes.
            Err(end) if end.error_len().is_none() => (unseen.len() - end.valid_up_to()) as u8,
            Err(_) => return Err(FrameError::NotUtf8),
        };
        Ok(())
    }

    /// The message, which has arrived whole.
    pub(crate) fn finish(self) -> Result<Message<'static>, FrameError> {
        if self.open != 0 {
            return Err(FrameError::NotUtf8);
        }
        Ok(Message { opcode: self.opcode, reserved: self.reserved, payload: Payload::Owned(self.bytes) })
    }
}
