//! `Inflater`: takes compressed messages apart, each alone. May never take more memory than the limit it is given.

use super::LARGEST;
use crate::{FrameError, Opcode};
use std::fmt;
use zlib_rs::{Inflate, InflateFlush, Status};

/// Streams of one message. A sender has no use for a second; an empty one of 2 bytes costs as much time as 100 bytes.
const STREAMS: usize = 1024;

/// Behind a message: the end of its last block, which every sender leaves out (section 7.2.1), and then a final block
/// without content. The end of that is reached only if the message ended where a block does.
const TAIL: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

/// At first room is made for so many bytes for each compressed one.
const GUESS: usize = 4;

/// Inflates messages, each alone.
///
/// It keeps nothing between messages but about 40 KiB of memory, which it takes with the first: one serves all
/// connections of a thread.
#[derive(Default)]
pub struct Inflater {
    zlib: Option<Box<Inflate>>,
}

impl Inflater {
    /// Inflates the payload of a compressed message, in place of what `out` holds.
    ///
    /// Memory is taken as the content comes out, and never for more than `limit` bytes and one. The message may consist of
    /// several blocks, and of up to 1024 streams (section 7.2.3).
    ///
    /// # Errors
    /// [`FrameError::TooBig`] once it has more than `limit` bytes, [`FrameError::BadDeflate`] if it is damaged, ends inside
    /// of a block, has more streams or refers to an earlier message, and [`FrameError::NotUtf8`] if it is a text and its content is none. `out`
    /// is empty then.
    pub fn inflate(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        out.clear();
        let inflated = self.fill(payload, limit, out).and_then(|len| {
            out.truncate(len);
            let is_text = opcode != Opcode::Text || simdutf8::basic::from_utf8(out).is_ok();
            if is_text { Ok(()) } else { Err(FrameError::NotUtf8) }
        });
        if inflated.is_err() {
            out.clear();
        }
        inflated
    }

