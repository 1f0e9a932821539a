//! A message encoded once for many devices: its name, its payload, and one frame for each codec. It
//! knows no device.

use crate::{
    app::names::{Age, Message},
    connection::{shared_frame::SharedFrame, spoken::Spoken},
    error::SendError,
    server::{Inner, Server, users::id::NodeId},
};
use bytes::Bytes;
use serde::Serialize;
use std::{
    fmt,
    sync::{Arc, OnceLock},
};
use wse_frame::{Frame, Opcode};
use wse_proto::{Codec, EncodeError, Format, Payload, ProtocolError};

/// A message encoded once, for [`send_encoded`](crate::Audience::send_encoded) to any selection of
/// devices of the server it was [encoded](Server::encode) by.
///
/// ```
/// # fn example(server: wse::Server, near: Vec<wse::Conn>) -> Result<(), wse::SendError> {
/// let moved = server.encode("moved", (3, 4))?;
/// for conn in &near {
///     conn.send_encoded(&moved)?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// It can be carried to another process as [bytes](Self::to_bytes) and sent by a server there:
///
/// ```
/// use wse::{Encoded, Server};
///
/// # fn example(server: Server, elsewhere: Server) -> Result<(), Box<dyn std::error::Error>> {
/// let bytes = server.encode("news", "hello")?.to_bytes()?;
/// // …
/// elsewhere.user("ann").send_encoded(&Encoded::from_bytes(&elsewhere, &bytes)?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Encoded {
    /// The server whose codecs the frames are for.
    node: NodeId,
    name: Box<str>,
    /// How it ages from when it is sent.
    age: Option<Box<Age>>,
    /// The payload in each format; made where a hook or another server is to read it.
    json: OnceLock<Payload<'static>>,
    msgpack: OnceLock<Payload<'static>>,
    /// A frame for each codec of the server, in the server's order, made when first needed.
    frames: Box<[OnceLock<Framed>]>,
}

/// A message in the form of one codec, or why there is none. What failed once is not tried again for the
/// next device.
#[derive(Clone)]
enum Framed {
    Frame(SharedFrame),
    /// Its frame is larger than a queue.
    TooBig(usize),
    /// The wire has no form for it.
    None(Arc<str>),
}

impl Framed {
    fn of(frame: Bytes) -> Self {
        Framed::Frame(SharedFrame::new(frame))
    }

    fn reserved() -> Self {
        Framed::None("the name is one of its own".into())
    }

    fn failed(error: &SendError) -> Self {
        match error {
            SendError::TooBig(size) => Framed::TooBig(*size),
            other => Framed::None(other.to_string().into()),
        }
    }
}

/// What the bytes of a message begin with: how the envelope behind it is to be read.
const JSON: u8 = 1;
const MESSAGE_PACK: u8 = 2;
/// Beside either: how the message ages stands before the envelope.
const AGES: u8 = 0x80;

impl Encoded {
    /// Encodes a message for every codec of a server, and keeps the payload.
    pub(crate) fn for_all<P: Serialize>(
        server: &Inner,
        message: &impl Message<P>,
        payload: &P,
    ) -> Result<Self, SendError> {
        let message = Self::empty(server, message.name(), message.age());
        message.encode(server, server.spoken.iter().map(|spoken| &**spoken), payload, true)?;
        if message.json.get().or(message.msgpack.get()).is_none() {
            // No wire of this server has a place for the name, but one of another server may.
            for spoken in &server.spoken {
                message.keep(spoken.codec.format(), payload)?;
            }
        }
        Ok(message)
    }

