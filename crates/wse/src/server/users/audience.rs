//! Several devices as an address: all devices or those of one user, except those left out. It holds no
//! connection.

use crate::{
    app::names::{Message, Procedure},
    error::SendError,
    server::{
        Server,
        users::{
            answers::Answers,
            deliver::{self, Delivered},
            encoded::Encoded,
        },
    },
};
use serde::Serialize;
use wse_cluster::{DeviceId, Except, Recipients, Scope};
use wse_proto::Cid;

/// All devices of a server, of one user or of one room, except those left out. It is an address: a message reaches
/// the devices that are there when it is sent.
///
/// ```
/// # fn example(server: wse::Server, conn: wse::Conn) -> Result<(), wse::SendError> {
/// server.everyone().except(&conn).except_user("bob").send("moved", (3, 4))?;
/// server.user("ann").except(&conn).send("read", 17)?; // her other devices
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is sent yet"]
pub struct Audience {
    server: Server,
    to: Recipients,
}

impl Audience {
    pub(crate) fn new(server: Server, scope: Scope) -> Self {
        Self { server, to: scope.into() }
    }

    /// Leaves a device out, given as a [`Conn`](crate::Conn) or by its id.
    pub fn except(mut self, device: impl Into<DeviceId>) -> Self {
        self.to.except.push(Except::Device(device.into()));
        self
    }

    /// Leaves all devices of a user out.
    pub fn except_user(mut self, cid: impl Into<Cid>) -> Self {
        self.to.except.push(Except::User(cid.into()));
        self
    }

    pub(crate) fn recipients(&self) -> &Recipients {
        &self.to
    }

    /// Queues a message for all of them. Returns how many devices took it.
    ///
    /// # Errors
    /// When no wire of the receivers can carry the payload, or its frame is larger than a queue; no device
    /// got anything then.
    pub fn send<P: Serialize>(&self, message: impl Message<P>, payload: P) -> Result<Delivered, SendError> {
        deliver::send(&self.server.0, &self.to, message, &payload)
    }

    /// Calls a procedure of each of them that is there now, as [`User::ask`](crate::User::ask) does.
    pub fn ask<P: Serialize, R>(&self, rp: impl Procedure<P, R>, payload: P) -> Answers<R> {
        deliver::ask(&self.server.0, &self.to, rp.name(), &payload)
    }

    /// Queues a message that was [encoded](Server::encode) before. Returns how many devices took it.
    pub fn send_encoded(&self, message: &Encoded) -> Delivered {
        deliver::send_encoded(&self.server.0, &self.to, message)
    }
}
