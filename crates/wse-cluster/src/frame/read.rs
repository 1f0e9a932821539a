//! Reads frames. A frame has exactly one form in bytes: what is read is written as it was.

use super::primitive::Reader;
use super::{CID_BYTES, CLOSED_BYTES, Change, Frame, NAME_BYTES, Told, change, entry, kind, scope, told};
use crate::{CallId, Entry, Except, Leaving, Malformed, Recipients, Scope, TakeId};
use bytes::Bytes;
use std::sync::Arc;
use wse_proto::Cid;

/// The fewest bytes of an entry, a room, what was told, a change, a call and one that is left out. A list is refused
/// before memory is taken for more of them than there are bytes.
pub(super) const ENTRY: usize = 16 + 8 + 1 + 1 + 1;
pub(super) const ROOM: usize = 4 + 1;
pub(super) const TOLD: usize = 1 + 8 + 8 + 1;
pub(super) const CHANGE: usize = 1 + ROOM;
pub(super) const CALL: usize = 8 + 16;
pub(super) const EXCEPT: usize = 1 + 1;

impl Frame {
    /// Reads one whole frame; its payload is a slice of it.
    pub(crate) fn read(frame: &Bytes) -> Result<Frame, Malformed> {
        Self::read_within(frame, frame)
    }

    /// Reads one whole frame that lies within a datagram, of which its payload becomes a slice.
    pub(crate) fn read_within(datagram: &Bytes, frame: &[u8]) -> Result<Frame, Malformed> {
        let mut from = Reader::new(datagram, frame);
        let from = &mut from;
        let frame = match from.u8()? {
            kind::SNAP => Frame::Snap {
                last: from.bool()?,
                entries: from.list(ENTRY, read_entry)?,
                rooms: from.list(ROOM, read_room)?,
                told: from.list(TOLD, read_told)?,
            },
            kind::DELTA => Frame::Delta(from.list(CHANGE, read_change)?),
            kind::SEND => Frame::Send { to: recipients(from)?, message: from.payload() },
            kind::CALL => Frame::Call {
                remaining_ms: from.u32()?,
                calls: from.list(CALL, |from| Ok((CallId(from.u64()?), from.device()?)))?,
                body: from.payload(),
            },
            kind::ANSWER => Frame::Answer {
                id: CallId(from.u64()?),
                answer: if from.bool()? { Some(from.payload()) } else { None },
            },
            kind::CANCEL => Frame::Cancel(from.list(8, |from| from.u64().map(CallId))?),
            kind::CLOSE => Frame::Close { at: from.hlc()?, to: recipients(from)?, closed: closed_to_the_end(from)? },
            kind::TAKE => Frame::Take { id: TakeId(from.u64()?), device: from.device()?, body: from.payload() },
            kind::GIVEN => Frame::Given {
                id: TakeId(from.u64()?),
                given: if from.bool()? { Some((read_entry(from)?, from.payload())) } else { None },
            },
            kind::GOT => Frame::Got { id: TakeId(from.u64()?), device: from.device()?, wanted: from.bool()? },
            kind::OFFER => Frame::Offer { id: TakeId(from.u64()?), entry: read_entry(from)?, body: from.payload() },
            kind::APP => Frame::App(from.payload()),
            kind::CHECK => Frame::Check { devices: from.u32()?, hash: from.u64()? },
            kind::SEEN => Frame::Seen { device: from.device()? },
            _ => return Err(Malformed("a frame of an unknown kind")),
        };
        from.end()?;
        Ok(frame)
    }
}

fn cid(from: &mut Reader<'_>) -> Result<Cid, Malformed> {
    from.text(CID_BYTES).map(Cid::from)
}

fn read_entry(from: &mut Reader<'_>) -> Result<Entry, Malformed> {
    let (id, since, hop, flags) = (from.device()?, from.hlc()?, from.u8()?, from.u8()?);
    if flags & !(entry::CODEC | entry::PARKED | entry::SESSION | entry::TRIAL) != 0 {
        return Err(Malformed("an entry has unknown bits"));
    }
    Ok(Entry {
        id,
        since,
        hop,
        codec: flags & entry::CODEC,
        parked: flags & entry::PARKED != 0,
        session: flags & entry::SESSION != 0,
        trial: flags & entry::TRIAL != 0,
        cid: cid(from)?,
    })
}

fn read_room(from: &mut Reader<'_>) -> Result<(Arc<str>, u32), Malformed> {
    let members = from.u32()?;
    Ok((from.text(NAME_BYTES)?.into(), members))
}

fn read_told(from: &mut Reader<'_>) -> Result<(Cid, Told), Malformed> {
    let flags = from.u8()?;
    if flags & !(told::HERE | told::RAISED | told::BY) != 0 {
        return Err(Malformed("what was told has unknown bits"));
    }
    let told = Told {
        here: flags & told::HERE != 0,
        raised: flags & told::RAISED != 0,
        at: from.hlc()?,
        prev: from.hlc()?,
        by: if flags & told::BY != 0 { Some(from.node()?) } else { None },
    };
    Ok((cid(from)?, told))
}

fn read_change(from: &mut Reader<'_>) -> Result<Change, Malformed> {
    Ok(match from.u8()? {
        change::IN => Change::In(read_entry(from)?),
        change::OUT => {
            let (id, clean) = (from.device()?, from.bool()?);
            // A copy: it may be kept for long, and a slice would keep the whole datagram.
            let closed = Bytes::copy_from_slice(from.bytes(CLOSED_BYTES)?);
            let leaving = Leaving { clean, closed };
            Change::Out { id, cid: cid(from)?, leaving }
        }
        change::PARK => Change::Park { id: from.device()?, parked: from.bool()?, cid: cid(from)? },
        change::CONFIRM => Change::Confirm { id: from.device()?, cid: cid(from)? },
        change::ROOM => {
            let (name, members) = read_room(from)?;
            Change::Room { name, members }
        }
        change::TOLD => {
            let (cid, told) = read_told(from)?;
            Change::Told(cid, told)
        }
        _ => return Err(Malformed("a change of an unknown kind")),
    })
}

fn recipients(from: &mut Reader<'_>) -> Result<Recipients, Malformed> {
    let scope = match from.u8()? {
        scope::EVERYONE => Scope::Everyone,
        scope::USER => Scope::User(cid(from)?),
        scope::DEVICE => Scope::Device(from.device()?),
        scope::ROOM => Scope::Room(from.text(NAME_BYTES)?.into()),
        _ => return Err(Malformed("recipients of an unknown kind")),
    };
    let except = from.list(EXCEPT, |from| match from.u8()? {
        scope::DEVICE => Ok(Except::Device(from.device()?)),
        scope::USER => Ok(Except::User(cid(from)?)),
        _ => Err(Malformed("an exception of an unknown kind")),
    })?;
    Ok(Recipients { scope, except })
}

fn closed_to_the_end(from: &mut Reader<'_>) -> Result<Bytes, Malformed> {
    if from.left() > CLOSED_BYTES { Err(Malformed("something is too long")) } else { Ok(from.payload()) }
}
