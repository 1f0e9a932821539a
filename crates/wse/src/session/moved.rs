//! A session on its way from one server of a cluster to another, as a value and as bytes. What is read has come
//! from a foreign server: nothing of it is believed, and no memory is taken for what is only announced.
//!
//! | bytes | |
//! |---|---|
//! | 1 | the version of this layout, 1 |
//! | 8, 8 | the id of the device: node and number |
//! | text | the user |
//! | text, 1, 1 | the subprotocol, the format of payloads (0 JSON, 1 MessagePack), whether frames are binary |
//! | bytes, bytes | what the device said: identity and meta |
//! | 1, 0 to 16 | its address: 0 none, 4 or 6 and the bytes of one |
//! | time, time | when its identity is to be renewed, and when it ends; none: 0 and 0 |
//! | 1 | what the client can, in bits |
//! | number, number | how many envelopes of the client were taken in, and of how many it knows that |
//! | number | how many frames of the server the client has acknowledged |
//! | list | what follows them: 0 a frame; 1 a frame that ages, 1 byte of flags, a text and a time where there are some; 2 so many places that were given up |
//! | list | the tokens: 16 bytes and how long ago it was replaced; the current one is the last, without a time |
//! | list | messages and calls that no handler has begun: name, payload, flag and stamp, time |
//! | list | the rooms of the device |
//! | list | calls of the client whose procedures run: the stamp, and at which node |
//! | list | the nodes that still have a part of the session |
//!
//! Numbers, texts, bytes and lists are those of [`bytes`](crate::session::bytes); a time is what is left of it. The
//! application's state does not travel: its type is known to the process alone. `identify` accepts the device again
//! before it comes back, and what it then says holds.

use crate::session::bytes::{Reader, Writer};
use bytes::Bytes;
use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use wse_cluster::{DeviceId, NodeId};
use wse_frame::{Opcode, whole_message};
use wse_proto::{Cid, Envelope, Features, Format, FrameAge, Hello, Kept, KeptHello, Limits, Payload, TokenParts};

const VERSION: u8 = 1;

/// Bytes of the longest text that stands alone: a user's id, a subprotocol, a room.
const TEXT: usize = 4 << 10;

/// Nodes that may still have a part of one session.
const NODES: usize = 16;

/// Calls of one client whose procedures run.
const CALLS: usize = 16 << 10;

/// A session without the server that had it.
pub(crate) struct Moved {
    pub(crate) device: MovedDevice,
    pub(crate) talk: Talk,
    /// Calls of the client whose procedures still run: where.
    pub(crate) at_work: Vec<(String, NodeId)>,
    /// The nodes where code of the application still has its `Conn`. They are told how the session ends, and of
    /// answers of the client that nobody waits for elsewhere.
    pub(crate) origins: Vec<NodeId>,
}

/// Whose session it is.
pub(crate) struct MovedDevice {
    pub(crate) id: DeviceId,
    pub(crate) cid: Cid,
    /// The subprotocol, and the form of its codec.
    pub(crate) protocol: String,
    pub(crate) format: Format,
    pub(crate) binary: bool,
    pub(crate) hello: KeptHello,
    pub(crate) remote_addr: Option<IpAddr>,
    /// How long until its identity is to be renewed, and until it ends.
    pub(crate) term: Option<(Duration, Duration)>,
    pub(crate) rooms: Vec<Arc<str>>,
}

/// What both sides have said.
pub(crate) struct Talk {
    pub(crate) features: Features,
    /// Envelopes of the client that were taken in.
    pub(crate) taken: u64,
    /// Of how many of them the client knows it.
    pub(crate) known: u64,
    /// Frames that the client has acknowledged.
    pub(crate) acknowledged: u64,
    /// Those behind them.
    pub(crate) kept: Vec<Kept<Bytes>>,
    pub(crate) tokens: TokenParts,
    /// What no handler has begun, and how long its caller still waits.
    pub(crate) inbox: Vec<(Envelope<'static>, Option<Duration>)>,
}

impl Moved {
    /// As bytes, at this moment.
    pub(crate) fn write(&self, now: Instant) -> Bytes {
        let mut out = Writer::default();
        out.byte(VERSION);
        self.device.write(&mut out);
        self.talk.write(&mut out, now);
        out.list(self.device.rooms.iter(), |out, room| out.bytes(room.as_bytes()));
        out.list(self.at_work.iter(), |out, (stamp, node)| {
            out.bytes(stamp.as_bytes());
            out.word(node.number());
        });
        out.list(self.origins.iter(), |out, node| out.word(node.number()));
        out.end()
    }

