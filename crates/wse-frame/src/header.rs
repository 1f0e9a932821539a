//! `Header`: what stands before a payload, RFC 6455 section 5.2. May never see a payload.

use crate::{FrameError, Opcode, mask::Key};

/// The longest header: two bytes, a length of eight, a key of four.
pub(crate) const HEADER_MAX: usize = 14;

/// The longest payload of a control frame (section 5.5).
pub(crate) const CONTROL_MAX: usize = 125;

/// The reserved bits of a frame's first byte.
pub(crate) const RESERVED: u8 = 0x70;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// A frame's first byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lead {
    pub(crate) fin: bool,
    pub(crate) reserved: u8,
    pub(crate) opcode: Opcode,
}

impl Lead {
    pub(crate) fn read(first: u8) -> Result<Lead, FrameError> {
        let opcode = Opcode::from_bits(first).map_err(FrameError::ReservedOpcode)?;
        Ok(Lead { fin: first & FIN != 0, reserved: first & RESERVED, opcode })
    }
}

/// Whether a frame's second byte says that the payload is masked.
pub(crate) fn is_masked(second: u8) -> bool {
    second & MASKED != 0
}

/// What a frame's second byte says of the length: up to 125 it is the length, 126 and 127 announce a longer one.
pub(crate) fn short_len(second: u8) -> usize {
    usize::from(second & !MASKED)
}

/// The payload's length out of the second byte and what follows it, with what follows the length.
///
/// None: the length has not arrived whole.
pub(crate) fn read_len(second: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, FrameError> {
    let (len, least, rest) = match short_len(second) {
        126 => {
            let Some((len, rest)) = rest.split_first_chunk::<2>() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(*len)), 126, rest)
        }
        127 => {
            let Some((len, rest)) = rest.split_first_chunk::<8>() else { return Ok(None) };
            (u64::from_be_bytes(*len), 1 << 16, rest)
        }
        len => (len as u64, 0, rest),
    };
    if len >> 63 != 0 {
        return Err(FrameError::LengthHighBit);
    }
    if len < least {
        return Err(FrameError::LengthNotMinimal);
    }
    Ok(Some((len, rest)))
}

/// The opcode, key and payload of a whole final frame of text or binary, as this crate encodes it; `None` for anything else.
pub(crate) fn open_data(frame: &[u8]) -> Option<(Opcode, Option<Key>, &[u8])> {
    let [first, second, rest @ ..] = frame else { return None };
    let Ok(Lead { fin: true, reserved: 0, opcode: opcode @ (Opcode::Text | Opcode::Binary) }) = Lead::read(*first)
    else {
        return None;
    };
    let (len, rest) = read_len(*second, rest).ok()??;
    let (key, payload) = if is_masked(*second) {
        let (key, payload) = rest.split_first_chunk()?;
        (Some(*key), payload)
    } else {
        (None, rest)
    };
    (payload.len() as u64 == len).then_some((opcode, key, payload))
}

/// The header of a final frame: the bytes, and how many of them count.
pub(crate) fn encode(opcode: Opcode, len: usize, key: Option<Key>) -> ([u8; HEADER_MAX], usize) {
    let mut bytes = [0; HEADER_MAX];
    bytes[0] = FIN | opcode as u8;
    let mut end = 2;
    if let Ok(short @ 0..=125) = u8::try_from(len) {
        bytes[1] = short;
    } else if let Ok(len) = u16::try_from(len) {
        bytes[1] = 126;
        end = 4;
        bytes[2..end].copy_from_slice(&len.to_be_bytes());
    } else {
        bytes[1] = 127;
        end = 10;
        bytes[2..end].copy_from_slice(&(len as u64).to_be_bytes());
    }
    if let Some(key) = key {
        bytes[1] |= MASKED;
        bytes[end..end + 4].copy_from_slice(&key);
        end += 4;
    }
    (bytes, end)
}
