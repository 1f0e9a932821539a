//! Follows the frames in the bytes of one direction, to find where an answer begins. It keeps no byte that
//! it has looked at, and changes none.

/// What ends the head of an HTTP request or answer; frames follow.
const END_OF_HEAD: &[u8; 4] = b"\r\n\r\n";

/// The bytes of a payload that tell an answer from everything else.
const LOOK: usize = 20;

/// The longest head of a frame.
const HEAD: usize = 14;

/// The bit of a compressed message, whose content cannot be seen.
const COMPRESSED: u8 = 0x40;

/// A position in the frames of one direction.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// Bytes of the direction that were looked at.
    at: u64,
    part: Part,
}

#[derive(Debug)]
enum Part {
    /// The head of the HTTP message; so many bytes of its end have come.
    Http(usize),
    /// The head of a frame, and the first bytes of its payload.
    Frame { seen: [u8; HEAD + LOOK], length: usize, start: u64 },
    /// So many bytes of a payload are left.
    Rest(u64),
}

impl Default for Part {
    fn default() -> Self {
        Part::Http(0)
    }
}

impl Part {
    fn frame(start: u64) -> Self {
        Part::Frame { seen: [0; HEAD + LOOK], length: 0, start }
    }
}

impl Frames {
    /// Looks at the next bytes. Returns where the first answer begins that these bytes made known.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Option<u64> {
        let mut answer = None;
        while let Some(&byte) = bytes.first() {
            let taken = match &mut self.part {
                Part::Http(matched) => {
                    *matched = if byte == END_OF_HEAD[*matched] { *matched + 1 } else { usize::from(byte == b'\r') };
                    if *matched == END_OF_HEAD.len() {
                        self.part = Part::frame(self.at + 1);
                    }
                    1
                }
                Part::Rest(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= taken as u64;
                    if *left == 0 {
                        self.part = Part::frame(self.at + taken as u64);
                    }
                    taken
                }
                Part::Frame { seen, length, start } => {
                    seen[*length] = byte;
                    *length += 1;
                    if let Some(frame) = Frame::read(&seen[..*length]) {
                        if frame.is_answer() {
                            answer.get_or_insert(*start);
                        }
                        self.part = match frame.left {
                            0 => Part::frame(self.at + 1),
                            left => Part::Rest(left),
                        };
                    }
                    1
                }
            };
            self.at += taken as u64;
            bytes = &bytes[taken..];
        }
        answer
    }
}

/// The begin of a frame.
struct Frame {
    first: u8,
    payload: [u8; LOOK],
    length: usize,
    /// Bytes of the payload that follow.
    left: u64,
}

impl Frame {
    /// Reads a head and what can be looked at of the payload; `None` while bytes of these are missing.
    fn read(seen: &[u8]) -> Option<Self> {
        let (&first, &second) = (seen.first()?, seen.get(1)?);
        let (masked, short) = (second & 0x80 != 0, second & 0x7f);
        let (length, mut at) = match short {
            126 => (u64::from(u16::from_be_bytes(*seen.get(2..)?.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*seen.get(2..)?.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        let mut mask = [0; 4];
        if masked {
            mask = *seen.get(at..)?.first_chunk()?;
            at += mask.len();
        }
        let looked_at = usize::try_from(length).unwrap_or(usize::MAX).min(LOOK);
        let mut payload = [0; LOOK];
        for (place, byte) in seen.get(at..at + looked_at)?.iter().enumerate() {
            payload[place] = byte ^ mask[place % mask.len()];
        }
        Some(Self { first, payload, length: looked_at, left: length - looked_at as u64 })
    }

    /// Whether it begins an answer to a call, on one of the wires that the library knows.
    fn is_answer(&self) -> bool {
        let begins_message = matches!(self.first & 0x0f, 1 | 2) && self.first & COMPRESSED == 0;
        let payload = &self.payload[..self.length];
        let of_wse = || payload.windows(13).any(|name| name == b"~wse:response");
        begins_message && (payload.starts_with(br#"{"id":"#) || payload.starts_with(b"\x82\xa2id") || of_wse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = br#"["~wse:response",5,"0123456789abcdef"]"#;

    fn frame(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
        let length = payload.len();
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(length as u8),
            _ => frame.extend([126, (length >> 8) as u8, length as u8]),
        }
        if let Some(mask) = mask {
            frame[1] |= 0x80;
            frame.extend(mask);
        }
        let mask = mask.unwrap_or_default();
        frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
        frame
    }

    fn stream(frames: &[Vec<u8>]) -> Vec<u8> {
        [b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n".to_vec(), frames.concat()].concat()
    }

    #[test]
    fn an_answer_is_found_wherever_the_bytes_are_parted() {
        for mask in [None, Some([1, 2, 3, 4])] {
            let others = [
                frame(0x81, br#"["say","~wse: no answer",null]"#, mask),
                frame(0x89, b"", mask),
                frame(0x81, &[b'x'; 300], mask),
                frame(0x8a, b"1234", mask),
            ];
            let before = stream(&others).len() as u64;
            let all = [stream(&others), frame(0x81, ANSWER, mask), frame(0x81, ANSWER, mask)].concat();
            for size in 1..all.len() {
                let mut frames = Frames::default();
                let found: Vec<u64> = all.chunks(size).filter_map(|bytes| frames.push(bytes)).collect();
                assert_eq!(found[0], before, "{size}");
                assert!(found.len() <= 2);
            }
        }
    }

    #[test]
    fn answers_of_every_wire_are_known_and_nothing_else_is() {
        let answers: [&[u8]; 5] = [
            ANSWER,
            br#"["~wse:response-err",{},"s"]"#,
            b"\x93\xad~wse:response\x05\xa1s",
            br#"{"id":1,"result":5}"#,
            b"\x82\xa2id\x01\xa6result\x05",
        ];
        let others: [&[u8]; 4] = [br#"["~wse:ack",3,null]"#, br#"{"name":"m","args":[]}"#, b"", b"\x93\xa1m\xc0\xc0"];
        let found = |first, payload: &[u8]| Frames::default().push(&stream(&[frame(first, payload, None)]));
        for answer in answers {
            assert!(found(0x81, answer).is_some() && found(0x02, answer).is_some());
            for no_begin in [0x80, 0x88, 0x89, 0xc1] {
                assert_eq!(found(no_begin, answer), None, "{no_begin:x}");
            }
        }
        assert!(others.into_iter().all(|other| found(0x81, other).is_none()));
    }
}
