//! Whether bytes of somewhere else are one whole message of a server.

use crate::{Opcode, header::open_data};

/// The opcode of one whole frame that carries a message from a server: final, unmasked, without reserved bits,
/// text or binary, and as long as it says. `None` for anything else.
///
/// ```
/// use wse_frame::{Opcode, whole_message};
///
/// assert_eq!(whole_message(b"\x81\x05hello"), Some(Opcode::Text));
/// assert_eq!(whole_message(b"\x81\x05hello!"), None);
/// ```
pub fn whole_message(frame: &[u8]) -> Option<Opcode> {
    let (opcode, key, _) = open_data(frame)?;
    key.is_none().then_some(opcode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::put_frame;

    #[test]
    fn only_one_whole_message_of_a_server_is_one() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let framed = |opcode, mask| {
                let mut frame = Vec::new();
                let write = |out: &mut Vec<u8>| {
                    out.resize(out.len() + length, b'a');
                    Ok::<_, std::convert::Infallible>(())
                };
                put_frame(&mut frame, opcode, mask, write).map(|()| frame).unwrap()
            };
            for opcode in [Opcode::Text, Opcode::Binary] {
                let mut frame = framed(opcode, None);
                assert_eq!(whole_message(&frame), Some(opcode), "{length}");
                assert_eq!(whole_message(&framed(opcode, Some([0; 4]))), None, "{length}, masked");
                assert_eq!(whole_message(&frame[..frame.len() - 1]), None, "{length}, cut short");
                frame.push(0);
                assert_eq!(whole_message(&frame), None, "{length}, with more behind it");
                frame.pop();
                for first in [frame[0] & 0x7f, frame[0] | 0x40, 0x80, 0x88, 0x89, 0x8a] {
                    assert_eq!(whole_message(&[&[first], &frame[1..]].concat()), None, "{length}, {first:x}");
                }
            }
        }
        assert_eq!((whole_message(&[]), whole_message(&[0x81])), (None, None));
    }
}
