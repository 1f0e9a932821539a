//! A user as an address. It holds no connection.

use crate::{
    app::names::{Message, Procedure},
    error::SendError,
    server::{
        Server,
        users::{
            answers::Answers,
            audience::Audience,
            conn::Conn,
            deliver::{self, Delivered},
            device::Device,
            encoded::Encoded,
        },
    },
};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;
use wse_cluster::{DeviceId, Recipients, Scope};
use wse_proto::{Cid, Closed, DecodeError, Format, KeptHello, Payload, Reason};

/// A user as an address: what is done with it reaches the devices that are there at that moment,
/// which may be none.
///
/// ```
/// # fn example(server: wse::Server) -> Result<(), wse::SendError> {
/// let delivered = server.user("ann").send("news", "hello")?;
/// println!("{} devices of ann", delivered.total());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct User {
    server: Server,
    cid: Cid,
    /// What the user's first device said: kept for an event, whose user may have left or come again
    /// meanwhile.
    hello: Option<KeptHello>,
}

impl User {
    pub(crate) fn new(server: Server, cid: Cid, hello: Option<KeptHello>) -> Self {
        Self { server, cid, hello }
    }

    /// The user's id.
    pub fn cid(&self) -> &Cid {
        &self.cid
    }

    /// The server that reaches the user.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// All devices that are there, the oldest first, of all servers of a cluster: as addresses.
    pub fn devices(&self) -> Vec<Device> {
        let ids: Vec<DeviceId> = match &self.server.0.cluster {
            Some(member) => {
                member.look(|node, _| node.devices_of(&self.cid)).iter().map(|(_, device)| device.id).collect()
            }
            None => self.conns().iter().map(Conn::id).collect(),
        };
        ids.into_iter().map(|id| self.server.device(id)).collect()
    }

    /// The devices that are there, the oldest first. In a cluster they are those of this server: what a [`Conn`] has,
    /// such as its identity, stays with its server. [`devices`](Self::devices) has all of them.
    pub fn conns(&self) -> Vec<Conn> {
        self.server.0.registry.of_user(&self.cid)
    }

    /// How many devices are there, of all servers of a cluster.
    pub fn conn_count(&self) -> usize {
        match &self.server.0.cluster {
            Some(member) => member.look(|node, _| node.count_of(&self.cid)),
            None => self.server.0.registry.count_of_user(&self.cid),
        }
    }

    /// What the first of the user's devices said of itself, decoded; null for a user without devices. In a cluster
    /// it is the first of those at this server.
    ///
    /// # Errors
    /// When it is not of that type.
    pub fn meta<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        match self.hello.clone().or_else(|| self.server.0.registry.first_hello(&self.cid)) {
            Some(hello) => hello.meta().decode(),
            None => Payload::null(Format::Json).decode(),
        }
    }

    /// All devices of the user but one, given as a [`Conn`] or by its id.
    pub fn except(&self, device: impl Into<DeviceId>) -> Audience {
        Audience::new(self.server.clone(), Scope::User(self.cid.clone())).except(device)
    }

    /// Queues a message for every device. Returns how many devices took it.
    ///
    /// # Errors
    /// When no wire of the receivers can carry the payload, or its frame is larger than a queue; no device
    /// got anything then.
    pub fn send<P: Serialize>(&self, message: impl Message<P>, payload: P) -> Result<Delivered, SendError> {
        deliver::send(&self.server.0, &self.recipients(), message, &payload)
    }

    /// Calls a procedure of every device that is there. The answers come as a stream, or
    /// [all](Answers::all), the [first](Answers::first) or [some](Answers::quorum) of them.
    pub fn ask<P: Serialize, R>(&self, rp: impl Procedure<P, R>, payload: P) -> Answers<R> {
        deliver::ask(&self.server.0, &self.recipients(), rp.name(), &payload)
    }

    /// Queues a message that was [encoded](Server::encode) before. Returns how many devices took it.
    pub fn send_encoded(&self, message: &Encoded) -> Delivered {
        deliver::send_encoded(&self.server.0, &self.recipients(), message)
    }

    /// Ends all connections of the user with 1000 and the reason, by default `wse.by-server`; with
    /// 4003 on the subprotocol `ws-messaging`. Returns how many there were, of all servers of a cluster. A device
    /// that comes while that travels is a new one, about which `identify` decides, and stays.
    pub fn drop(&self, reason: impl Into<Reason>) -> usize {
        let closed = Closed::normal(reason.into().or(Reason::BY_SERVER));
        deliver::end(&self.server.0, &self.recipients(), &closed)
    }

    fn recipients(&self) -> Recipients {
        Scope::User(self.cid.clone()).into()
    }
}

impl Conn {
    /// The user it belongs to.
    pub fn user(&self) -> User {
        User::new(self.server(), self.cid().clone(), None)
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
