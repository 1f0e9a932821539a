//! Sending to many: encoded once a codec, shared by all. It may never wait for anybody, and one
//! slow device may never be noticed by another.

use super::{Conn, Server};
use crate::{error::SendError, names::Message};
use bytes::Bytes;
use serde::Serialize;
use wse_frame::{Frame, Opcode};
use wse_proto::{Cid, Codec};

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
#[derive(Clone, Debug)]
pub struct Encoded {
    /// One frame for each codec of the server, in the server's order.
    frames: Vec<Frame>,
}

impl Encoded {
    /// Of at most `limit` bytes: a larger frame fits into no queue.
    pub(crate) fn new<P>(codecs: &[Codec], limit: usize, name: &str, payload: &P) -> Result<Self, SendError>
    where
        P: Serialize,
    {
        let encode = |codec: &Codec| {
            let mut envelope = Vec::new();
            codec.write(&mut envelope, name, payload, None)?;
            let opcode = if codec.binary() { Opcode::Binary } else { Opcode::Text };
            let frame = Frame::new(opcode, &envelope);
            if frame.len() > limit { Err(SendError::TooBig(frame.len())) } else { Ok(frame) }
        };
        Ok(Self { frames: codecs.iter().map(encode).collect::<Result<_, SendError>>()? })
    }

    pub(crate) fn frame(&self, conn: &Conn) -> Option<&Bytes> {
        self.frames.get(conn.0.codec).map(Frame::as_bytes)
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
        Ok(self.send_encoded(&self.server.encode(message, payload)?))
    }

    /// Queues a message that was [encoded](Server::encode) before; gives how many devices took it.
    pub fn send_encoded(&self, message: &Encoded) -> usize {
        let everyone = self.server.0.registry.everyone();
        let chosen = everyone.iter().filter(|conn| !self.conns.contains(conn) && !self.cids.contains(conn.cid()));
        chosen.filter(|conn| conn.send_encoded(message).is_ok()).count()
    }
}
