//! The server: who may come in, who is there, and what they say. This file holds the handle; it
//! may never do what a room below it is for.

mod admission;
mod builder;
mod event;
mod owner;
#[cfg(test)]
mod races;
mod shutdown;
mod users;

pub use admission::{
    remote_addr::RemoteAddr,
    service::ServerService,
    verdict::{Stranger, Verdict},
};
pub use builder::{Identified, ServerBuilder};
pub use event::Event;
pub use users::{
    audience::{Audience, Encoded},
    conn::Conn,
    user::User,
};

use crate::{
    app::{
        handler_id::HandlerId,
        handlers::Handlers,
        hooks::Hooks,
        listeners::Listeners,
        names::{Message, Procedure},
    },
    connection::{handle::Handle, task::Connection},
    error::{RegisterError, SendError, ServeError},
    server::{
        admission::{service::UpgradedRequest, upgrade},
        owner::ServerOwner,
    },
    session::parking::Parking,
};
use http::{HeaderValue, Request};
use ipnet::IpNet;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime,
    task::JoinHandle,
};
use wse_frame::Role;
use wse_proto::{Cid, Closed, Codec, Format, Limits, Protocol, Reason, RpError};

/// A messaging server for authenticated users on many devices. A handle, cheap to clone.
///
/// ```no_run
/// use wse::{Event, Server};
///
/// # #[tokio::main] async fn main() -> Result<(), wse::ServeError> {
/// let server = Server::builder()
///     .identify(async |stranger, name: String| {
///         Ok(if name.is_empty() { stranger.refuse() } else { stranger.accept(name) })
///     })
///     .on("say", async |conn, text: String| {
///         conn.server().broadcast("line", (conn.cid().as_str(), text))?;
///         Ok(())
///     })
///     .register("add", async |_, (a, b): (i64, i64)| Ok(a + b))
///     .when(async |event| if let Event::Joined(user) = event { println!("{user} is here") })
///     .build();
/// server.listen("127.0.0.1:4200").await
/// # }
/// ```
#[derive(Clone)]
pub struct Server(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) identify: builder::Identify,
    pub(crate) handlers: Handlers<Conn>,
    pub(crate) hooks: Hooks<Conn>,
    pub(crate) listeners: Arc<Listeners<Event>>,
    pub(crate) limits: Limits,
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) codecs: Vec<Spoken>,
    pub(crate) origins: Vec<HeaderValue>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) upgrade: Option<builder::UpgradeHook>,
    pub(crate) path: Option<String>,
    pub(crate) expose_errors: bool,
    pub(crate) registry: Arc<users::registry::Registry>,
    pub(crate) parking: Arc<Parking>,
    pub(crate) strangers: Arc<admission::before_verdict::BeforeVerdict>,
    pub(crate) before_request: Arc<admission::before_request::BeforeRequest>,
    pub(crate) connections: Arc<shutdown::Connections>,
    pub(crate) conn_ids: AtomicU64,
}

/// A codec that connections of a protocol may speak.
pub(crate) struct Spoken {
    /// The place of the protocol among the server's.
    pub(crate) protocol: usize,
    pub(crate) codec: Codec,
}

impl Inner {
    /// The place of the codec that a protocol has for a format; without one, of its first.
    pub(crate) fn codec_of(&self, protocol: usize, format: Option<Format>) -> usize {
        let fits = |spoken: &Spoken| format.is_none_or(|format| spoken.codec.format() == format);
        let place = self.codecs.iter().position(|spoken| spoken.protocol == protocol && fits(spoken));
        place.unwrap_or_default()
    }
}

impl Server {
    /// Begins a server; it takes at least an [`identify`](ServerBuilder::identify).
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// A user as an address, whether there or not.
    pub fn user(&self, cid: impl Into<Cid>) -> User {
        User::new(self.clone(), cid.into(), None)
    }

    /// Every user who is there, in no order.
    pub fn users(&self) -> Vec<User> {
        self.0.registry.cids().into_iter().map(|cid| self.user(cid)).collect()
    }

