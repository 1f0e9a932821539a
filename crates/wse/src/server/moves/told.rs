//! What two nodes tell one another of a session after it has moved, as bytes. What is read is as foreign as what a
//! stranger has sent.

use crate::{
    server::cluster::closing,
    session::{
        bytes::{Reader, Writer},
        moved::{payload, read_age, write_age},
    },
};
use bytes::Bytes;
use tokio::time::Instant;
use wse_cluster::{DeviceId, NodeId, TakeId};
use wse_proto::{Closed, Format, FrameAge, Payload};

/// The first byte of everything that is told, among what servers say to one another.
pub(crate) const MOVES: u8 = 2;

/// Nodes that are named at once.
const NODES: usize = 1024;

/// What one node tells another of a session.
#[derive(Debug)]
pub(super) enum Told {
    /// To the node that has it: send this frame.
    Frame { device: DeviceId, hops: u8, frame: Bytes, age: Option<FrameAge> },
    /// To the same: the procedure of that call has answered.
    Answered { device: DeviceId, hops: u8, stamp: String },
    /// To the same: end it.
    Close { device: DeviceId, closed: Closed },
    /// To the same: all that these nodes have sent to it there was carried.
    Passed { device: DeviceId, nodes: Vec<NodeId> },
    /// To a node that had it: an answer of the client.
    Settled { device: DeviceId, stamp: String, answer: Result<Payload<'static>, Payload<'static>> },
    /// To the same: the client does not wait for the answer to that call any more.
    Cancel { device: DeviceId, stamp: String },
    /// To the same: the client has so many frames.
    Acknowledged { device: DeviceId, count: u64 },
    /// To the same: how it has ended.
    Ended { device: DeviceId, closed: Closed },
    /// To a node that has asked: there is no session, or the device has to come again.
    NotGiven { take: TakeId, again: bool },
}

impl Told {
    pub(super) fn write(&self) -> Bytes {
        let mut out = Writer::default();
        out.byte(MOVES);
        let mut head = |kind: u8, device: &DeviceId| {
            out.byte(kind);
            out.word(device.node().number());
            out.word(device.number());
        };
        match self {
            Told::Frame { device, hops, frame, age } => {
                head(1, device);
                out.byte(*hops);
                out.bytes(frame);
                out.byte(u8::from(age.is_some()));
                if let Some(age) = age {
                    write_age(&mut out, age, Instant::now().into_std());
                }
            }
            Told::Answered { device, hops, stamp } => {
                head(2, device);
                out.byte(*hops);
                out.bytes(stamp.as_bytes());
            }
            Told::Close { device, closed } => {
                head(3, device);
                out.bytes(&closing::write(closed));
            }
            Told::Settled { device, stamp, answer } => {
                head(4, device);
                out.bytes(stamp.as_bytes());
                let (Ok(payload) | Err(payload)) = answer;
                out.byte(u8::from(answer.is_ok()));
                out.byte(u8::from(payload.format() == Format::MessagePack));
                out.bytes(payload.as_bytes());
            }
            Told::Cancel { device, stamp } => {
                head(5, device);
                out.bytes(stamp.as_bytes());
            }
            Told::Acknowledged { device, count } => {
                head(6, device);
                out.number(*count);
            }
            Told::Ended { device, closed } => {
                head(7, device);
                out.bytes(&closing::write(closed));
            }
            Told::Passed { device, nodes } => {
                head(9, device);
                out.list(nodes.iter(), |out, node| out.word(node.number()));
            }
            Told::NotGiven { take, again } => {
                out.byte(8);
                out.number(take.0);
                out.byte(u8::from(*again));
            }
        }
        out.end()
    }

    pub(super) fn read(bytes: &Bytes) -> Option<Self> {
        let mut input = Reader::new(bytes.clone());
        input.byte().filter(|first| *first == MOVES)?;
        let told = Self::read_rest(&mut input)?;
        input.is_empty().then_some(told)
    }

