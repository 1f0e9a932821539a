//! `Deflater`: compresses messages, each alone. May never make one longer.

use super::{Deflate, LARGEST, RSV1};
use crate::{frame_len, header, mask, put_frame};
use std::fmt;
use zlib_rs::{DeflateFlush, Status};

/// zlib's fastest. On JSON of 512 B, 4 KiB and 128 KiB it makes 2.4, 3.3 and 3.8 of one, in a third, half and a half of
/// the time of level 2, which makes 2.8, 4.5 and 5.2; level 6 makes 2.9, 4.8 and 6.0 in up to seven times the time.
const LEVEL: i32 = 1;

/// The smallest window that zlib writes. Who allows only a smaller one is sent nothing compressed.
const SMALLEST: u8 = 9;

/// The end of a message's last block, which is left out (RFC 7692 section 7.2.1).
const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];

/// Compresses messages, each alone.
///
/// It keeps nothing between messages but about 300 KiB of memory, which it takes with the first: one serves all
/// connections of a thread. It takes that anew where the next message has to have a window of another size.
#[derive(Default)]
pub struct Deflater {
    zlib: Option<Zlib>,
    /// Where payloads are unmasked and compressed.
    plain: Vec<u8>,
    compressed: Vec<u8>,
}

struct Zlib {
    bits: u8,
    state: Box<zlib_rs::Deflate>,
}

/// Buffers that grew beyond this are freed.
const KEPT: usize = 64 << 10;

impl Deflater {
    /// Appends `frame` compressed, if that makes it smaller; false, and nothing appended, if not.
    ///
    /// `frame` is a final frame of text or binary as [`put_frame`](crate::put_frame) has written it, masked or not: what is
    /// anything else is not compressed. `mask` is the key of the frame that is appended, as there.
    pub fn put_frame(&mut self, out: &mut Vec<u8>, frame: &[u8], mask: Option<[u8; 4]>, agreed: Deflate) -> bool {
        let appended = self.try_frame(out, frame, mask, agreed).is_some();
        for buffer in [&mut self.plain, &mut self.compressed] {
            buffer.clear();
            if buffer.capacity() > KEPT {
                *buffer = Vec::new();
            }
        }
        appended
    }

    fn try_frame(&mut self, out: &mut Vec<u8>, frame: &[u8], key: Option<mask::Key>, agreed: Deflate) -> Option<()> {
        let (opcode, before, payload) = header::open_data(frame)?;
        let masked = key.is_some();
        let payload = match before {
            None => payload,
            Some(key) => {
                self.plain.extend_from_slice(payload);
                mask::apply(key, &mut self.plain);
                &self.plain
            }
        };
        if !compress(zlib(&mut self.zlib, agreed.bits)?, payload, &mut self.compressed) {
            self.zlib = None; // it still holds a part of this message, and its `reset` does not free all of that
            return None;
        }
        if frame_len(self.compressed.len(), masked) >= frame_len(payload.len(), masked) {
            return None;
        }
        let start = out.len();
        let Ok(()) = put_frame(out, opcode, key, |out| {
            out.extend_from_slice(&self.compressed);
            Ok::<_, std::convert::Infallible>(())
        });
        *out.get_mut(start)? |= RSV1;
        Some(())
    }
}

/// The state for a window of that size, which is not kept beside one of another.
fn zlib(kept: &mut Option<Zlib>, bits: u8) -> Option<&mut zlib_rs::Deflate> {
    if !(SMALLEST..=LARGEST).contains(&bits) {
        return None;
    }
    match kept {
        Some(zlib) if zlib.bits == bits => zlib.state.reset(),
        _ => *kept = Some(Zlib { bits, state: Box::new(zlib_rs::Deflate::new(LEVEL, false, bits)) }),
    }
    kept.as_mut().map(|zlib| &mut *zlib.state)
}