    /// How many users are there.
    pub fn user_count(&self) -> usize {
        self.0.registry.counts().0
    }

    /// How many devices are there, of all users.
    pub fn conn_count(&self) -> usize {
        self.0.registry.counts().1
    }

    /// Queues a message for every device of everybody; gives how many took it.
    ///
    /// It is encoded once for each wire and waits for nobody: a device whose queue is full is closed
    /// as slow. A device of `ws-messaging` gets nothing under a name that means something there
    /// (`close`, `connect`, `error`, `open`, `pong`, `retry`), and is not counted.
    ///
    /// # Errors
    /// When the payload does not encode or is larger than a queue; nobody got anything then.
    pub fn broadcast<P: Serialize>(&self, message: impl Message<P>, payload: P) -> Result<usize, SendError> {
        self.everyone().send(message, payload)
    }

    /// Everybody, to leave some out before sending.
    pub fn everyone(&self) -> Audience {
        Audience::new(self.clone())
    }

    /// Encodes a message once, to be sent to any selection of devices of this server. A device of
    /// `ws-messaging` cannot be sent the names that mean something there (`error`, say): sending it
    /// to one is an error.
    ///
    /// # Errors
    /// When the payload does not encode, or is larger than a queue.
    pub fn encode<P: Serialize>(&self, message: impl Message<P>, payload: P) -> Result<Encoded, SendError> {
        Encoded::for_all(&self.0, message.name(), &payload)
    }

    /// Ends all connections of a user with 1000 and the reason, by default the empty one, as
    /// upstream does here and only here; 4003 on the subprotocol `ws-messaging`. Gives how many there were.
    pub fn drop_user(&self, cid: impl Into<Cid>, reason: impl Into<Reason>) -> usize {
        self.user(cid).drop(reason.into().or(Reason::from("")))
    }

    /// Adds a handler, as [`ServerBuilder::on`] does.
    pub fn on<P, F, Fut>(&self, message: impl Message<P>, handler: F) -> HandlerId
    where
        P: DeserializeOwned + Send + 'static,
        F: FnOnce(Conn, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.0.handlers.add(message, handler)
    }

    /// Adds a handler for the next message of a type.
    pub fn once<P, F, Fut>(&self, message: impl Message<P>, handler: F) -> HandlerId
    where
        P: DeserializeOwned + Send + 'static,
        F: FnOnce(Conn, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.0.handlers.add_once(message, handler)
    }

    /// Removes a handler or a listener of events. False when it is not there: removed before, or a
    /// `once` that has run. What is being handled at that moment may still reach it.
    pub fn off(&self, handler: &HandlerId) -> bool {
        self.0.handlers.off(handler) || self.0.listeners.off(handler)
    }

    /// Removes all handlers of a message, those of the builder too. Returns how many there were.
    pub fn off_all(&self, name: &str) -> usize {
        self.0.handlers.off_all(name)
    }

    /// Registers a procedure.
    ///
    /// # Errors
    /// When a procedure has that name already.
    pub fn register<P, R, F, Fut>(&self, rp: impl Procedure<P, R>, handler: F) -> Result<(), RegisterError>
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: FnOnce(Conn, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R, RpError>> + Send + 'static,
    {
        self.0.handlers.try_register(rp, handler)
    }

    /// Removes a procedure.
    ///
    /// # Errors
    /// When no procedure has that name.
    pub fn unregister(&self, name: &str) -> Result<(), RegisterError> {
        self.0.handlers.unregister(name)
    }

    /// Adds a listener of events: `async |event|`. It hears what happens from now on, each event
    /// after the listeners that were there before it. [`off`](Self::off) removes it.
    ///
    /// ```
    /// # fn example(server: wse::Server) {
    /// let id = server.when(async |event| println!("{event:?}"));
    /// assert!(server.off(&id));
    /// # }
    /// ```
    pub fn when<F, Fut>(&self, listener: F) -> HandlerId
    where
        F: FnOnce(Event) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.listeners.add(listener)
    }

    /// The server as a tower service, to be mounted in axum or hyper.
    pub fn service(&self) -> ServerService {
        ServerService(self.clone())
    }