    fn read_rest(input: &mut Reader) -> Option<Self> {
        let kind = input.byte()?;
        if kind == 8 {
            return Some(Told::NotGiven { take: TakeId(input.number()?), again: input.flag()? });
        }
        let device = DeviceId::new(NodeId::new(input.word()?), input.word()?);
        match kind {
            1 => {
                // In memory of its own: the bytes may be a part of something larger.
                let (hops, frame) = (input.byte()?, Bytes::copy_from_slice(&input.bytes()?));
                let age = if input.flag()? { Some(read_age(input, Instant::now().into_std())?) } else { None };
                Some(Told::Frame { device, hops, frame, age })
            }
            2 => Some(Told::Answered { device, hops: input.byte()?, stamp: input.text()? }),
            3 => Some(Told::Close { device, closed: closing::read(&input.bytes()?)? }),
            4 => {
                let (stamp, is_ok, is_msgpack) = (input.text()?, input.flag()?, input.flag()?);
                let format = if is_msgpack { Format::MessagePack } else { Format::Json };
                let payload = payload(&input.bytes()?, format)?;
                Some(Told::Settled { device, stamp, answer: if is_ok { Ok(payload) } else { Err(payload) } })
            }
            5 => Some(Told::Cancel { device, stamp: input.text()? }),
            6 => Some(Told::Acknowledged { device, count: input.number()? }),
            9 => {
                let nodes = input.list(NODES, |input| input.word().map(NodeId::new))?;
                Some(Told::Passed { device, nodes })
            }
            7 => Some(Told::Ended { device, closed: closing::read(&input.bytes()?)? }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use wse_proto::Reason;

    fn all() -> Vec<Told> {
        let device = DeviceId::new(NodeId::new(7), 9);
        let closed = Closed::normal(Reason::BY_SERVER);
        let age = FrameAge { latest: Some("spot".into()), until: None, told: false };
        let frame = Bytes::from_static(b"\x81\x01a");
        let json = || Payload::json("[1]").unwrap();
        let msgpack = Payload::msgpack(&[0x91, 1]).unwrap();
        vec![
            Told::Frame { device, hops: 1, frame: frame.clone(), age: None },
            Told::Frame { device, hops: 0, frame, age: Some(age) },
            Told::Answered { device, hops: 2, stamp: "S".into() },
            Told::Close { device, closed: closed.clone() },
            Told::Passed { device, nodes: vec![NodeId::new(1), NodeId::new(2)] },
            Told::Settled { device, stamp: "S".into(), answer: Ok(json()) },
            Told::Settled { device, stamp: "S".into(), answer: Err(msgpack) },
            Told::Cancel { device, stamp: "S".into() },
            Told::Acknowledged { device, count: 300 },
            Told::Ended { device, closed },
            Told::NotGiven { take: TakeId(5), again: true },
        ]
    }

    #[test]
    fn what_is_told_is_read_as_it_was_written_and_nothing_else_is() {
        for told in all() {
            let bytes = told.write();
            let read = Told::read(&bytes).unwrap();
            assert_eq!(format!("{read:?}"), format!("{told:?}"));
            assert!((0..bytes.len()).all(|end| Told::read(&bytes.slice(..end)).is_none()), "{told:?}");
            assert!(Told::read(&[&bytes[..], &[0]].concat().into()).is_none(), "{told:?}");
        }
    }

    #[test]
    fn whatever_bytes_are_changed_nothing_panics() {
        for told in all() {
            let bytes = told.write();
            for place in 0..bytes.len() {
                for change in 1..=255u8 {
                    let mut changed = bytes.to_vec();
                    changed[place] ^= change;
                    drop(Told::read(&changed.into()));
                }
            }
        }
        let started = std::time::Instant::now();
        let announced = [&[MOVES, 9][..], &[0; 16], &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
        assert!(Told::read(&announced.into()).is_none(), "so many nodes are not there");
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}