    /// Inflates into `out`, which is longer than the content afterwards. Returns how long that is.
    fn fill(&mut self, payload: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<usize, FrameError> {
        if payload.is_empty() {
            return Ok(0); // zlib flushes nothing into nothing, and so do peers
        }
        let zlib = match &mut self.zlib {
            Some(zlib) => {
                zlib.reset(false);
                zlib
            }
            none => none.insert(Box::new(Inflate::new(false, LARGEST))),
        };
        let most = limit.saturating_add(1);
        grow(out, payload.len().saturating_mul(GUESS), most);
        let (mut input, mut in_tail, mut len, mut streams) = (payload, false, 0, 0);
        loop {
            if len > limit {
                return Err(FrameError::TooBig);
            }
            if input.is_empty() && !in_tail {
                (input, in_tail) = (&TAIL, true);
            }
            if len == out.len() {
                grow(out, len.saturating_mul(2), most);
            }
            let (taken, given) = (zlib.total_in(), zlib.total_out());
            let room = out.get_mut(len..).unwrap_or_default();
            let status = zlib.decompress(input, room, InflateFlush::NoFlush).map_err(|_| FrameError::BadDeflate)?;
            let (taken, given) = ((zlib.total_in() - taken) as usize, (zlib.total_out() - given) as usize);
            input = input.get(taken..).unwrap_or_default();
            len += given;
            match status {
                // The tail has ended, or a sender that ends its last stream has left nothing out.
                Status::StreamEnd if input.is_empty() && len <= limit => return Ok(len),
                Status::StreamEnd if input.is_empty() => return Err(FrameError::TooBig),
                // Another stream follows (section 7.2.3.4).
                Status::StreamEnd if !in_tail && streams < STREAMS => {
                    streams += 1;
                    zlib.reset(false);
                }
                Status::StreamEnd => return Err(FrameError::BadDeflate),
                // All is read, and the last block has not ended.
                _ if in_tail && taken == 0 && given == 0 => return Err(FrameError::BadDeflate),
                _ => {}
            }
        }
    }
}

/// Makes room for `wanted` bytes, for 512 at least and for `most` at most.
fn grow(out: &mut Vec<u8>, wanted: usize, most: usize) {
    let len = wanted.clamp(512.min(most), most);
    if len > out.len() {
        out.reserve_exact(len - out.len());
        out.resize(len, 0);
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inflate(payload: &[u8]) -> Result<String, FrameError> {
        let mut out = b"of before".to_vec();
        let inflated = Inflater::default().inflate(Opcode::Text, payload, 1000, &mut out);
        assert!(inflated.is_ok() || out.is_empty(), "something is left of what failed");
        inflated.map(|()| String::from_utf8(out).unwrap())
    }

    /// RFC 7692 section 7.2.3, whose examples all say this.
    #[test]
    fn a_message_of_more_streams_than_a_sender_has_use_for_is_damaged() {
        assert_eq!(inflate(&[0x03, 0x00].repeat(STREAMS)), Ok(String::new()));
        assert_eq!(inflate(&[0x03, 0x00].repeat(STREAMS + 2)), Err(FrameError::BadDeflate));
    }

    #[test]
    fn the_examples_of_the_rfc_inflate() {
        let hello = Ok("Hello".to_owned());
        assert_eq!(inflate(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]), hello, "one block");
        assert_eq!(
            inflate(&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]),
            hello,
            "not compressed"
        );
        assert_eq!(inflate(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]), hello, "a final block");
        let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(inflate(&two), hello, "two blocks");
        assert_eq!(inflate(&[0x00]), Ok(String::new()), "nothing");
    }

    #[test]
    fn what_senders_do_beyond_the_examples_inflates_too() {
        assert_eq!(inflate(&[]), Ok(String::new()), "zlib flushes nothing into nothing");
        assert_eq!(inflate(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]), Ok("Hello".into()), "ends with a final block");
        let twice = [[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]; 2].concat();
        assert_eq!(inflate(&twice), Ok("HelloHello".into()), "two streams");
    }

    #[test]
    fn damaged_data_is_refused_with_1007() {
        let second = [0xf2, 0x00, 0x11, 0x00, 0x00]; // refers to an earlier "Hello" (section 7.2.3.2)
        for damaged in [
            &second[..],
            &[0xf2, 0x48, 0xcd, 0xc9],
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9],
            &[0xff],
            &[0x06],
            b"Hello",
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xff],
        ] {
            assert_eq!(inflate(damaged), Err(FrameError::BadDeflate), "{damaged:x?}");
        }
        assert_eq!(FrameError::BadDeflate.close_code(), 1007);
    }

    #[test]
    fn an_inflater_goes_on_after_damaged_data_and_refers_to_nothing_of_before() {
        let (mut inflater, mut out) = (Inflater::default(), Vec::new());
        for _ in 0..2 {
            let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
            inflater.inflate(Opcode::Text, &hello, 5, &mut out).unwrap();
            assert_eq!(out, b"Hello");
            let second = inflater.inflate(Opcode::Text, &[0xf2, 0x00, 0x11, 0x00, 0x00], 5, &mut out);
            assert_eq!(second, Err(FrameError::BadDeflate));
        }
    }

    #[test]
    fn a_text_is_checked_and_bytes_are_not() {
        let (mut inflater, mut out) = (Inflater::default(), Vec::new());
        let stored = [0x00, 0x01, 0x00, 0xfe, 0xff, 0xc3, 0x00]; // half an umlaut
        assert_eq!(inflater.inflate(Opcode::Text, &stored, 9, &mut out), Err(FrameError::NotUtf8));
        assert_eq!(inflater.inflate(Opcode::Binary, &stored, 9, &mut out), Ok(()));
        assert_eq!(out, [0xc3]);
    }

    #[test]
    fn a_bomb_is_refused_before_memory_is_taken_for_it() {
        let mut bomb = vec![0; 20_000_000];
        let mut zlib = zlib_rs::Deflate::new(9, false, 15);
        let input = vec![b'a'; 20_000_000];
        assert_eq!(zlib.compress(&input, &mut bomb, zlib_rs::DeflateFlush::Finish), Ok(Status::StreamEnd));
        bomb.truncate(zlib.total_out() as usize);
        assert!(bomb.len() < 30_000);
        for limit in [0, 1, 511, 512, 1000, 100_000, 1 << 20] {
            let mut out = Vec::new();
            let inflated = Inflater::default().inflate(Opcode::Text, &bomb, limit, &mut out);
            assert_eq!(inflated, Err(FrameError::TooBig));
            assert!(out.capacity() <= limit + 1, "{} bytes for {limit}", out.capacity());
        }
        let mut out = Vec::new();
        assert_eq!(Inflater::default().inflate(Opcode::Text, &bomb, 20_000_000, &mut out), Ok(()));
        assert_eq!(out.len(), 20_000_000);
        assert_eq!(Inflater::default().inflate(Opcode::Text, &bomb, 19_999_999, &mut out), Err(FrameError::TooBig));
    }
}
