//! Sending to many: encoded once a codec, shared by all. It may never wait for anybody, and one
//! slow device may never be noticed by another.

use crate::{
    app::names::Message,
    error::SendError,
    server::{Inner, Server, Spoken, users::conn::Conn},
};
use bytes::Bytes;
use serde::Serialize;
use std::{
    fmt,
    sync::{Arc, Weak},
};
use wse_frame::{Frame, Opcode};
use wse_proto::{Cid, Codec, EncodeError, Payload};

/// A message encoded once, for [`send_encoded`](Audience::send_encoded) to any selection of
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
#[derive(Clone)]
pub struct Encoded {
    /// Whose codecs and hook it was encoded for.
    server: Weak<Inner>,
    name: Box<str>,
    /// Where a hook wants to see it: one for each format of those codecs.
    shown: Vec<Payload<'static>>,
    /// One frame for each codec of the server, in the server's order; none for a codec that none of
    /// the receivers speaks, or that has no such name.
    frames: Vec<Option<Frame>>,
}

impl Encoded {
    /// For every codec of the server.
    pub(crate) fn for_all<P: Serialize>(server: &Arc<Inner>, name: &str, payload: &P) -> Result<Self, SendError> {
        Self::new(server, name, payload, &vec![true; server.codecs.len()])
    }

    /// For those codecs that the receivers speak; that of the first protocol when there are none,
    /// so that a mistake does not stay hidden until somebody is there.
    pub(crate) fn for_these<P>(server: &Arc<Inner>, name: &str, payload: &P, conns: &[Conn]) -> Result<Self, SendError>
    where
        P: Serialize,
    {
        let mut wanted = vec![false; server.codecs.len()];
        wanted[0] = conns.is_empty();
        conns.iter().for_each(|conn| wanted[conn.0.codec] = true);
        Self::new(server, name, payload, &wanted)
    }

    /// Of at most as many bytes as fit into a queue.
    fn new<P>(server: &Arc<Inner>, name: &str, payload: &P, wanted: &[bool]) -> Result<Self, SendError>
    where
        P: Serialize,
    {
        let encode = |codec: &Codec| {
            let mut envelope = Vec::new();
            codec.write(&mut envelope, name, payload, None)?;
            let opcode = if codec.binary() { Opcode::Binary } else { Opcode::Text };
            let frame = Frame::new(opcode, &envelope);
            if frame.len() > server.limits.queue_bytes { Err(SendError::TooBig(frame.len())) } else { Ok(frame) }
        };
        let mut encoded = Self {
            server: Arc::downgrade(server),
            name: name.into(),
            shown: Vec::new(),
            frames: Vec::with_capacity(wanted.len()),
        };
        for (Spoken { codec, .. }, wanted) in server.codecs.iter().zip(wanted) {
            // A name that one wire has no place for is no matter of the others.
            let wanted = *wanted && !codec.reserves(name);
            encoded.frames.push(wanted.then(|| encode(codec)).transpose()?);
            let unseen = encoded.shown.iter().all(|payload| payload.format() != codec.format());
            if wanted && unseen && server.hooks.sees_outgoing() {
                encoded.shown.push(Payload::encode(codec.format(), payload)?);
            }
        }
        Ok(encoded)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The payload as a hook sees it on its way to that device.
    pub(crate) fn payload(&self, conn: &Conn) -> Option<&Payload<'static>> {
        let format = conn.0.handle.codec().format();
        self.shown.iter().find(|payload| payload.format() == format)
    }

    pub(crate) fn frame(&self, conn: &Conn) -> Result<&Bytes, SendError> {
        let ours = std::ptr::eq(self.server.as_ptr(), Arc::as_ptr(&conn.0.server));
        let frame = self.frames.get(conn.0.codec).filter(|_| ours).and_then(Option::as_ref);
        let none = || EncodeError::new(format!("{:?} was not encoded for {}", self.name, conn.protocol()));
        frame.map(Frame::as_bytes).ok_or_else(|| none().into())
    }
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Everybody who is there, but for those left out.
///
/// ```
/// # fn example(server: wse::Server, conn: wse::Conn) -> Result<(), wse::SendError> {
/// server.everyone().except(&conn).except_user("bob").send("moved", (3, 4))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is sent yet"]
pub struct Audience {
    server: Server,
    conns: Vec<Conn>,
    cids: Vec<Cid>,
}

impl Audience {
    pub(crate) fn new(server: Server) -> Self {
        Self { server, conns: Vec::new(), cids: Vec::new() }
    }

    /// Leaves a device out.
    pub fn except(mut self, conn: &Conn) -> Self {
        self.conns.push(conn.clone());
        self
    }

    /// Leaves all devices of a user out.
    pub fn except_user(mut self, cid: impl Into<Cid>) -> Self {
        self.cids.push(cid.into());
        self
    }

    /// Queues a message for all of them; gives how many devices took it.
    ///
    /// # Errors
    /// When the payload does not encode or is larger than a queue; nobody got anything then.
    pub fn send<P: Serialize>(&self, message: impl Message<P>, payload: P) -> Result<usize, SendError> {
        let chosen = self.chosen();
        let message = Encoded::for_these(&self.server.0, message.name(), &payload, &chosen)?;
        Ok(chosen.iter().filter(|conn| conn.queue(&message).is_ok()).count())
    }

    /// Queues a message that was [encoded](Server::encode) before; gives how many devices took it.
    pub fn send_encoded(&self, message: &Encoded) -> usize {
        self.chosen().iter().filter(|conn| conn.queue(message).is_ok()).count()
    }

    fn chosen(&self) -> Vec<Conn> {
        let mut everyone = self.server.0.registry.everyone();
        if !self.conns.is_empty() || !self.cids.is_empty() {
            everyone.retain(|conn| !self.conns.contains(conn) && !self.cids.contains(conn.cid()));
        }
        everyone
    }
}
