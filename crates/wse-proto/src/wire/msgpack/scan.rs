//! Finds where a value of MessagePack ends, without decoding it. The scan must not take memory for
//! what is only announced, and must not recurse.

use crate::wire::{
    depth::DEPTH,
    error::{EncodeError, ProtocolError},
    msgpack::token::{Reader, Token},
};

/// Where the value ends that the bytes begin with.
///
/// # Errors
/// When more is announced than is there, or the value nests deeper than `depth`.
pub(crate) fn scan(bytes: &[u8], depth: usize) -> Result<usize, ProtocolError> {
    let mut reader = Reader::new(bytes);
    // How many values are still missing from each open array or map.
    let mut open: Vec<usize> = Vec::new();
    loop {
        let values = match reader.token()? {
            Token::Array(length) => length,
            Token::Map(length) => length.saturating_mul(2),
            _ => 0,
        };
        if values > reader.left() {
            return Err(ProtocolError::new("more elements are announced than there are bytes"));
        }
        if values > 0 {
            open.push(values);
        }
        // An empty array or map counts like a full one.
        let closed_at_once = values == 0 && reader.last_was_container();
        if open.len() + usize::from(closed_at_once) > depth {
            return Err(ProtocolError::new(format!("nested deeper than {depth}")));
        }
        if values > 0 {
            continue;
        }
        loop {
            let Some(missing) = open.last_mut() else { return Ok(reader.position()) };
            *missing -= 1;
            if *missing > 0 {
                break;
            }
            open.pop();
        }
    }
}

/// One whole value, undecoded.
///
/// # Errors
/// As [`scan`], with the depth that a frame may have.
pub(crate) fn next_value<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], ProtocolError> {
    let end = scan(reader.rest(), DEPTH)?;
    reader.take(end)
}

/// Refuses to send a frame that a peer would answer by ending the connection.
pub(crate) fn refuse_deep(frame: &[u8]) -> Result<(), EncodeError> {
    scan(frame, DEPTH).map(drop).map_err(EncodeError::new)
}
