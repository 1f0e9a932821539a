//! `Assembly`: a message that comes in pieces. May never reserve memory for what has not arrived.

use crate::{
    FrameError, Message, Opcode, Payload,
    mask::{self, Key},
};
use bytes::BufMut;

/// A message that comes in pieces: of a frame, or of several. Bytes are placed first, as they arrive, and
/// settled then: unmasked and checked.
pub(crate) struct Assembly {
    bytes: Vec<u8>,
    /// How many of them are settled.
    settled: usize,
    opcode: Opcode,
    reserved: u8,
    /// How many of the last settled bytes begin a char that has not ended: 0 to 3.
    open: u8,
    frames: u32,
}

impl Assembly {
    /// A message of which nothing has arrived.
    pub(crate) fn new(opcode: Opcode, reserved: u8) -> Assembly {
        Assembly { bytes: Vec::new(), settled: 0, opcode, reserved, open: 0, frames: 0 }
    }

    /// Bytes that have arrived.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that were placed and not settled.
    pub(crate) fn placed(&self) -> usize {
        self.bytes.len() - self.settled
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

    /// Places what has arrived.
    ///
    /// `missing` bytes are to follow, and then the message ends; `None`: there will be another frame. `memory` is
    /// asked for a buffer when the message begins, for at least and at most so many bytes.
    pub(crate) fn place(
        &mut self,
        arrived: &[u8],
        missing: Option<usize>,
        memory: impl FnOnce(usize, usize) -> Vec<u8>,
    ) {
        if self.bytes.capacity() - self.bytes.len() < arrived.len() {
            // Doubling, as a Vec does by itself, but not past the message's end.
            let doubled = self.bytes.len().saturating_add(arrived.len());
            let more = arrived.len().saturating_add(missing.map_or(0, |missing| missing.min(doubled)));
            if self.bytes.capacity() == 0 {
                let (least, most) = (more, doubled.saturating_mul(2));
                let buffer = memory(least, most);
                if (least..=most).contains(&buffer.capacity()) {
                    self.bytes = buffer;
                    self.bytes.clear();
                }
            }
            if missing.is_some() {
                self.bytes.reserve_exact(more);
            }
        }
        self.bytes.extend_from_slice(arrived);
    }

    /// Room for the next bytes of a frame of which `left` are not settled: for `least` or more, or none. It is made by
    /// doubling, not past the end of the frame, once what has arrived allows for it.
    pub(crate) fn room(&mut self, left: usize, least: usize) -> Option<impl BufMut> {
        let left = left - self.placed();
        let mut room = left.min(self.bytes.capacity() - self.bytes.len());
        if room < least {
            room = left.min(self.bytes.len());
            if room < least {
                return None;
            }
            self.bytes.reserve_exact(room);
        }
        Some((&mut self.bytes).limit(room))
    }

    /// Takes the key off what was placed, and checks it. Returns how many bytes that were.
    pub(crate) fn settle(&mut self, key: Option<Key>) -> Result<usize, FrameError> {
        let unseen = self.settled.saturating_sub(usize::from(self.open));
        let placed = self.bytes.get_mut(self.settled..).unwrap_or_default();
        let (count, ascii) = (placed.len(), mask::remove(key, placed));
        self.settled += count;
        if self.opcode != Opcode::Text || self.reserved != 0 || (ascii && self.open == 0) {
            return Ok(count);
        }
        let unseen = self.bytes.get(unseen..).unwrap_or_default();
        self.open = match simdutf8::compat::from_utf8(unseen) {
            Ok(_) => 0,
            // The last char has begun well and not ended: fewer than 4 bytes.
            Err(end) if end.error_len().is_none() => (unseen.len() - end.valid_up_to()) as u8,
            Err(_) => return Err(FrameError::NotUtf8),
        };
        Ok(count)
    }

    /// The message, which has arrived whole.
    pub(crate) fn finish(self) -> Result<Message<'static>, FrameError> {
        if self.open != 0 {
            return Err(FrameError::NotUtf8);
        }
        Ok(Message { opcode: self.opcode, reserved: self.reserved, payload: Payload::Owned(self.bytes) })
    }
}
