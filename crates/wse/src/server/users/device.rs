//! One device as an address. It holds no connection.

use crate::{
    app::names::{Message, Procedure},
    error::{CallError, SendError},
    server::{
        Server,
        users::{
            conn::Conn,
            deliver::{self, Delivered},
            encoded::Encoded,
            id::DeviceId,
            recipients::{Recipients, Scope},
        },
    },
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, time::Duration};
use wse_proto::{Closed, Reason};

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

    /// The device itself; `None` when it is not at this server. It is there while its session waits
    /// for another connection.
    pub fn conn(&self) -> Option<Conn> {
        self.server.0.registry.device(self.id)
    }

    /// Queues a message for the device. Returns how many took it: one or none. None does when the
    /// device is not there, when its connection is ending or too slow, and when `on_send` or its wire
    /// stopped the message.
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

    /// Calls a procedure of the device, as [`Conn::call`] does.
    ///
    /// # Errors
    /// [`CallError`]; [`NotReady`](CallError::NotReady) when the device is not there.
    pub async fn call<P: Serialize, R: DeserializeOwned>(
        &self,
        rp: impl Procedure<P, R>,
        payload: P,
    ) -> Result<R, CallError> {
        self.conn().ok_or(CallError::NotReady)?.call(rp, payload).await
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
        self.conn().ok_or(CallError::NotReady)?.call_within(timeout, rp, payload).await
    }

    /// Ends the device's connection, as [`Conn::drop`] does. False when it is not there.
    pub fn drop(&self, reason: impl Into<Reason>) -> bool {
        let closed = Closed::normal(reason.into().or(Reason::BY_SERVER));
        deliver::end(&self.server.0, &self.recipients(), &closed) > 0
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
