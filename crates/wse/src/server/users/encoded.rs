//! A message encoded once for many devices: its name, its payload, and one frame for each codec. It
//! knows no device.

use crate::{
    app::names::{Age, Message},
    connection::{shared_frame::SharedFrame, spoken::Spoken},
    error::SendError,
    server::{Inner, cluster::message::forms::Forms},
};
use bytes::Bytes;
use serde::Serialize;
use std::{
    fmt,
    sync::{Arc, OnceLock},
};
use wse_cluster::NodeId;
use wse_frame::{Frame, Opcode};
use wse_proto::{Codec, EncodeError, Format, Payload};

/// A message encoded once, for [`send_encoded`](crate::Audience::send_encoded) to any selection of
/// devices of the server it was [encoded](crate::Server::encode) by.
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
    /// What another node of a cluster has sent, where this came from.
    forms: Option<Box<Forms>>,
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
        let (json, msgpack) = (OnceLock::new(), OnceLock::new());
        Self { node: server.node, name: name.into(), age, json, msgpack, frames, forms: None }
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

    /// The bytes of the largest frame that was made of it so far.
    pub(crate) fn size(&self) -> usize {
        let bytes = |framed: &Framed| if let Framed::Frame(frame) = framed { frame.plain().len() } else { 0 };
        let framed = self.frames.iter().filter_map(OnceLock::get).map(bytes).max();
        framed.unwrap_or(0).max(self.forms.as_ref().map_or(0, |forms| forms.size()))
    }

    /// Whether that server has encoded it, so that the frames are for its codecs.
    pub(crate) fn is_of(&self, server: &Inner) -> bool {
        self.node == server.node
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
            let payload = match (self.json.get().or(self.msgpack.get()), &self.forms) {
                (Some(other), _) => other.translated(format)?.into_owned(),
                (None, Some(forms)) => forms.payload(&self.name, format)?,
                (None, None) => return Err(EncodeError::new("the payload was not kept")),
            };
            let _ = slot.set(payload);
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
        let Some(slot) = self.frames.get(spoken.index).filter(|_| self.is_of(server)) else {
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
        let most = server.env.limits.queue_bytes;
        let arrived = self.forms.as_ref().and_then(|forms| forms.frame(codec, &self.name, most));
        let frame = arrived.unwrap_or_else(|| self.frame_of_payload(server, codec));
        frame.map_or_else(|error| Framed::failed(&error), Framed::of)
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

mod carried;
pub(crate) mod nodes;
