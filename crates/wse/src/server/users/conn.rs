//! One connected device of one user. It ends with its connection, or with its session if it has one.
//! After that its properties can still be read, and every send is an error.

use crate::{
    app::names::{Age, Message, Procedure},
    connection::{handle::Handle, receipt::Receipt, send, send_aging, shared_frame::SharedFrame, turn},
    error::{CallError, SendError},
    server::{
        Inner, Server,
        users::{encoded::Encoded, member::Member, shards::Keyed, standing::Standing},
    },
    session::moving::Relayed,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    any::Any,
    fmt,
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};
use tokio::runtime;
use wse_cluster::DeviceId;
use wse_proto::{Cid, Closed, DecodeError, Envelope, KeptHello, Reason};

/// A connection of an accepted device. Cheap to clone; equal when it is the same connection, and a key of maps.
///
/// A device with a session stays the same `Conn` when it loses its connection and comes back in
/// time ([`Event::Parked`](crate::Event::Parked), [`Event::Resumed`](crate::Event::Resumed)). What
/// is sent and called meanwhile goes out then. What `identify` accepts then replaces its identity, meta and
/// [state](Conn::state); the address stays that of the first connection.
///
/// ```
/// # use wse::{CallError, Conn, Rp};
/// # async fn example(conn: Conn) -> Result<(), Box<dyn std::error::Error>> {
/// const WHOAMI: Rp<(), String> = Rp::new("whoami");
///
/// conn.send("hello", "you")?;                       // queued, never waits
/// let name = conn.call(WHOAMI, ()).await?;          // this one device answers
/// println!("{} of {}", name, conn.cid());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Conn(pub(crate) Arc<ConnInner>);

pub(crate) struct ConnInner {
    pub(crate) handle: Arc<Handle>,
    pub(crate) cid: Cid,
    /// Its id, whose node is another one's where its session began there.
    pub(crate) id: DeviceId,
    pub(crate) standing: Standing,
    pub(crate) remote_addr: KeptAddr,
    pub(crate) server: Arc<Inner>,
    /// Where its task runs, and where what happens to it is told.
    pub(crate) runtime: Option<runtime::Handle>,
}

/// A remote address in 16 bytes: one of IPv4 is mapped into IPv6, and none is the unspecified address. It comes
/// in canonical form, and so it goes.
pub(crate) struct KeptAddr(Ipv6Addr);

impl KeptAddr {
    fn get(&self) -> Option<IpAddr> {
        (!self.0.is_unspecified()).then(|| self.0.to_canonical())
    }
}

impl From<Option<IpAddr>> for KeptAddr {
    fn from(addr: Option<IpAddr>) -> Self {
        KeptAddr(match addr {
            Some(IpAddr::V4(addr)) => addr.to_ipv6_mapped(),
            Some(IpAddr::V6(addr)) => addr,
            None => Ipv6Addr::UNSPECIFIED,
        })
    }
}

impl Conn {
    /// The id of the user whose device it is.
    pub fn cid(&self) -> &Cid {
        &self.0.cid
    }

    /// Its id: unique among all servers of a cluster, and never used again. It stays the same when its session
    /// moves to another server.
    pub fn id(&self) -> DeviceId {
        self.0.id
    }

    /// The number of its [id](Self::id): unique among the connections that this process has accepted, and never
    /// used again. Later connections have greater ones. A device whose session began at another server of a
    /// cluster keeps the number it had there, so that two devices may have the same.
    pub fn conn_id(&self) -> u64 {
        self.0.id.number()
    }

