//! Datagrams, which an engine carries between nodes: beats and goodbyes for all, frames and acknowledgements for one
//! node. Their bytes are described in `docs/protocol/cluster.md`.

use crate::frame::{NAME_BYTES, Reader, put_bytes};
use crate::{Malformed, NodeId};
use bytes::Bytes;

#[cfg(test)]
mod tests;

/// The longest datagram that is read.
pub(crate) const DATAGRAM_BYTES: usize = 64 << 10;
/// The version that is written, and the only one that is read.
const VERSION: u8 = 1;
/// The longest name of a library's version.
const VERSION_BYTES: usize = 64;
/// Bytes before the frames of a datagram with frames.
pub(crate) const DATA_HEAD: usize = 14 + 25 + 9;

mod kind {
    pub(super) const BEAT: u8 = 1;
    pub(super) const BYE: u8 = 2;
    pub(super) const DATA: u8 = 3;
    pub(super) const ACK: u8 = 4;
}

/// What every datagram begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The node that made it.
    pub(crate) from: NodeId,
    /// When, in seconds of that node's wall clock.
    pub(crate) sent_at: u32,
}

/// What a datagram says after its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Datagram {
    Beat(Beat),
    /// The node ends.
    Bye,
    Data(Data),
    Ack(Ack),
}

/// A sign of life, to all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beat {
    /// The node's name, at most [`NAME_BYTES`]; empty: none.
    pub(crate) name: String,
    /// It knows enough to report users.
    pub(crate) ready: bool,
    /// Devices that one user may have there.
    pub(crate) limit: u32,
    /// How many devices it has.
    pub(crate) devices: u32,
    /// When it was built, in milliseconds of its wall clock: of two nodes of one name the older has gone.
    pub(crate) born: u64,
    /// The library's version, at most 64 bytes.
    pub(crate) version: String,
}

/// What a node has had from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    /// The node it is for. Another one that gets it by mistake drops it.
    pub(crate) to: NodeId,
    /// The generation of the sender's own frames, from 1: what it said before that is late.
    pub(crate) own: u32,
    /// The generation of that node's frames; 0: none has come yet.
    pub(crate) generation: u32,
    /// All frames below this number are there.
    pub(crate) next: u64,
    pub(crate) kind: AckKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AckKind {
    Plain,
    /// A later frame has come: send again from [`Ack::next`].
    Gap,
    /// Frames of that generation came, but not its first. [`Ack::next`] is 0 where it may still come, and 1 where it
    /// had come to a link that is over.
    Forgot,
}

/// Frames with their acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Data {
    /// With the generation of these frames, [`Ack::own`].
    pub(crate) ack: Ack,
    /// The number of the first one within its generation.
    pub(crate) seq: u64,
    /// The sender waits for the acknowledgement: it sends nothing more before.
    pub(crate) waits: bool,
    /// How many there are, at least one.
    pub(crate) count: u64,
    /// The frames, each with its length before it. Every length was looked at.
    pub(crate) frames: Bytes,
}

/// Reads a datagram. Only the frames within are not looked at, but their lengths are.
pub(crate) fn read(datagram: &Bytes) -> Result<(Head, Datagram), Malformed> {
    if datagram.len() > DATAGRAM_BYTES {
        return Err(Malformed("larger than a datagram"));
    }
    let mut from = Reader::new(datagram, datagram);
    if from.u8()? != VERSION {
        return Err(Malformed("another version"));
    }
    let kind = from.u8()?;
    let head = Head { from: from.node()?, sent_at: from.u32()? };
    let datagram = match kind {
        kind::BEAT => Datagram::Beat(read_beat(&mut from)?),
        kind::BYE => Datagram::Bye,
        kind::DATA => Datagram::Data(read_data(&mut from)?),
        kind::ACK => Datagram::Ack(read_ack(&mut from)?),
        _ => return Err(Malformed("a datagram of an unknown kind")),
    };
    if kind != kind::BEAT {
        from.end()?; // a beat may say more in a later version
    }
    Ok((head, datagram))
}

