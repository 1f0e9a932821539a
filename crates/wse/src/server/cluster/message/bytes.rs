//! Reads and writes the parts of which the layouts are made. Nothing is copied when it is read.

use bytes::Bytes;
use wse_cluster::{DeviceId, NodeId};
use wse_proto::{Format, Payload};

/// The parts of some bytes, from the first to the last; `None` where they end too early.
pub(super) struct Parts(Bytes);

impl Parts {
    pub(super) fn of(bytes: &Bytes) -> Self {
        Parts(bytes.clone())
    }

    pub(super) fn take(&mut self, len: usize) -> Option<Bytes> {
        (len <= self.0.len()).then(|| self.0.split_to(len))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.as_ref().try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn node(&mut self) -> Option<NodeId> {
        self.u64().map(NodeId::new)
    }

    pub(super) fn device(&mut self) -> Option<DeviceId> {
        Some(DeviceId::new(self.node()?, self.u64()?))
    }

    /// What is sized.
    pub(super) fn sized(&mut self) -> Option<Bytes> {
        let len = usize::try_from(self.u32()?).ok()?;
        self.take(len)
    }

    /// A sized text.
    pub(super) fn text(&mut self) -> Option<Box<str>> {
        text(&self.sized()?)
    }

    /// A format and the payload of that format behind it, up to the end.
    pub(super) fn payload(mut self) -> Option<Payload<'static>> {
        match self.u8()? {
            JSON => json(&self.0),
            MESSAGE_PACK => msgpack(&self.0),
            _ => None,
        }
    }

    /// Everything that is left.
    pub(super) fn rest(self) -> Bytes {
        self.0
    }

    /// Whether nothing is left.
    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

/// The number of a format: JSON.
const JSON: u8 = 0;
/// MessagePack.
const MESSAGE_PACK: u8 = 1;

pub(super) fn text(bytes: &[u8]) -> Option<Box<str>> {
    std::str::from_utf8(bytes).ok().map(Into::into)
}

/// A payload of JSON, if the bytes are one.
pub(super) fn json(bytes: &[u8]) -> Option<Payload<'static>> {
    let text = std::str::from_utf8(bytes).ok()?;
    Payload::json(text).ok().map(Payload::into_owned)
}

/// A payload of MessagePack, if the bytes are one.
pub(super) fn msgpack(bytes: &[u8]) -> Option<Payload<'static>> {
    Payload::msgpack(bytes).ok().map(Payload::into_owned)
}

/// Writes what is sized. More than 4 GiB cannot be: the node refuses such bytes by their length.
pub(super) fn put_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

pub(super) fn put_device(out: &mut Vec<u8>, id: DeviceId) {
    out.extend_from_slice(&id.node().number().to_be_bytes());
    out.extend_from_slice(&id.number().to_be_bytes());
}

/// Writes a format and the payload.
pub(super) fn put_payload(out: &mut Vec<u8>, payload: &Payload<'_>) {
    out.push(if payload.format() == Format::Json { JSON } else { MESSAGE_PACK });
    out.extend_from_slice(payload.as_bytes());
}