    /// The identity it gave last, decoded.
    ///
    /// # Errors
    /// When it is not of that type.
    pub fn identity<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.hello().identity().decode()
    }

    /// What it said of itself last, decoded; an empty object when it said nothing.
    ///
    /// # Errors
    /// When it is not of that type.
    pub fn meta<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.hello().meta().decode()
    }

    pub(crate) fn hello(&self) -> KeptHello {
        self.0.standing.hello()
    }

    /// What the application has [accepted](crate::Verdict::state) it with; `None` when that was nothing, or of
    /// another type. A value stays the same until the device is accepted anew, which replaces it.
    ///
    /// ```
    /// use wse::{Conn, RpError, Server};
    ///
    /// struct Claims { rider: bool }
    ///
    /// let server = Server::builder()
    ///     .identify(async |stranger, token: String| Ok(stranger.accept("ann").state(Claims { rider: true })))
    ///     .register("may-ride", async |conn, ()| Ok(conn.state::<Claims>().is_some_and(|claims| claims.rider)));
    /// ```
    pub fn state<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.0.standing.state()?.downcast().ok()
    }

    /// The subprotocol it speaks.
    pub fn protocol(&self) -> &str {
        self.0.handle.spoken().protocol.name()
    }

    /// The server it is connected to.
    pub fn server(&self) -> Server {
        Server(self.0.server.clone())
    }

    /// Its address, behind trusted proxies the one they name; `None` for a stream that has none.
    pub fn remote_addr(&self) -> Option<IpAddr> {
        self.0.remote_addr.get()
    }

    /// Whether it takes messages: it has neither ended nor is it ending. True while its session waits
    /// for another connection.
    pub fn is_open(&self) -> bool {
        self.0.handle.is_open()
    }

    /// Whether it has lost its connection, and its session waits for another.
    pub fn is_parked(&self) -> bool {
        self.is_open()
            && self.0.handle.session(|session| session.is_parked() && !session.is_elsewhere()).unwrap_or(false)
    }

    /// Queues a message for this device and returns at once. The receipt can be awaited until the
    /// message has arrived, or dropped.
    ///
    /// # Errors
    /// [`SendError`]; after `Slow` the connection is being closed.
    pub fn send<P: Serialize>(&self, message: impl Message<P>, payload: P) -> Result<Receipt, SendError> {
        let ConnInner { handle, server, .. } = &*self.0;
        if let Some(age) = message.age() {
            return send_aging::message(&server.env.hooks, self, handle, (message.name(), age), &payload);
        }
        let number = send::message(&server.env.hooks, self, handle, message.name(), &payload)?;
        Ok(Receipt::new(handle, number))
    }

    /// Waits until half of the queue of this device is free
    /// ([`Limits::queue_bytes`](crate::Limits::queue_bytes)), and in a session as much room among what the
    /// device has not acknowledged. Then a message of up to that size makes nobody slow. While the device
    /// has no connection it waits for the next one. Others may send in between; dropping the future
    /// leaves nothing behind.
    ///
    /// # Errors
    /// [`SendError::NotReady`] when the connection, or the session, has ended or ends meanwhile.
    pub async fn ready(&self) -> Result<(), SendError> {
        send::ready(&self.0.handle).await
    }

    /// Queues a message for this device once there is room for it: a device that reads slowly gets
    /// everything, and the server keeps no more than [`Limits::queue_bytes`](crate::Limits::queue_bytes). So
    /// history is sent. It waits as [`ready`](Conn::ready) does; a message that is dropped while it waits
    /// is not sent.
    ///
    /// ```
    /// # async fn example(conn: wse::Conn, history: Vec<String>) -> Result<(), wse::SendError> {
    /// for message in history {
    ///     conn.send_when_ready("said", message).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SendError`], but never `Slow`.
    pub async fn send_when_ready<P: Serialize>(
        &self,
        message: impl Message<P>,
        payload: P,
    ) -> Result<Receipt, SendError> {
        let ConnInner { handle, server, .. } = &*self.0;
        if let Some(age) = message.age().map(Age::of_frame) {
            let named = (message.name(), age);
            return send_aging::message_when_ready(&server.env.hooks, self, handle, named, payload).await;
        }
        let number = send::message_when_ready(&server.env.hooks, self, handle, message.name(), payload).await?;
        Ok(Receipt::new(handle, number))
    }

    /// Queues a message that was [encoded](Server::encode) before.
    ///
    /// # Errors
    /// [`SendError`]; after `Slow` the connection is being closed.
    pub fn send_encoded(&self, message: &Encoded) -> Result<Receipt, SendError> {
        let (handle, frame) = (&self.0.handle, self.shown(message)?);
        let receipt = match message.age() {
            Some(age) => send_aging::shared(handle, frame, age)?,
            None => Receipt::new(handle, handle.send_shared(frame)?),
        };
        turn::produced(message.size());
        Ok(receipt)
    }

    pub(crate) fn queue(&self, message: &Encoded) -> Result<Option<u64>, SendError> {
        self.queue_frame(self.shown(message)?, message.age())
    }

    /// The same for a message that the hook has let through.
    pub(crate) fn queue_shown(&self, message: &Encoded) -> Result<Option<u64>, SendError> {
        self.queue_frame(self.frame(message)?, message.age())
    }

    #[inline]
    fn queue_frame(&self, frame: &SharedFrame, age: Option<&Age>) -> Result<Option<u64>, SendError> {
        match age {
            None => self.0.handle.send_shared(frame),
            Some(age) => send_aging::shared(&self.0.handle, frame, age).map(|_| None),
        }
    }

    /// The frame of a message that the hook lets through.
    #[inline]
    fn shown<'m>(&self, message: &'m Encoded) -> Result<&'m SharedFrame, SendError> {
        let frame = self.frame(message)?;
        if self.0.server.env.hooks.sees_outgoing() {
            self.show(message)?;
        }
        Ok(frame)
    }

    /// Shows a message to the hook.
    #[cold]
    fn show(&self, message: &Encoded) -> Result<(), SendError> {
        let (handle, hooks) = (&self.0.handle, &self.0.server.env.hooks);
        let payload = message.payload(handle.codec().format())?;
        if !handle.is_open() {
            return Err(SendError::NotReady);
        }
        let payload = payload.borrowed();
        hooks.outgoing(self, &Envelope { name: message.name().into(), payload, stamp: None })
    }

    #[inline]
    fn frame<'m>(&self, message: &'m Encoded) -> Result<&'m SharedFrame, SendError> {
        message.frame(&self.0.server, self.0.handle.spoken())
    }

    /// Calls a procedure of this device and waits for the answer, at most
    /// [`Limits::rpc_timeout`](crate::Limits::rpc_timeout). Dropping the future cancels the wait.
    ///
    /// # Errors
    /// [`CallError`]. An answer counts only from this connection.
    pub async fn call<P: Serialize, R: DeserializeOwned>(
        &self,
        rp: impl Procedure<P, R>,
        payload: P,
    ) -> Result<R, CallError> {
        let timeout = self.0.server.env.limits.rpc_timeout;
        self.call_within(timeout, rp, payload).await
    }

    /// The same with a timeout of its own.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call_within<P: Serialize, R: DeserializeOwned>(
        &self,
        timeout: Duration,
        rp: impl Procedure<P, R>,
        payload: P,
    ) -> Result<R, CallError> {
        send::call(&self.0.server.env.hooks, self, &self.0.handle, rp.name(), &payload, timeout).await
    }

    /// Ends this connection: sends what is queued, then 1000 and the reason, by default
    /// `wse.by-server`; on the subprotocol `ws-messaging` 4003, so that the device stays away there
    /// too. The device leaves its user at once. Running handlers finish. A device whose session waits
    /// for a connection cannot be told: if it comes back, `identify` decides about it anew.
    pub fn drop(&self, reason: impl Into<Reason>) {
        self.close(Closed::normal(reason.into().or(Reason::BY_SERVER)));
    }

    /// Breaks the connection without a close frame, as a lost network does. It is for tests. A device
    /// with a session is parked, any other leaves with 1006.
    pub fn cut(&self) {
        self.0.handle.cut();
    }

    pub(crate) fn close(&self, closed: Closed) {
        self.0.handle.relay(Relayed::Close(closed.clone())); // to where the session is
        let closed = self.0.handle.close(closed);
        self.0.server.registry.leave(self, &closed);
    }
}

