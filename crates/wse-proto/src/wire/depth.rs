//! The depth to which a frame may nest, and the check of JSON text for it. The check must not recurse with
//! the depth of the text.

use crate::wire::error::EncodeError;

/// The most arrays and objects inside one another; the envelope's own array is the first.
pub(crate) const DEPTH: u8 = 128;

/// The depth of a value that nests deeper than [`DEPTH`], however deep that is.
pub(crate) const TOO_DEEP: u8 = u8::MAX;

/// Whether brackets open deeper than `depth`. Text that is not JSON may be counted wrong: the parser
/// refuses it anyway. Only text that the scan has refused is asked about.
pub(crate) fn nests_deeper_than(text: &[u8], depth: u8) -> bool {
    let (mut open, mut quoted, mut escaped) = (0u8, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => {
                if open == depth {
                    return true;
                }
                open += 1;
            }
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Refuses to send a frame that a peer would answer by ending the connection: one that has so many levels
/// around a payload that nests so deep.
pub(crate) fn refuse_deep(around: u8, payload: u8) -> Result<(), EncodeError> {
    if payload > DEPTH - around {
        return Err(EncodeError::new(format!("nested deeper than {DEPTH}")));
    }
    Ok(())
}