    /// Reads what another server has written, within these limits. `None` where it is none.
    pub(crate) fn read(bytes: Bytes, limits: &Limits, now: Instant) -> Option<Self> {
        let mut input = Reader::new(bytes);
        input.byte().filter(|version| *version == VERSION)?;
        let mut device = MovedDevice::read(&mut input)?;
        let talk = Talk::read(&mut input, &device, limits, now)?;
        device.rooms = input.list(limits.rooms_per_conn, |input| {
            let room = input.text().filter(|room| (1..=TEXT).contains(&room.len()))?;
            Some(room.into())
        })?;
        let at_work = input.list(CALLS, |input| Some((input.text()?, NodeId::new(input.word()?))))?;
        let origins = input.list(NODES, |input| input.word().map(NodeId::new))?;
        input.is_empty().then_some(Moved { device, talk, at_work, origins })
    }

    /// Notes that this node still has a part of the session.
    pub(crate) fn add_origin(&mut self, node: NodeId) {
        self.origins.retain(|other| *other != node);
        self.origins.drain(..(self.origins.len() + 1).saturating_sub(NODES)); // the oldest learn of no end
        self.origins.push(node);
    }
}

impl MovedDevice {
    fn write(&self, out: &mut Writer) {
        out.word(self.id.node().number());
        out.word(self.id.number());
        out.bytes(self.cid.as_str().as_bytes());
        out.bytes(self.protocol.as_bytes());
        out.byte(u8::from(self.format == Format::MessagePack));
        out.byte(u8::from(self.binary));
        out.bytes(self.hello.identity().as_bytes());
        out.bytes(self.hello.meta().as_bytes());
        match self.remote_addr {
            None => out.byte(0),
            Some(IpAddr::V4(addr)) => {
                out.byte(4);
                out.plain(&addr.octets());
            }
            Some(IpAddr::V6(addr)) => {
                out.byte(6);
                out.plain(&addr.octets());
            }
        }
        let (renewal, end) = self.term.unzip();
        out.left(renewal);
        out.left(end);
    }

    fn read(input: &mut Reader) -> Option<Self> {
        let id = DeviceId::new(NodeId::new(input.word()?), input.word()?);
        let cid = input.text().filter(|cid| (1..=TEXT).contains(&cid.len()))?;
        let protocol = input.text().filter(|protocol| protocol.len() <= TEXT)?;
        let format = if input.flag()? { Format::MessagePack } else { Format::Json };
        let binary = input.flag()?;
        let (identity, meta) = (input.bytes()?, input.bytes()?);
        let hello = Hello { identity: payload(&identity, format)?, meta: payload(&meta, format)? };
        let remote_addr = match input.byte()? {
            0 => None,
            4 => Some(IpAddr::from(input.array::<4>()?)),
            6 => Some(IpAddr::from(input.array::<16>()?)),
            _ => return None,
        };
        let term = match (input.left()?, input.left()?) {
            (None, None) => None,
            (renewal, end) => Some((renewal?, end?)),
        };
        let (cid, hello) = (Cid::from(cid), KeptHello::from(&hello));
        Some(Self { id, cid, protocol, format, binary, hello, remote_addr, term, rooms: Vec::new() })
    }
}

impl Talk {
    fn write(&self, out: &mut Writer, now: Instant) {
        out.byte(self.features.bits());
        [self.taken, self.known, self.acknowledged].into_iter().for_each(|count| out.number(count));
        out.list(self.kept.iter(), |out, kept| write_kept(out, kept, now));
        let TokenParts { current, before } = &self.tokens;
        let current = current.iter().map(|secret| (secret, None));
        let tokens: Vec<_> = before.iter().map(|(secret, ago)| (secret, Some(*ago))).chain(current).collect();
        out.list(tokens.into_iter(), |out, (secret, ago)| {
            out.plain(secret);
            out.left(ago);
        });
        out.list(self.inbox.iter(), |out, (Envelope { name, payload, stamp }, left)| {
            out.bytes(name.as_bytes());
            out.bytes(payload.as_bytes());
            out.byte(u8::from(stamp.is_some()));
            out.bytes(stamp.as_deref().unwrap_or_default().as_bytes());
            out.left(*left);
        });
    }

