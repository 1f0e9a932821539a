//! Overwrites a part of a frame's payload, masked or not.

use crate::header::{is_masked, short_len};

/// Overwrites bytes of the payload of one whole frame, such as [`put_frame`](crate::put_frame) writes, which stay as
/// many. So many bytes stand behind them. Where the frame has no room for them it stays as it is.
///
/// ```
/// use wse_frame::{Opcode, overwrite, put_frame};
///
/// for mask in [None, Some([1, 2, 3, 4])] {
///     let (mut frame, mut expected) = (Vec::new(), Vec::new());
///     for (out, text) in [(&mut frame, "what is old!"), (&mut expected, "what is new!")] {
///         put_frame(out, Opcode::Text, mask, |out| Ok::<_, std::fmt::Error>(out.extend_from_slice(text.as_bytes())))?;
///     }
///     overwrite(&mut frame, 1, b"new");
///     assert_eq!(frame, expected);
/// }
/// # Ok::<(), std::fmt::Error>(())
/// ```
pub fn overwrite(frame: &mut [u8], behind: usize, bytes: &[u8]) {
    let Some([_, second]) = frame.first_chunk() else { return };
    let masked = is_masked(*second);
    let length = match short_len(*second) {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let head = 2 + length + if masked { 4 } else { 0 };
    let Some((head, payload)) = frame.split_at_mut_checked(head) else { return };
    let key = *head.last_chunk::<4>().filter(|_| masked).unwrap_or(&[0; 4]);
    let Some(end) = payload.len().checked_sub(behind) else { return };
    let Some(start) = end.checked_sub(bytes.len()) else { return };
    for (at, byte) in (start..).zip(bytes) {
        payload[at] = byte ^ key[at % 4];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Opcode, put_frame};

    #[test]
    fn a_part_of_a_payload_of_any_length_is_overwritten_and_nothing_else() {
        for length in [8, 9, 125, 126, 300, 65_535, 65_536] {
            for mask in [None, Some([9, 8, 7, 6])] {
                for behind in [0, 1, length - 3, length] {
                    let framed = |payload: &[u8]| {
                        let mut frame = Vec::new();
                        put_frame(&mut frame, Opcode::Binary, mask, |out| {
                            out.extend_from_slice(payload);
                            Ok::<_, std::convert::Infallible>(())
                        })
                        .map(|()| frame)
                    };
                    let mut payload = vec![b'a'; length];
                    let mut frame = framed(&payload).unwrap();
                    overwrite(&mut frame, behind, b"new");
                    if behind + 3 <= length {
                        payload[length - behind - 3..length - behind].copy_from_slice(b"new");
                    }
                    assert_eq!(frame, framed(&payload).unwrap(), "{length} {mask:?} {behind}");
                }
            }
        }
        for mut nothing in [vec![], vec![0x81], vec![0x81, 0xff, 1]] {
            overwrite(&mut nothing, 0, b"new");
        }
    }
}