    /// Runs a connection over a stream that was upgraded elsewhere. The request is that of the
    /// upgrade: its `Sec-WebSocket-Protocol` chooses the protocol, and without the header it is the
    /// server's first. It is not counted as a stranger. Must be called within a tokio runtime; the
    /// handle tells how the connection ended, and may be dropped.
    ///
    /// # Errors
    /// When the server was shut down.
    pub fn attach<IO>(&self, io: IO, request: Request<()>) -> Result<JoinHandle<Closed>, ServeError>
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (request, ()) = request.into_parts();
        let protocol = match upgrade::choose(&request.headers, &self.0.protocols) {
            Ok(offered) => Some(offered.unwrap_or(0)),
            Err(upgrade::Unknown) => None,
        };
        let remote_addr = self.remote_addr(&request);
        let request = UpgradedRequest { protocol, remote_addr, request: Arc::new(request), permit: None };
        self.run(io, Vec::new(), request).ok_or(ServeError::ShutDown)
    }

    /// Starts the task of a connection; `None` after the shutdown began.
    pub(crate) fn run<IO>(&self, io: IO, read_ahead: Vec<u8>, request: UpgradedRequest) -> Option<JoinHandle<Closed>>
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let inner = &self.0;
        inner.registry.run_in(runtime::Handle::current());
        let conn_id = inner.conn_ids.fetch_add(1, Ordering::Relaxed);
        let protocol = request.protocol.unwrap_or(0);
        let codec = inner.codecs[inner.codec_of(protocol, None)].codec.clone();
        let handle = Arc::new(Handle::new(codec, &inner.limits, false));
        let host = ServerOwner {
            server: inner.clone(),
            conn_id,
            protocol,
            remote_addr: request.remote_addr,
            request: Some(request.request),
            permit: request.permit,
            conn: None,
            handlers_outlive_it: false,
            _alive: inner.connections.enter(conn_id, &handle)?,
        };
        if request.protocol.is_none() {
            handle.outbox.close(Closed::protocol_error());
        }
        let now = tokio::time::Instant::now().into_std();
        let session = inner.protocols[protocol].server_machine(&inner.limits, now);
        Some(tokio::spawn(Connection::new(Box::new(io), read_ahead, Role::Server, session, host, handle)))
    }

    /// Stops: no new connections, everyone's turn comes, running handlers may answer, everyone is
    /// closed with 1012 `wse.restart after=MS`, and the application is told. What is left when the
    /// grace is over is cut; the application may be told of that after this has returned. Returns when no connection is left; [`listen`](Server::listen) and its
    /// siblings return then too. The server cannot be used again. Called by a handler it would wait
    /// for itself until the grace is over. Dropping the future closes whoever is left without a spread.
    ///
    /// A few connections are closed at once, many over a spread of time: 20 for every one of
    /// [`Limits::returns_per_second`] in a second, within half of the grace. Until its turn a connection
    /// is served as ever. `MS` tells each client when to come back. The first of them comes a second
    /// after the last close, and then they come evenly, a tenth below that rate.
    ///
    /// ```no_run
    /// # async fn example(server: wse::Server) -> Result<(), wse::ServeError> {
    /// tokio::select! {
    ///     served = server.listen("127.0.0.1:4200") => served?,
    ///     _ = tokio::signal::ctrl_c() => {}
    /// }
    /// server.shutdown(std::time::Duration::from_secs(10)).await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn shutdown(&self, grace: Duration) {
        let mut shutdown = self.0.connections.shut_down(self.0.limits.returns_per_second, grace);
        let quiet = async {
            tokio::select! {
                () = shutdown.drain() => self.0.connections.empty().await,
                () = self.0.connections.empty() => {} // some have gone before their turn
            }
            self.0.registry.empty().await;
        };
        if tokio::time::timeout(grace, quiet).await.is_err() {
            self.0.connections.abort();
            self.0.connections.empty().await;
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (users, conns) = self.0.registry.counts();
        f.debug_struct("Server").field("users", &users).field("conns", &conns).finish_non_exhaustive()
    }
}