    fn read(input: &mut Reader, device: &MovedDevice, limits: &Limits, now: Instant) -> Option<Self> {
        let features = Features::from_bits(input.byte()?);
        let [taken, known, acknowledged] = [input.number()?, input.number()?, input.number()?];
        let opcode = if device.binary { Opcode::Binary } else { Opcode::Text };
        // Each takes its own bytes of the bound, and more beside it.
        let kept = input.list(limits.session_bytes, |input| read_kept(input, opcode, now))?;
        let mut tokens = TokenParts { current: None, before: Vec::new() };
        for (secret, ago) in input.list(TokenParts::BEFORE + 1, |input| Some((input.array()?, input.left()?)))? {
            match ago {
                _ if tokens.current.is_some() => return None, // the current one is the last
                None => tokens.current = Some(secret),
                Some(ago) => tokens.before.push((secret, ago)),
            }
        }
        let inbox = input.list(usize::MAX, |input| {
            let (name, payload_bytes, is_call, stamp) = (input.text()?, input.bytes()?, input.flag()?, input.text()?);
            let payload = payload(&payload_bytes, device.format)?;
            let envelope = Envelope { name: name.into(), payload, stamp: is_call.then(|| stamp.into()) };
            Some((envelope, input.left()?))
        })?;
        Some(Self { features, taken, known, acknowledged, kept, tokens, inbox })
    }
}

/// Kinds of what was sent, and what is known of a frame that ages.
const FRAME: u8 = 0;
const AGING: u8 = 1;
const GIVEN_UP: u8 = 2;
const LATEST: u8 = 1;
const TOLD: u8 = 2;

fn write_kept(out: &mut Writer, kept: &Kept<Bytes>, now: Instant) {
    match kept {
        Kept::Frame(frame, None) => {
            out.byte(FRAME);
            out.bytes(frame);
        }
        Kept::Frame(frame, Some(age)) => {
            out.byte(AGING);
            out.bytes(frame);
            write_age(out, age, now);
        }
        Kept::GivenUp(places) => {
            out.byte(GIVEN_UP);
            out.number(*places);
        }
    }
}

fn read_kept(input: &mut Reader, opcode: Opcode, now: Instant) -> Option<Kept<Bytes>> {
    match input.byte()? {
        FRAME => Some(Kept::Frame(read_frame(input, opcode)?, None)),
        AGING => {
            let frame = read_frame(input, opcode)?;
            Some(Kept::Frame(frame, Some(read_age(input, now)?)))
        }
        GIVEN_UP => Some(Kept::GivenUp(input.number().filter(|places| *places > 0)?)),
        _ => None,
    }
}

/// Reads a frame that is to be sent to a client as it is.
pub(crate) fn read_frame(input: &mut Reader, opcode: Opcode) -> Option<Bytes> {
    input.bytes().filter(|frame| whole_message(frame) == Some(opcode))
}

pub(crate) fn write_age(out: &mut Writer, age: &FrameAge, now: Instant) {
    let latest = if age.latest.is_some() { LATEST } else { 0 };
    out.byte(latest | if age.told { TOLD } else { 0 });
    if let Some(text) = &age.latest {
        out.bytes(text.as_bytes());
    }
    out.left(age.until.map(|until| until.saturating_duration_since(now)));
}

pub(crate) fn read_age(input: &mut Reader, now: Instant) -> Option<FrameAge> {
    let flags = input.byte().filter(|flags| *flags <= LATEST | TOLD)?;
    let latest = if flags & LATEST != 0 { Some(input.text()?.into()) } else { None };
    let until = input.left()?.and_then(|left| now.checked_add(left)); // what no clock can tell never comes
    Some(FrameAge { latest, until, told: flags & TOLD != 0 })
}

/// A payload that has come from another server.
pub(crate) fn payload(bytes: &[u8], format: Format) -> Option<Payload<'static>> {
    match format {
        Format::Json => std::str::from_utf8(bytes).ok().and_then(|text| Payload::json(text).ok()),
        _ => Payload::msgpack(bytes).ok(),
    }
    .map(Payload::into_owned)
}

impl fmt::Debug for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What the device said, its tokens and its messages may be secrets.
        f.debug_struct("Moved").field("id", &self.device.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
