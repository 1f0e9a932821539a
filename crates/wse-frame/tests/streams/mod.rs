//! Streams of frames for the tests, good ones and bad ones, and what a decoder makes of them. May never use the crate's
//! own encoder: what it gets wrong would go unseen.

use bytes::BufMut;
use proptest::{collection::vec, prelude::*};
use wse_frame::{CloseFrame, Decoder, FrameError, Item, Opcode};

/// What came out of a decoder, to keep and to compare.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Item<'_>> for Seen {
    fn from(item: Item<'_>) -> Seen {
        match item {
            Item::Message(message) if message.opcode == Opcode::Text => Seen::Text(message.payload.into_owned()),
            Item::Message(message) => Seen::Binary(message.payload.into_owned()),
            Item::Ping(control) => Seen::Ping(control.as_slice().to_vec()),
            Item::Pong(control) => Seen::Pong(control.as_slice().to_vec()),
            Item::Close(close) => Seen::Close(close.map(|CloseFrame { code, reason }| (code, reason))),
        }
    }
}

/// Feeds the pieces to the decoder, one after the other, until one is refused.
pub(crate) fn read<'p>(
    decoder: &mut Decoder,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> (Vec<Seen>, Result<(), FrameError>) {
    read_into_place(decoder, pieces, usize::MAX)
}

/// The same, but bytes are put into their place where there is room for at least `least`.
pub(crate) fn read_into_place<'p>(
    decoder: &mut Decoder,
    pieces: impl IntoIterator<Item = &'p [u8]>,
    least: usize,
) -> (Vec<Seen>, Result<(), FrameError>) {
    let mut seen = Vec::new();
    let mut arrived = 0;
    for mut piece in pieces {
        loop {
            let placed = decoder.room(least).map_or(0, |mut room| {
                let placed = piece.len().min(room.remaining_mut());
                room.put_slice(&piece[..placed]);
                placed
            });
            // Behind what is in its place comes nothing at first, or all the rest of the piece.
            let end = if placed > 0 && arrived % 2 == 0 { placed } else { piece.len() };
            let mut rest = piece[placed..end].to_vec();
            piece = &piece[end..];
            arrived += end;
            let mut input = &mut rest[..];
            loop {
                match decoder.next(&mut input) {
                    Ok(Some(item)) => seen.push(item.into()),
                    Ok(None) => break,
                    Err(error) => return (seen, Err(error)),
                }
            }
            assert!(input.is_empty(), "a decoder leaves no input behind");
            assert!(decoder.buffered() <= 2 * arrived.max(8), "a decoder holds no more than has arrived");
            if piece.is_empty() {
                break;
            }
        }
    }
    (seen, Ok(()))
}

