//! The frame decoder under any bytes, whole and in pieces: the same items, the same end, no more memory than arrived.
//!
//! The first byte chooses the role and the reserved bits, three more the limits, the next four the sizes of the pieces;
//! the rest is the stream. The target sees what a connection sees, and does not look into the decoder.

#![no_main]

use bytes::BufMut;
use libfuzzer_sys::fuzz_target;
use wse_frame::{Decoder, FrameError, Item, Limits, Opcode, Role, put_frame};

fuzz_target!(|data: &[u8]| {
    let Some((&[choice, frame, message, fragments, ref sizes @ ..], stream)) = data.split_first_chunk::<8>() else {
        return;
    };
    let setting = Setting {
        role: if choice & 1 == 0 { Role::Server } else { Role::Client },
        allowed: choice & 0x70,
        limits: Limits {
            frame: usize::from(frame) << (choice >> 1 & 3),
            message: usize::from(message) << (choice >> 1 & 3),
            fragments: usize::from(fragments),
        },
    };
    let whole = setting.read([stream], NOTHING);
    assert_eq!(setting.read(cut(stream, sizes), NOTHING), whole, "a split changes the result");
    assert_eq!(setting.read(stream.chunks(1), NOTHING), whole, "byte by byte changes the result");
    let least = usize::from(sizes[0] % 16);
    assert_eq!(setting.read(cut(stream, sizes), least), whole, "reading into place changes the result");
    assert_eq!(setting.read(stream.chunks(1), 1), whole, "reading each byte into its place changes the result");
});

/// No room is so large: nothing is read into its place.
const NOTHING: usize = usize::MAX;

struct Setting {
    role: Role,
    allowed: u8,
    limits: Limits,
}

/// What came out: kind, reserved bits or close code, payload; and how it ended.
type Seen = (Vec<(u8, u16, Vec<u8>)>, Result<(), FrameError>);

impl Setting {
    /// Reads the pieces; what finds room for at least `least` bytes is put into its place.
    fn read<'p>(&self, pieces: impl IntoIterator<Item = &'p [u8]>, least: usize) -> Seen {
        let mut decoder = Decoder::new(self.role, self.limits);
        decoder.allow_reserved(self.allowed);
        let mut seen = Vec::new();
        let mut arrived = 0;
        for piece in pieces {
            arrived += piece.len();
            let placed = decoder.room(least).map_or(0, |mut room| {
                let placed = piece.len().min(room.remaining_mut());
                room.put_slice(&piece[..placed]);
                placed
            });
            let mut piece = piece[placed..].to_vec();
            let mut input = &mut piece[..];
            loop {
                match decoder.next(&mut input) {
                    Ok(Some(item)) => seen.push(self.check(item)),
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(decoder.buffered(), 0, "memory is kept after the end");
                        assert_eq!(decoder.next(&mut &mut [0x81][..]), Err(error), "an error does not stay");
                        return (seen, Err(error));
                    }
                }
            }
            assert!(input.is_empty(), "input is left behind");
            assert!(decoder.buffered() <= 2 * arrived.max(8), "more memory is held than arrived");
            assert!(decoder.buffered() <= 2 * (self.limits.message + 125).max(8), "more memory is held than allowed");
        }
        (seen, Ok(()))
    }

    fn check(&self, item: Item<'_>) -> (u8, u16, Vec<u8>) {
        match item {
            Item::Message(message) => {
                assert!(message.payload.as_slice().len() <= self.limits.message);
                assert_eq!(message.reserved & !self.allowed, 0);
                let is_text = message.opcode == Opcode::Text && message.reserved == 0;
                assert_eq!(message.text().is_some(), is_text, "a text is not UTF-8");
                let (opcode, reserved) = (message.opcode, message.reserved);
                let payload = message.payload.into_owned();
                if reserved == 0 {
                    self.come_back(opcode, &payload);
                }
                (opcode as u8, reserved.into(), payload)
            }
            Item::Ping(control) => (9, 0, control.as_slice().to_vec()),
            Item::Pong(control) => (10, 0, control.as_slice().to_vec()),
            Item::Close(None) => (8, 0, Vec::new()),
            Item::Close(Some(close)) => (8, close.code, close.reason.into_bytes()),
        }
    }

    /// What was decoded can be encoded and decoded again.
    fn come_back(&self, opcode: Opcode, payload: &[u8]) {
        let mut bytes = Vec::new();
        let key = (self.role == Role::Server).then_some([1, 0xfe, 3, 0x7c]);
        let Ok(()) = put_frame(&mut bytes, opcode, key, |out| {
            out.extend_from_slice(payload);
            Ok::<_, std::convert::Infallible>(())
        });
        let mut input = &mut bytes[..];
        match Decoder::new(self.role, Limits::default()).next(&mut input) {
            Ok(Some(Item::Message(message))) => {
                assert_eq!((message.opcode, message.payload.as_slice()), (opcode, payload));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Pieces of these sizes, over and over.
fn cut<'s>(mut stream: &'s [u8], sizes: &[u8]) -> Vec<&'s [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        let (piece, rest) = stream.split_at((usize::from(*size) + 1).min(stream.len()));
        pieces.push(piece);
        stream = rest;
        if stream.is_empty() {
            break;
        }
    }
    pieces
}
