//! One device as an address. It holds no connection.

use crate::{
    app::names::{Message, Procedure},
    connection::receipt::Receipt,
    error::{CallError, SendError},
    server::{
        Server,
        cluster::{asking, codecs::format_of, member::Member, message::call},
        users::{
            conn::Conn,
            deliver::{self, Delivered},
            encoded::Encoded,
        },
    },
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, sync::Arc, time::Duration};
use wse_cluster::{DeviceId, NodeId, Recipients, Scope};
use wse_proto::{Closed, Payload, Reason};

/// A device as an address, made of its id by [`Server::device`]: it may be there or not.
///
/// A [`Conn`] is the device itself, and says of each message why it was not taken. An address can be
/// stored and passed on as the text of its id. It reaches the device if it is there at that moment.
///
/// ```
/// # async fn example(server: wse::Server, id: wse::DeviceId) -> Result<(), Box<dyn std::error::Error>> {
/// let device = server.device(id);
/// if device.send("ready", 17)?.total() == 0 {
///     println!("{device} is not there");
/// }
/// let name: String = device.call("whoami", ()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Device {
    server: Server,
    id: DeviceId,
}

impl Device {
    pub(crate) fn new(server: Server, id: DeviceId) -> Self {
        Self { server, id }
    }

    /// The device's id.
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// The server that reaches it.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Whether it is there, at this server or at another one of a cluster. It is there while its session waits for
    /// another connection.
    pub fn is_there(&self) -> bool {
        self.node().is_some()
    }

    /// The server that it is connected to, or was last: this one or another one of a cluster. `None` when the
    /// device is not there.
    pub fn node(&self) -> Option<NodeId> {
        let server = &self.server.0;
        match server.registry.device(self.id) {
            Some(_) => Some(server.node),
            None => self.elsewhere().map(|(_, node, _)| node),
        }
    }

    /// The device itself; `None` when it is not at this server. It is there while its session waits
    /// for another connection.
    pub fn conn(&self) -> Option<Conn> {
        self.server.0.registry.device(self.id)
    }

    /// Queues a message for the device. Returns how many took it: one or none. None does when the
    /// device is not there, when its connection is ending or too slow, and when `on_send` or its wire
    /// stopped the message. Of a device at another server of a cluster it says that the message was taken for it.
    ///
    /// # Errors
    /// When the payload does not encode or is larger than a queue.
    pub fn send<P: Serialize>(&self, message: impl Message<P>, payload: P) -> Result<Delivered, SendError> {
        deliver::send(&self.server.0, &self.recipients(), message, &payload)
    }

    /// Queues a message that was [encoded](Server::encode) before. Returns how many took it: one or
    /// none.
    pub fn send_encoded(&self, message: &Encoded) -> Delivered {
        deliver::send_encoded(&self.server.0, &self.recipients(), message)
    }

    /// Queues a message for the device, as [`send`](Self::send) does, and returns its receipt: whether it has
    /// arrived, wherever the device is. A device at another server of a cluster is watched from the moment on at
    /// which the message is sent, so use [`send`](Self::send) for messages whose arrival nobody waits for.
    ///
    /// ```
    /// # async fn example(device: wse::Device) -> Result<(), wse::SendError> {
    /// device.send_tracked("invoice", 17)?.delivered().await?;
    /// println!("{device} has it");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SendError`]; [`NotReady`](SendError::NotReady) when the device is not there. What is found out at another
    /// server, [`delivered`](Receipt::delivered) returns: `NotReady` also when that server was not reached and
    /// nothing was sent, and [`Unconfirmed`](SendError::Unconfirmed) when it was lost.
    pub fn send_tracked<P: Serialize>(&self, message: impl Message<P>, payload: P) -> Result<Receipt, SendError> {
        match self.conn() {
            Some(conn) => conn.send(message, payload),
            None => deliver::send_tracked(&self.server.0, self.id, message, &payload),
        }
    }

    /// Calls a procedure of the device, as [`Conn::call`] does, also one at another server of a cluster. A call runs
    /// at most once and ends exactly once, at its deadline at the latest.
    ///
    /// # Errors
    /// [`CallError`]; [`NotReady`](CallError::NotReady) when the device is not there,
    /// [`NodeLost`](CallError::NodeLost) when its server is lost meanwhile, and
    /// [`Unreachable`](CallError::Unreachable) when this server reaches no other.
    pub async fn call<P: Serialize, R: DeserializeOwned>(
        &self,
        rp: impl Procedure<P, R>,
        payload: P,
    ) -> Result<R, CallError> {
        self.call_within(self.server.0.env.limits.rpc_timeout, rp, payload).await
    }

    /// The same with a timeout of its own.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_within<P: Serialize, R: DeserializeOwned>(
        &self,
        timeout: Duration,
        rp: impl Procedure<P, R>,
        payload: P,
    ) -> Result<R, CallError> {
        if let Some(conn) = self.conn() {
            return conn.call_within(timeout, rp, payload).await;
        }
        let (member, _, codec) = self.elsewhere().ok_or(CallError::NotReady)?;
        let argument = Payload::encode(format_of(codec), &payload).map_err(SendError::from)?;
        drop(payload);
        let call = asking::call(member, &[self.id], timeout, call::of_procedure(rp.name(), &argument))?;
        match call.into_iter().next() {
            Some(call) => call.result().await,
            None => Err(CallError::NotReady), // never: one was called
        }
    }

    /// Ends the device's connection, as [`Conn::drop`] does, wherever it is. False when it is not there.
    pub fn drop(&self, reason: impl Into<Reason>) -> bool {
        let closed = Closed::normal(reason.into().or(Reason::BY_SERVER));
        deliver::end(&self.server.0, &self.recipients(), &closed) > 0
    }

    /// Where it is, and what it speaks, if it is at another node of a cluster.
    fn elsewhere(&self) -> Option<(&Arc<Member>, NodeId, u8)> {
        let member = self.server.0.cluster.as_ref()?;
        let (node, device) = member.look(|node, _| node.device(self.id))?;
        (node != member.id()).then_some((member, node, device.codec))
    }

    fn recipients(&self) -> Recipients {
        Scope::Device(self.id).into()
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.id, f)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.id)
    }
}