/// Cuts `bytes` into pieces of these sizes, over and over.
pub(crate) fn cut<'b>(mut bytes: &'b [u8], sizes: &[usize]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if bytes.is_empty() || sizes.iter().all(|size| *size == 0) {
            break;
        }
        let (piece, rest) = bytes.split_at((*size).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

/// A frame before it is encoded; it need not keep any rule.
#[derive(Clone, Debug)]
struct Draft {
    first: u8,
    payload: Vec<u8>,
    /// The fewest bytes the length takes: 0, 2 or 8.
    form: usize,
    /// Whether the masking bit is the wrong one for the stream's direction.
    astray: bool,
    key: [u8; 4],
}

impl Draft {
    fn put(&self, out: &mut Vec<u8>, masked: bool) {
        let masked = masked != self.astray;
        let bit = if masked { 0x80 } else { 0 };
        let len = self.payload.len();
        out.push(self.first);
        if len > 0xffff || self.form == 8 {
            out.push(bit | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        } else if len > 125 || self.form == 2 {
            out.push(bit | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        } else {
            out.push(bit | len as u8);
        }
        if masked {
            out.extend_from_slice(&self.key);
        }
        let key = if masked { self.key } else { [0; 4] };
        out.extend(self.payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    }
}

fn good(first: u8, payload: Vec<u8>, key: [u8; 4]) -> Draft {
    Draft { first, payload, form: 0, astray: false, key }
}

/// A ping or a pong.
fn beat() -> impl Strategy<Value = Draft> {
    (0x89u8..=0x8a, vec(any::<u8>(), 0..20), any::<[u8; 4]>())
        .prop_map(|(first, payload, key)| good(first, payload, key))
}

/// A message in one to four frames, cut anywhere, also inside a char, with pings and pongs between them.
fn message() -> impl Strategy<Value = Vec<Draft>> {
    let text = prop_oneof![
        4 => ".{0,40}".prop_map(String::into_bytes),
        2 => "[a-z]{0,200}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..10),
    ];
    let payload = prop_oneof![
        3 => text.prop_map(|bytes| (1u8, bytes)),
        1 => vec(any::<u8>(), 0..330).prop_map(|bytes| (2u8, bytes)),
    ];
    (
        payload,
        vec(any::<prop::sample::Index>(), 0..4),
        vec(proptest::option::weighted(0.2, beat()), 4),
        any::<[u8; 4]>(),
    )
        .prop_map(|((opcode, payload), cuts, beats, key)| {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.push(payload.len());
            let mut drafts = Vec::new();
            let mut from = 0;
            for (at, (end, beat)) in cuts.iter().zip(beats).enumerate() {
                let first = if at == 0 { opcode } else { 0 } | if at + 1 == cuts.len() { 0x80 } else { 0 };
                drafts.push(good(first, payload[from..*end].to_vec(), key));
                drafts.extend(beat.filter(|_| at + 1 < cuts.len()));
                from = *end;
            }
            drafts
        })
}

/// A close frame, with any body.
fn close() -> impl Strategy<Value = Draft> {
    let code = prop_oneof![3 => 990u16..1020, 1 => 2990u16..3010, 1 => 4990u16..5010, 1 => any::<u16>()];
    let body = prop_oneof![
        1 => Just(Vec::new()),
        1 => vec(any::<u8>(), 0..5),
        4 => (code, ".{0,20}").prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat()),
    ];
    (body, any::<[u8; 4]>()).prop_map(|(body, key)| good(0x88, body, key))
}

/// A frame that keeps few rules.
fn wild() -> impl Strategy<Value = Draft> {
    (
        prop_oneof![any::<u8>(), prop::sample::select(&[0x00u8, 0x80, 0x01, 0x02, 0x81, 0x82, 0x08, 0x09][..])],
        vec(any::<u8>(), 0..200),
        prop_oneof![4 => Just(0usize), 1 => Just(2usize), 1 => Just(8usize)],
        proptest::bool::weighted(0.1),
        any::<[u8; 4]>(),
    )
        .prop_map(|(first, payload, form, astray, key)| Draft { first, payload, form, astray, key })
}

/// The bytes of a connection, in the direction that masks or the one that does not: mostly messages, some rules broken,
/// some bytes changed, some ends missing.
pub(crate) fn streams(masked: bool) -> impl Strategy<Value = Vec<u8>> {
    let unit = prop_oneof![
        8 => message(),
        2 => beat().prop_map(|draft| vec![draft]),
        1 => close().prop_map(|draft| vec![draft]),
        1 => wild().prop_map(|draft| vec![draft]),
    ];
    let change = (any::<prop::sample::Index>(), any::<u8>());
    (
        vec(unit, 1..8),
        proptest::option::weighted(0.3, change),
        proptest::option::weighted(0.3, any::<prop::sample::Index>()),
    )
        .prop_map(move |(units, change, end)| {
            let mut bytes = Vec::new();
            for draft in units.iter().flatten() {
                draft.put(&mut bytes, masked);
            }
            if let Some((at, byte)) = change {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(end) = end {
                bytes.truncate(end.index(bytes.len() + 1));
            }
            bytes
        })
}