/// Compresses into `out`, which is empty. False if the state did not finish the message.
fn compress(zlib: &mut zlib_rs::Deflate, payload: &[u8], out: &mut Vec<u8>) -> bool {
    // Nine bits for each byte suffice for whatever does not become smaller, so that the state ends clean.
    out.resize(payload.len() + payload.len() / 7 + 64, 0);
    let status = zlib.compress(payload, out, DeflateFlush::SyncFlush);
    let (taken, given) = (zlib.total_in() as usize, zlib.total_out() as usize);
    if status != Ok(Status::Ok) || taken < payload.len() || given == out.len() {
        return false;
    }
    out.truncate(given);
    match out.strip_suffix(&FLUSHED) {
        Some(message) => out.truncate(message.len()),
        None => return false,
    }
    true
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Opcode, deflate::Inflater};
    use zlib_rs::{Inflate, InflateFlush};

    const KEY: [u8; 4] = [7, 0, 9, 0xfe];

    fn frame(opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
        let mut out = Vec::new();
        let Ok(()) = put_frame(&mut out, opcode, key, |out| {
            out.extend_from_slice(payload);
            Ok::<_, std::convert::Infallible>(())
        });
        out
    }

    /// The parts of a compressed frame.
    fn open(frame: &[u8]) -> (Opcode, Option<[u8; 4]>, Vec<u8>) {
        let frame = [&[frame[0] ^ RSV1], &frame[1..]].concat();
        let (opcode, key, payload) = header::open_data(&frame).unwrap();
        let mut payload = payload.to_vec();
        mask::apply(key.unwrap_or_default(), &mut payload);
        (opcode, key, payload)
    }

    /// Words that come again at any distance.
    fn text(len: usize) -> Vec<u8> {
        (0..len as u64).map(|at| b"etaoin shrdlu,:{}"[(at * at / 7 % 1009 % 17) as usize]).collect()
    }

    #[test]
    fn a_frame_of_either_role_is_compressed_and_inflates_to_the_same() {
        for (before, key) in [(None, None), (Some(KEY), Some([1, 2, 3, 4])), (Some(KEY), None)] {
            for len in [20, 125, 126, 600, 65_535, 65_536, 300_000] {
                let text = text(len / 2).repeat(2);
                let (mut deflater, mut out) = (Deflater::default(), b"before".to_vec());
                let plain = frame(Opcode::Text, &text, before);
                assert!(deflater.put_frame(&mut out, &plain, key, Deflate::default()), "{len}");
                assert_eq!((&out[..6], out[6]), (&b"before"[..], 0xc1));
                assert!(out.len() - 6 < plain.len());
                let (opcode, found, payload) = open(&out[6..]);
                assert_eq!((opcode, found), (Opcode::Text, key));
                let mut inflated = Vec::new();
                Inflater::default().inflate(opcode, &payload, text.len(), &mut inflated).unwrap();
                assert!(inflated == text, "{len}");
                assert!(deflater.plain.capacity().max(deflater.compressed.capacity()) <= KEPT);
            }
        }
    }

    #[test]
    fn what_does_not_become_smaller_or_is_no_message_is_left_as_it_is() {
        let mut seed = 1u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .take(2000)
        .collect();
        for plain in [
            frame(Opcode::Binary, b"", None),
            frame(Opcode::Binary, b"x", None),
            frame(Opcode::Binary, &noise, None),
            frame(Opcode::Ping, &[b'a'; 100], None),
            frame(Opcode::Close, &[3, 0xe8], Some(KEY)),
            b"".to_vec(),
            b"\x81".to_vec(),
            b"\x81\x7e\x01".to_vec(),
            [&[0x81, 99][..], &[b'a'; 98]].concat(), // a byte is missing
            [&[0x01, 99][..], &[b'a'; 99]].concat(), // not final
            [&[0xc1, 99][..], &[b'a'; 99]].concat(), // compressed already
            [&[0x80, 99][..], &[b'a'; 99]].concat(), // a continuation
        ] {
            let mut out = b"before".to_vec();
            assert!(
                !Deflater::default().put_frame(&mut out, &plain, None, Deflate::default()),
                "{} bytes",
                plain.len()
            );
            assert_eq!(out, b"before");
        }
    }

    #[test]
    fn what_is_compressed_stays_within_the_window_that_was_agreed_on() {
        let mut deflater = Deflater::default();
        let text = [text(30_000), vec![b'-'; 40_000], text(30_000)].concat();
        for bits in [15, 9, 12, 10, 15] {
            let mut out = Vec::new();
            assert!(deflater.put_frame(
                &mut out,
                &frame(Opcode::Text, &text, None),
                None,
                Deflate { bits, named: true }
            ));
            let (_, _, payload) = open(&out);
            // An inflater of that window, which sees no more than that of what it gave.
            let (mut zlib, mut inflated, mut input) = (Inflate::new(false, bits), Vec::new(), &payload[..]);
            while inflated.len() < text.len() {
                let mut piece = [0; 64];
                let (taken, given) = (zlib.total_in(), zlib.total_out());
                zlib.decompress(input, &mut piece, InflateFlush::NoFlush).expect("it looks back further");
                input = &input[(zlib.total_in() - taken) as usize..];
                inflated.extend_from_slice(&piece[..(zlib.total_out() - given) as usize]);
            }
            assert!(inflated == text, "{bits}");
        }
    }

    #[test]
    fn a_peer_that_allows_only_256_bytes_is_sent_nothing_compressed() {
        let plain = frame(Opcode::Text, &[b'a'; 999], None);
        assert!(!Deflater::default().put_frame(&mut Vec::new(), &plain, None, Deflate { bits: 8, named: true }));
    }

    #[test]
    fn a_deflater_goes_on_after_messages_of_any_size_that_do_not_become_smaller() {
        let (mut deflater, mut seed) = (Deflater::default(), 7u32);
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .take(200_000)
        .collect();
        for len in [40, 3000, 60_000, 70_000, 131_072, 200_000, 65_536, 1, 0] {
            for _ in 0..3 {
                let plain = frame(Opcode::Binary, &noise[..len], None);
                assert!(!deflater.put_frame(&mut Vec::new(), &plain, None, Deflate::default()), "{len}");
                assert!(deflater.zlib.is_some(), "the state was not clean, {len}");
            }
            let (text, mut out, mut inflated) = (text(100_000), Vec::new(), Vec::new());
            assert!(deflater.put_frame(&mut out, &frame(Opcode::Text, &text, None), None, Deflate::default()));
            let (opcode, _, payload) = open(&out);
            Inflater::default().inflate(opcode, &payload, text.len(), &mut inflated).unwrap();
            assert!(inflated == text, "{len}");
        }
    }

    #[test]
    fn a_message_says_nothing_of_the_one_before() {
        let (mut deflater, mut sizes) = (Deflater::default(), Vec::new());
        for _ in 0..2 {
            let mut out = Vec::new();
            deflater.put_frame(&mut out, &frame(Opcode::Text, &text(900), None), None, Deflate::default());
            sizes.push(out);
        }
        assert_eq!(sizes[0], sizes[1]);
    }
}