impl Keyed for Conn {
    type Key = DeviceId;

    fn key(&self) -> &DeviceId {
        &self.0.id
    }
}

impl Member for Conn {
    fn id(&self) -> DeviceId {
        Conn::id(self)
    }

    fn cid(&self) -> &Cid {
        &self.0.cid
    }

    fn hello(&self) -> KeptHello {
        Conn::hello(self)
    }

    fn end(&self, closed: Closed) -> Closed {
        self.0.handle.close(closed)
    }
}

impl From<&Conn> for DeviceId {
    fn from(conn: &Conn) -> Self {
        conn.id()
    }
}

impl PartialEq for Conn {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Conn {}

impl Hash for Conn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its identity and meta may hold secrets.
        f.debug_struct("Conn").field("cid", &self.0.cid).field("conn_id", &self.conn_id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_as_it_came_and_none_stays_none() {
        for addr in ["0.0.0.0", "127.0.0.1", "255.255.255.255", "::1", "2001:db8::7f00:1", "::7f00:1"] {
            let addr: Option<IpAddr> = addr.parse().ok();
            assert!(addr.is_some_and(|addr| KeptAddr::from(Some(addr)).get() == Some(addr)), "{addr:?}");
        }
        assert_eq!(KeptAddr::from(None).get(), None);
    }
}
