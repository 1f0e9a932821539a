//! What a link carries, in order and once. The bytes of a frame are written and read in [`write`] and [`read`], and
//! described in `docs/protocol/cluster.md`.

mod primitive;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use self::primitive::{Reader, put_bytes, put_varint};

use crate::{CallId, DeviceId, Entry, Hlc, Leaving, NodeId, Recipients, TakeId};
use bytes::Bytes;
use std::sync::Arc;
use wse_proto::Cid;

/// A datagram or frame that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed: {0}")]
pub struct Malformed(pub(crate) &'static str);

/// The longest name of a room or a node, in bytes.
pub(crate) const NAME_BYTES: usize = 256;
/// The longest cid that travels between nodes, in bytes.
pub(crate) const CID_BYTES: usize = 4096;
/// The longest [`Leaving::closed`] and [`Frame::Close`], in bytes.
pub(crate) const CLOSED_BYTES: usize = 128;

/// First bytes of pieces of a frame that is too large for one datagram; those of whole frames are above.
pub(crate) const PART: u8 = 0;
/// The last piece of such a frame.
pub(crate) const LAST_PART: u8 = 1;

/// First bytes of whole frames.
mod kind {
    pub(super) const SNAP: u8 = 2;
    pub(super) const DELTA: u8 = 3;
    pub(super) const SEND: u8 = 4;
    pub(super) const CALL: u8 = 5;
    pub(super) const ANSWER: u8 = 6;
    pub(super) const CANCEL: u8 = 7;
    pub(super) const CLOSE: u8 = 8;
    pub(super) const TAKE: u8 = 9;
    pub(super) const GIVEN: u8 = 10;
    pub(super) const GOT: u8 = 11;
    pub(super) const OFFER: u8 = 12;
    pub(super) const APP: u8 = 13;
    pub(super) const CHECK: u8 = 14;
    pub(super) const SEEN: u8 = 15;
}

/// First bytes of changes.
mod change {
    pub(super) const IN: u8 = 1;
    pub(super) const OUT: u8 = 2;
    pub(super) const PARK: u8 = 3;
    pub(super) const CONFIRM: u8 = 4;
    pub(super) const ROOM: u8 = 5;
    pub(super) const TOLD: u8 = 6;
}

/// First bytes of recipients, and of those that are left out (a device or a user).
mod scope {
    pub(super) const EVERYONE: u8 = 0;
    pub(super) const USER: u8 = 1;
    pub(super) const DEVICE: u8 = 2;
    pub(super) const ROOM: u8 = 3;
}

/// Bits beside the codec (the lowest three) in an entry's last byte.
mod entry {
    pub(super) const CODEC: u8 = 0b0000_0111;
    pub(super) const PARKED: u8 = 0b0000_1000;
    pub(super) const SESSION: u8 = 0b0001_0000;
    pub(super) const TRIAL: u8 = 0b0010_0000;
}

/// Bits of what the application was told.
mod told {
    pub(super) const HERE: u8 = 1;
    pub(super) const RAISED: u8 = 2;
    pub(super) const BY: u8 = 4;
}

/// What the application was last told of a user, by whichever node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// That the user is here, or has left.
    pub(crate) here: bool,
    pub(crate) at: Hlc,
    /// What it came after: claims after the same are one episode, whoever made them.
    pub(crate) prev: Hlc,
    pub(crate) by: Option<NodeId>,
    /// The application has been told.
    pub(crate) raised: bool,
}

/// What changes in a node's part of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    In(Entry),
    Out {
        id: DeviceId,
        cid: Cid,
        leaving: Leaving,
    },
    Park {
        id: DeviceId,
        cid: Cid,
        parked: bool,
    },
    Confirm {
        id: DeviceId,
        cid: Cid,
    },
    /// So many members a room has at this node; 0: none any more.
    Room {
        name: Arc<str>,
        members: u32,
    },
    Told(Cid, Told),
}

/// What a link carries, in order and once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A part of what a node has, at the beginning of a generation. It counts when the last part is there.
    Snap {
        entries: Vec<Entry>,
        rooms: Vec<(Arc<str>, u32)>,
        told: Vec<(Cid, Told)>,
        last: bool,
    },
    Delta(Vec<Change>),
    Send {
        to: Recipients,
        message: Bytes,
    },
    Call {
        calls: Vec<(CallId, DeviceId)>,
        remaining_ms: u32,
        body: Bytes,
    },
    /// `None`: the device is not there.
    Answer {
        id: CallId,
        answer: Option<Bytes>,
    },
    Cancel(Vec<CallId>),
    /// Close those who came before.
    Close {
        to: Recipients,
        at: Hlc,
        closed: Bytes,
    },
    Take {
        id: TakeId,
        device: DeviceId,
        body: Bytes,
    },
    Given {
        id: TakeId,
        given: Option<(Entry, Bytes)>,
    },
    /// What was given or offered is here, or is not wanted.
    Got {
        id: TakeId,
        device: DeviceId,
        wanted: bool,
    },
    Offer {
        id: TakeId,
        entry: Entry,
        body: Bytes,
    },
    /// The sender sends what is for that device to its new node from here on.
    Seen {
        device: DeviceId,
    },
    App(Bytes),
    /// How many entries the sender has at this point of the link, and a hash of them: the other node's copy is the same.
    Check {
        devices: u32,
        hash: u64,
    },
}