    /// Encodes a message for the codecs that its receivers speak. Without receivers it is encoded for the
    /// server's first codec, so that a payload that does not encode is an error even then.
    pub(crate) fn for_these<'a, P: Serialize>(
        server: &Inner,
        message: &impl Message<P>,
        payload: &P,
        spoken: impl Iterator<Item = &'a Spoken>,
    ) -> Result<Self, SendError> {
        let message = Self::empty(server, message.name(), message.age());
        let keep = server.env.hooks.sees_outgoing();
        let mut spoken = spoken.peekable();
        if spoken.peek().is_none() {
            message.encode(server, std::iter::once(&*server.spoken[0]), payload, keep)?;
        }
        message.encode(server, spoken, payload, keep)?;
        Ok(message)
    }

    /// Encodes only the payload, once for each of these formats: for calls, whose frames differ by their
    /// stamps.
    ///
    /// # Errors
    /// When it encodes in none of them.
    pub(crate) fn payload_only<P: Serialize>(
        server: &Inner,
        name: &str,
        payload: &P,
        formats: impl Iterator<Item = Format> + Clone,
    ) -> Result<Self, SendError> {
        let message = Self::empty(server, name, None);
        let spoken =
            [Format::Json, Format::MessagePack].into_iter().filter(|format| formats.clone().any(|it| it == *format));
        let failed = spoken.filter_map(|format| message.keep(format, payload).err()).last();
        let kept = message.json.get().is_some() || message.msgpack.get().is_some();
        failed.filter(|_| !kept).map_or(Ok(message), Err)
    }

    fn empty(server: &Inner, name: &str, age: Option<&Age>) -> Self {
        let frames = server.spoken.iter().map(|_| OnceLock::new()).collect();
        let age = age.cloned().map(Box::new);
        Self { node: server.node, name: name.into(), age, json: OnceLock::new(), msgpack: OnceLock::new(), frames }
    }

    /// Makes the frame for each of these codecs, once. A codec that has no form for the message is no error
    /// for the others.
    ///
    /// # Errors
    /// The first of them, when there is no frame for any codec.
    fn encode<'a, P: Serialize>(
        &self,
        server: &Inner,
        spoken: impl Iterator<Item = &'a Spoken>,
        payload: &P,
        keep: bool,
    ) -> Result<(), SendError> {
        let mut failed = None;
        for Spoken { codec, index, .. } in spoken {
            if self.frames[*index].get().is_some() {
                continue;
            }
            let framed = if codec.reserves(&self.name) {
                Framed::reserved()
            } else {
                let framed = self.framed(server, codec, payload, keep);
                framed.map_or_else(|error| Framed::failed(failed.get_or_insert(error)), Framed::of)
            };
            let _ = self.frames[*index].set(framed);
        }
        let made = || self.frames.iter().any(|frame| matches!(frame.get(), Some(Framed::Frame(_))));
        failed.filter(|_| !made()).map_or(Ok(()), Err)
    }

    /// The frame for one codec: straight from the value, or where the payload is to be kept, from that.
    fn framed<P: Serialize>(&self, server: &Inner, codec: &Codec, payload: &P, keep: bool) -> Result<Bytes, SendError> {
        codec.can_name(&self.name)?;
        if keep {
            self.keep(codec.format(), payload)?;
            return self.frame_of_payload(server, codec);
        }
        framed(server, codec, |out| codec.write(out, &self.name, payload, None))
    }

    /// Keeps the payload in a format.
    fn keep<P: Serialize>(&self, format: Format, payload: &P) -> Result<(), SendError> {
        let slot = self.slot(format);
        if slot.get().is_none() {
            let _ = slot.set(Payload::encode(format, payload)?);
        }
        Ok(())
    }

    /// The message as bytes, for [`from_bytes`](Self::from_bytes) in another process: of the same or
    /// a later version.
    ///
    /// # Errors
    /// [`SendError::Encode`] when the payload nests deeper than the wires of `wse` allow, which a
    /// codec of your own may not have noticed.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SendError> {
        // MessagePack first: it has everything that JSON has, and binary data besides.
        let (mark, codec) = match self.msgpack.get() {
            Some(_) => (MESSAGE_PACK, Codec::MessagePack),
            None => (JSON, Codec::Json),
        };
        let mut bytes = match &self.age {
            None => vec![mark],
            Some(age) => {
                let mut bytes = vec![mark | AGES];
                age.write(&mut bytes);
                bytes
            }
        };
        codec.write_encoded(&mut bytes, &self.name, self.payload(codec.format())?, None)?;
        Ok(bytes)
    }

    /// Reads a message that [`to_bytes`](Self::to_bytes) has written, to be sent by this server. The
    /// bytes need not be trusted: they are bounded by [`Limits::queue_bytes`](crate::Limits::queue_bytes)
    /// and checked as a frame of a device is. A device whose wire has no form for the message gets
    /// nothing.
    ///
    /// # Errors
    /// When they are not such a message, or longer than a queue.
    pub fn from_bytes(server: &Server, bytes: &[u8]) -> Result<Self, ProtocolError> {
        if bytes.len() > 1 + server.0.env.limits.queue_bytes {
            return Err(ProtocolError::new("an encoded message larger than a queue"));
        }
        let unknown = || ProtocolError::new("an encoded message of no known version");
        let (mark, envelope) = bytes.split_first().ok_or_else(unknown)?;
        let codec = match mark & !AGES {
            JSON => Codec::Json,
            MESSAGE_PACK => Codec::MessagePack,
            _ => return Err(unknown()),
        };
        let (age, envelope) = match mark & AGES {
            0 => (None, envelope),
            _ => Age::read(envelope).map(|(age, envelope)| (Some(age), envelope)).ok_or_else(unknown)?,
        };
        let envelope = codec.read(envelope, codec.binary())?;
        if envelope.is_call() || codec.can_name(&envelope.name).is_err() {
            return Err(ProtocolError::new("an encoded message that is none of the application's"));
        }
        let message = Self::empty(&server.0, &envelope.name, age.as_ref());
        let _ = message.slot(codec.format()).set(envelope.payload.into_owned());
        Ok(message)
    }

    /// The bytes of the largest frame that was made of it so far.
    pub(crate) fn size(&self) -> usize {
        let bytes = |framed: &Framed| if let Framed::Frame(frame) = framed { frame.plain().len() } else { 0 };
        self.frames.iter().filter_map(OnceLock::get).map(bytes).max().unwrap_or(0)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn age(&self) -> Option<&Age> {
        self.age.as_deref()
    }

    /// The payload in a format, translated if only the other format is there.
    pub(crate) fn payload(&self, format: Format) -> Result<&Payload<'static>, EncodeError> {
        let slot = self.slot(format);
        if slot.get().is_none() {
            let other = self.json.get().or(self.msgpack.get());
            let other = other.ok_or_else(|| EncodeError::new("the payload was not kept"))?;
            let _ = slot.set(other.translated(format)?.into_owned());
        }
        slot.get().ok_or_else(|| EncodeError::new("the payload was not kept"))
    }

    fn slot(&self, format: Format) -> &OnceLock<Payload<'static>> {
        match format {
            Format::Json => &self.json,
            _ => &self.msgpack,
        }
    }

    /// The frame for a connection that speaks this.
    pub(crate) fn frame(&self, server: &Inner, spoken: &Spoken) -> Result<&SharedFrame, SendError> {
        let Some(slot) = self.frames.get(spoken.index).filter(|_| self.node == server.node) else {
            return Err(EncodeError::new(format!("{:?} was encoded by another server", self.name)).into());
        };
        match slot.get_or_init(|| self.late_frame(server, &spoken.codec)) {
            Framed::Frame(frame) => Ok(frame),
            Framed::TooBig(size) => Err(SendError::TooBig(*size)),
            Framed::None(why) => {
                let protocol = spoken.protocol.name();
                Err(EncodeError::new(format!("{:?} was not encoded for {protocol}: {why}", self.name)).into())
            }
        }
    }

    #[cold]
    fn late_frame(&self, server: &Inner, codec: &Codec) -> Framed {
        if codec.reserves(&self.name) {
            return Framed::reserved();
        }
        self.frame_of_payload(server, codec).map_or_else(|error| Framed::failed(&error), Framed::of)
    }

    fn frame_of_payload(&self, server: &Inner, codec: &Codec) -> Result<Bytes, SendError> {
        let payload = self.payload(codec.format())?;
        framed(server, codec, |out| codec.write_encoded(out, &self.name, payload, None))
    }
}

/// A frame of at most as many bytes as fit into a queue.
fn framed(
    server: &Inner,
    codec: &Codec,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<Bytes, SendError> {
    let mut envelope = Vec::new();
    write(&mut envelope)?;
    let opcode = if codec.binary() { Opcode::Binary } else { Opcode::Text };
    let frame = Frame::new(opcode, &envelope);
    if frame.len() > server.env.limits.queue_bytes { Err(SendError::TooBig(frame.len())) } else { Ok(frame.into()) }
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded").field("name", &self.name).finish_non_exhaustive()
    }
}