fn read_beat(from: &mut Reader<'_>) -> Result<Beat, Malformed> {
    Ok(Beat {
        ready: from.bool()?,
        limit: from.u32()?,
        devices: from.u32()?,
        born: from.u64()?,
        version: from.text(VERSION_BYTES)?.to_owned(),
        name: from.text(NAME_BYTES)?.to_owned(),
    })
}

fn read_ack(from: &mut Reader<'_>) -> Result<Ack, Malformed> {
    let (to, own, generation, next) = (from.node()?, from.u32()?, from.u32()?, from.u64()?);
    if own == 0 {
        return Err(Malformed("no generation"));
    }
    let kind = match from.u8()? {
        0 => AckKind::Plain,
        1 => AckKind::Gap,
        2 => AckKind::Forgot,
        _ => return Err(Malformed("an acknowledgement of an unknown kind")),
    };
    Ok(Ack { to, own, generation, next, kind })
}

fn read_data(from: &mut Reader<'_>) -> Result<Data, Malformed> {
    let (ack, seq, waits) = (read_ack(from)?, from.u64()?, from.bool()?);
    let frames = from.payload();
    let mut lengths = Reader::new(&frames, &frames);
    let mut count = 0;
    while lengths.left() > 0 {
        if lengths.bytes(DATAGRAM_BYTES)?.is_empty() {
            return Err(Malformed("an empty frame"));
        }
        count += 1;
    }
    if count == 0 || seq.checked_add(count).is_none() {
        return Err(Malformed("no frames, or more than can be counted"));
    }
    Ok(Data { ack, seq, waits, count, frames })
}

/// A beat, for all.
pub(crate) fn beat(head: Head, beat: &Beat) -> Bytes {
    let mut out = begin(head, kind::BEAT, 64);
    out.push(u8::from(beat.ready));
    out.extend_from_slice(&beat.limit.to_be_bytes());
    out.extend_from_slice(&beat.devices.to_be_bytes());
    out.extend_from_slice(&beat.born.to_be_bytes());
    put_bytes(&mut out, beat.version.as_bytes());
    put_bytes(&mut out, beat.name.as_bytes());
    out.into()
}

/// A goodbye, for all.
pub(crate) fn bye(head: Head) -> Bytes {
    begin(head, kind::BYE, 0).into()
}

/// An acknowledgement alone.
pub(crate) fn ack(head: Head, ack: &Ack) -> Bytes {
    let mut out = begin(head, kind::ACK, 25);
    put_ack(&mut out, ack);
    out.into()
}

/// The beginning of a datagram with frames, with room for `bytes` of them. Its frames are appended.
pub(crate) fn data(head: Head, ack: &Ack, seq: u64, waits: bool, bytes: usize) -> Vec<u8> {
    let mut out = begin(head, kind::DATA, DATA_HEAD - 14 + bytes);
    put_ack(&mut out, ack);
    out.extend_from_slice(&seq.to_be_bytes());
    out.push(u8::from(waits));
    out
}

fn begin(head: Head, kind: u8, more: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(14 + more);
    out.extend([VERSION, kind]);
    out.extend_from_slice(&head.from.number().to_be_bytes());
    out.extend_from_slice(&head.sent_at.to_be_bytes());
    out
}

fn put_ack(out: &mut Vec<u8>, ack: &Ack) {
    out.extend_from_slice(&ack.to.number().to_be_bytes());
    out.extend_from_slice(&ack.own.to_be_bytes());
    out.extend_from_slice(&ack.generation.to_be_bytes());
    out.extend_from_slice(&ack.next.to_be_bytes());
    out.push(match ack.kind {
        AckKind::Plain => 0,
        AckKind::Gap => 1,
        AckKind::Forgot => 2,
    });
}
