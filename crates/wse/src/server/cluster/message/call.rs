//! A call of another server to devices of this one, or to this server itself.
//!
//! ```text
//! 0 · name: sized text · format u8 · payload      call a procedure of the device
//! 1 · a message as in `send`                      send a message, and answer when the device has acknowledged it
//! 2 · after: node u64, number u64 · text          of a server: the devices here that are members of that room
//! format  0 JSON, 1 MessagePack: that of the devices, so that the argument is encoded once for all of them
//! after   members are told in pages of 16,384, in the order of their ids; all zeros for the first
//! ```

use super::{
    bytes::{Parts, put_device, put_payload, put_sized, text},
    send::Sent,
};
use bytes::Bytes;
use wse_cluster::{DeviceId, NodeId};
use wse_proto::Payload;

const PROCEDURE: u8 = 0;
const MESSAGE: u8 = 1;
const MEMBERS: u8 = 2;

/// Members of a room that are told at once.
pub(crate) const PAGE: usize = 16 << 10;

/// What is asked.
#[derive(Debug)]
pub(crate) enum Asked {
    Procedure { name: Box<str>, payload: Payload<'static> },
    Message(Box<Sent>),
    Members { room: Box<str>, after: DeviceId },
}

/// A call of a procedure.
pub(crate) fn of_procedure(name: &str, payload: &Payload<'_>) -> Bytes {
    let mut out = Vec::with_capacity(8 + name.len() + payload.as_bytes().len());
    out.push(PROCEDURE);
    put_sized(&mut out, name.as_bytes());
    put_payload(&mut out, payload);
    out.into()
}

/// A message whose acknowledgement is awaited.
pub(crate) fn of_message(sent: &[u8]) -> Bytes {
    [&[MESSAGE], sent].concat().into()
}

/// The question for the members of a room behind a device, or for the first of them.
pub(crate) fn of_members(room: &str, after: Option<DeviceId>) -> Bytes {
    let mut out = vec![MEMBERS];
    put_device(&mut out, after.unwrap_or(DeviceId::new(NodeId::new(0), 0)));
    out.extend_from_slice(room.as_bytes());
    out.into()
}

/// Reads what another server has written. `None` when it is malformed.
pub(crate) fn read(bytes: &Bytes) -> Option<Asked> {
    let mut parts = Parts::of(bytes);
    match parts.u8()? {
        PROCEDURE => Some(Asked::Procedure { name: parts.text()?, payload: parts.payload()? }),
        MESSAGE => Sent::read(&parts.rest()).map(|sent| Asked::Message(Box::new(sent))),
        MEMBERS => Some(Asked::Members { after: parts.device()?, room: text(&parts.rest())? }),
        _ => None,
    }
}
