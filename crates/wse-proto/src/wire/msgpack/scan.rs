//! Finds where a value of MessagePack ends, without decoding it. The scan must not take memory for
//! what is only announced, and must not recurse.

use crate::wire::{
    depth::TOO_DEEP,
    error::ProtocolError,
    msgpack::token::{Reader, Token},
};

/// A value that was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where it ends.
    pub(crate) end: usize,
    /// How many arrays and maps are inside one another: 0 for a string, [`TOO_DEEP`] at most.
    pub(crate) depth: u8,
}

/// Where the value ends that the bytes begin with.
///
/// # Errors
/// When more is announced than is there, or the value nests deeper than `depth`; [`TOO_DEEP`] is no bound.
pub(crate) fn scan(bytes: &[u8], depth: u8) -> Result<Found, ProtocolError> {
    let mut reader = Reader::new(bytes);
    // How many values are still missing from each open array or map.
    let mut open: Vec<usize> = Vec::new();
    let mut deepest = 0;
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
        deepest = deepest.max(open.len() + usize::from(closed_at_once));
        if deepest > usize::from(depth) && depth < TOO_DEEP {
            return Err(ProtocolError::new(format!("nested deeper than {depth}")));
        }
        if values > 0 {
            continue;
        }
        loop {
            let Some(missing) = open.last_mut() else {
                return Ok(Found { end: reader.position(), depth: deepest.min(TOO_DEEP.into()) as u8 });
            };
            *missing -= 1;
            if *missing > 0 {
                break;
            }
            open.pop();
        }
    }
}

/// One whole value, undecoded, and how deep it nests.
///
/// # Errors
/// As [`scan`].
pub(crate) fn next_value<'a>(reader: &mut Reader<'a>, depth: u8) -> Result<(&'a [u8], u8), ProtocolError> {
    let found = scan(reader.rest(), depth)?;
    Ok((reader.take(found.end)?, found.depth))
}
