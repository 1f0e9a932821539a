//! A device as every node knows it.

use crate::{DeviceId, Hlc};
use bytes::Bytes;
use wse_proto::Cid;

/// A device as every node knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id, which stays when its session moves.
    pub id: DeviceId,
    /// Its user.
    pub cid: Cid,
    /// When it came. A session that moves keeps it.
    pub since: Hlc,
    /// How often its session has moved. Of two nodes that claim a device the one with more has it.
    pub hop: u8,
    /// What it speaks, as the servers number it: 0 to 7. 0 is what other nodes cannot encode.
    pub codec: u8,
    /// Its connection is lost, and its session waits.
    pub parked: bool,
    /// It has a session, which can be taken.
    pub session: bool,
    /// It does not count against the limit of devices yet.
    pub trial: bool,
}

/// How a device leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Either side said goodbye: there is no grace.
    pub clean: bool,
    /// The close as its server writes it; at most 128 bytes.
    pub closed: Bytes,
}
