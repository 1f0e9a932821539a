//! The depth to which a frame may nest, and the check of JSON text for it. The check must not recurse with
//! the depth of the text.

use crate::wire::error::EncodeError;

/// The most arrays and objects inside one another; the envelope's own array is the first.
pub(crate) const DEPTH: usize = 128;

/// Whether brackets open deeper than `depth`. Text that is not JSON may be counted wrong: the parser
/// refuses it anyway.
pub(crate) fn nests_deeper_than(text: &[u8], depth: usize) -> bool {
    // One of these two checks settles most frames, without a look at quotes.
    if text.len() <= depth || text.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() <= depth {
        return false;
    }
    let (mut open, mut quoted, mut escaped) = (0usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => {
                open += 1;
                if open > depth {
                    return true;
                }
            }
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Refuses to send JSON text that a peer would answer by ending the connection.
pub(crate) fn refuse_deep(frame: &[u8]) -> Result<(), EncodeError> {
    refuse_deeper(frame, DEPTH)
}

/// The same for a part of a frame, which may nest as deep as that.
pub(crate) fn refuse_deeper(text: &[u8], depth: usize) -> Result<(), EncodeError> {
    if nests_deeper_than(text, depth) {
        return Err(EncodeError::new(format!("nested deeper than {DEPTH}")));
    }
    Ok(())
}
