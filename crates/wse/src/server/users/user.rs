//! The address of a user. It may never hold on to a connection.

use crate::{
    app::names::Message,
    error::SendError,
    server::{
        Server,
        users::{audience::Encoded, conn::Conn},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, sync::Arc};
use wse_proto::{Cid, Closed, DecodeError, Format, Hello, Payload, Reason};

/// A user as an address: whatever is done with it reaches the devices that are there at that
/// moment, which may be none.
///
/// ```
/// # fn example(server: wse::Server) -> Result<(), wse::SendError> {
/// let reached = server.user("ann").send("news", "hello")?;
/// println!("{reached} devices of ann");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct User {
    server: Server,
    cid: Cid,
    /// What the first device said, for an event's user who may have gone or come again meanwhile.
    hello: Option<Arc<Hello>>,
}

impl User {
    pub(crate) fn new(server: Server, cid: Cid, hello: Option<Arc<Hello>>) -> Self {
        Self { server, cid, hello }
    }

    /// The user's id.
    pub fn cid(&self) -> &Cid {
        &self.cid
    }

    /// The server where the user is or is not.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The devices that are there, the oldest first.
    pub fn conns(&self) -> Vec<Conn> {
        self.server.0.registry.conns(&self.cid)
    }

    /// How many devices are there.
    pub fn conn_count(&self) -> usize {
        self.server.0.registry.conn_count(&self.cid)
    }

    /// What the first of the user's devices told of itself, decoded; of a user without devices,
    /// null.
    ///
    /// # Errors
    /// When it is not of that type.
    pub fn meta<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        match self.hello.clone().or_else(|| self.server.0.registry.first_hello(&self.cid)) {
            Some(hello) => hello.meta.decode(),
            None => Payload::null(Format::Json).decode(),
        }
    }

    /// Queues a message for every device; gives how many took it.
    ///
    /// # Errors
    /// When the payload does not encode or is larger than a queue; no device got anything then.
    pub fn send<P: Serialize>(&self, message: impl Message<P>, payload: P) -> Result<usize, SendError> {
        let conns = self.conns();
        let message = Encoded::for_these(&self.server.0, message.name(), &payload, &conns)?;
        Ok(conns.iter().filter(|conn| conn.queue(&message).is_ok()).count())
    }

    /// Queues a message that was [encoded](Server::encode) once for many; gives how many devices
    /// took it.
    pub fn send_encoded(&self, message: &Encoded) -> usize {
        self.conns().iter().filter(|conn| conn.queue(message).is_ok()).count()
    }

    /// Ends all connections of the user with 1000 and the reason, by default `wse.by-server`; 4003
    /// on the subprotocol `ws-messaging`. Gives how many there were.
    pub fn drop(&self, reason: impl Into<Reason>) -> usize {
        let closed = Closed::normal(reason.into().or(Reason::BY_SERVER));
        let conns = self.conns();
        for conn in &conns {
            conn.close(closed.clone());
        }
        conns.len()
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.cid, f)
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({:?})", self.cid)
    }
}
