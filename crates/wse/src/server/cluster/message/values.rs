//! What servers tell each other of the messages that rooms retain, outside of the rooms' own messages.
//!
//! ```text
//! 1 · 0 · rooms × sized text                              what do these rooms retain at your server?
//! 1 · 1 · room: sized text · a message as in `send`       it retains this
//! 1 · 2 · room: sized text · stamp: at u64, node u64 · text   what it retains under that name is to be forgotten
//! ```
//!
//! The first byte keeps them apart from what else servers tell each other.

use super::{
    bytes::{Parts, put_sized, text},
    send::Sent,
};
use crate::server::users::retained::Stamp;
use bytes::Bytes;

/// What such bytes begin with.
pub(crate) const OF_ROOMS: u8 = 1;

const ASK: u8 = 0;
const VALUE: u8 = 1;
const FORGET: u8 = 2;

/// Bytes of one question, more or less.
const QUESTION: usize = 16 << 10;

/// What another server says.
#[derive(Debug)]
pub(crate) enum Told {
    Ask(Vec<Box<str>>),
    Value { room: Box<str>, sent: Box<Sent>, stamp: Stamp },
    Forget { room: Box<str>, name: Box<str>, stamp: Stamp },
}

/// The question for what rooms retain, in as many parts as it takes.
pub(crate) fn ask<'a>(rooms: impl IntoIterator<Item = &'a str>) -> Vec<Bytes> {
    let (mut parts, mut part) = (Vec::new(), vec![OF_ROOMS, ASK]);
    for room in rooms {
        if part.len() + room.len() > QUESTION {
            parts.push(std::mem::replace(&mut part, vec![OF_ROOMS, ASK]).into());
        }
        put_sized(&mut part, room.as_bytes());
    }
    if part.len() > 2 {
        parts.push(part.into());
    }
    parts
}

/// A message that a room retains, as [`send`](super::send::write) has written it.
pub(crate) fn value(room: &str, sent: &[u8]) -> Bytes {
    let mut out = vec![OF_ROOMS, VALUE];
    put_sized(&mut out, room.as_bytes());
    out.extend_from_slice(sent);
    out.into()
}

/// That what a room retains under a name is to be forgotten.
pub(crate) fn forget(room: &str, name: &str, stamp: Stamp) -> Bytes {
    let mut out = vec![OF_ROOMS, FORGET];
    put_sized(&mut out, room.as_bytes());
    out.extend_from_slice(&stamp.at.to_be_bytes());
    out.extend_from_slice(&stamp.node.number().to_be_bytes());
    out.extend_from_slice(name.as_bytes());
    out.into()
}

/// Reads what another server has written. `None` when it is malformed.
pub(crate) fn read(bytes: &Bytes) -> Option<Told> {
    let mut parts = Parts::of(bytes);
    let (OF_ROOMS, kind) = (parts.u8()?, parts.u8()?) else { return None };
    match kind {
        ASK => {
            let mut rooms = Vec::new();
            while !parts.is_over() {
                rooms.push(parts.text()?);
            }
            Some(Told::Ask(rooms))
        }
        VALUE => {
            let (room, sent) = (parts.text()?, Sent::read(&parts.rest())?);
            Some(Told::Value { room, stamp: sent.stamp?, sent: Box::new(sent) })
        }
        FORGET => {
            let room = parts.text()?;
            let stamp = Stamp { at: parts.u64()?, node: parts.node()? };
            Some(Told::Forget { room, stamp, name: text(&parts.rest())? })
        }
        _ => None,
    }
}
