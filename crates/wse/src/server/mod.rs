//! The handle to a server: the methods that the application calls. The modules below do the work.

mod admission;
mod builder;
mod cluster;
mod event;
mod failures;
mod moves;
mod owner;
#[cfg(test)]
mod races;
mod renewal;
mod revocations;
mod sessions;
mod shutdown;
mod term;
mod users;
mod verdict;

pub use admission::{remote_addr::RemoteAddr, service::ServerService, tls_handshake::TlsHandshake};
pub use builder::{Identified, ServerBuilder};
#[cfg(feature = "tls")]
pub use cluster::seal::ClusterKey;
pub use cluster::{
    bus::{Arrivals, Bus, Port},
    cluster::Cluster,
    event::ClusterEvent,
    options::ClusterOptions,
    order::Order,
    outside::{Reach, Reply},
    retry::Retry,
    script::Arrival,
    seat::Seat,
};
pub use event::Event;
pub use users::{
    answers::{Answers, AskError},
    audience::Audience,
    changes::Changes,
    conn::Conn,
    deliver::Delivered,
    device::Device,
    encoded::Encoded,
    joining::JoinError,
    presence::Presence,
    retained::RetainError,
    room::Room,
    status::{Change, Status},
    user::User,
};
pub use verdict::{Stranger, Verdict};

use crate::{
    app::{
        handler_id::HandlerId,
        listeners::Listeners,
        names::{Message, Procedure},
    },
    connection::{backlog::Backlogs, handle::Handle, owner::Env, spoken::Spoken, task::Connection},
    error::{RegisterError, SendError, ServeError},
    server::{
        admission::{admitting::ServerConnection, service::UpgradedRequest, upgrade},
        cluster::{driver::Unstarted, member::Member},
        moves::Moves,
        owner::{ServerOwner, Unidentified},
        users::{deliver, events::Events, registry::Registry, rooms::Rooms, watching::Watching},
    },
    session::parking::Parking,
    sync::Mutex,
    watch::Watched,
};
use http::Request;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    cell::Cell,
    fmt,
    future::Future,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinHandle,
    time::Instant,
};
use wse_cluster::{DeviceId, NodeId, Scope};
use wse_frame::Role;
use wse_proto::{Cid, Closed, Format, Later, Protocol, Reason, RpError};

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
    pub(crate) env: Env<Conn>,
    pub(crate) listeners: Arc<Listeners<Event>>,
    pub(crate) protocols: Vec<Protocol>,
    /// Everything that connections may speak; at least one.
    pub(crate) spoken: Vec<Arc<Spoken>>,
    pub(crate) rules: admission::rules::Rules,
    pub(crate) node: NodeId,
    /// The node of a cluster that this server is, if it is one.
    pub(crate) cluster: Option<Arc<Member>>,
    /// The sessions that move between this server and others of its cluster.
    pub(crate) moves: Moves,
    /// What runs the node, until it does.
    pub(crate) unstarted: Unstarted,
    pub(crate) registry: Registry<Conn>,
    pub(crate) rooms: Rooms,
    pub(crate) watching: Watching,
    pub(crate) events: Events,
    pub(crate) parking: Parking,
    /// The queues of connections that hold too much.
    pub(crate) backlogs: Arc<Backlogs>,
    pub(crate) breaches: admission::breaches::Breaches,
    pub(crate) unreadable: admission::unreadable::Unreadable,
    pub(crate) before_verdict: admission::before_verdict::BeforeVerdict,
    pub(crate) before_request: admission::before_request::BeforeRequest,
    pub(crate) open_connections: admission::open_connections::OpenConnections,
    pub(crate) connections: Arc<shutdown::Connections>,
    pub(crate) revocations: revocations::Revocations,
    /// The turns of the devices that identify has failed for.
    pub(crate) turns: Mutex<Later>,
}

/// The number of the next connection, of all servers in this process.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

impl Drop for Inner {
    fn drop(&mut self) {
        self.watching.end();
        self.end_cluster();
    }
}

impl Inner {
    /// The end of a device that the application could not decide about: it comes back in its turn.
    pub(crate) fn later(&self) -> Closed {
        let now = Instant::now().into_std();
        Closed::later_after(self.turns.lock().unwrap_or_else(PoisonError::into_inner).turn(now))
    }

    /// What a connection of that protocol speaks in that format; without a format, or where the protocol
    /// has no codec for it, its first codec.
    pub(crate) fn spoken(&self, protocol_index: usize, format: Option<Format>) -> &Arc<Spoken> {
        let of_protocol = || self.spoken.iter().filter(|spoken| spoken.protocol_index == protocol_index);
        let fitting = of_protocol().find(|spoken| Some(spoken.codec.format()) == format);
        fitting.or_else(|| of_protocol().next()).unwrap_or(&self.spoken[0])
    }
}

impl Server {
    /// Starts to configure a server. It needs at least an [`identify`](ServerBuilder::identify).
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// A user as an address. The user may be there or not.
    pub fn user(&self, cid: impl Into<Cid>) -> User {
        User::new(self.clone(), cid.into(), None)
    }

    /// A device as an address. The device may be there or not.
    pub fn device(&self, id: DeviceId) -> Device {
        Device::new(self.clone(), id)
    }

    /// Every user who is there, in no order, of all servers of a cluster.
    pub fn users(&self) -> Vec<User> {
        self.0.cids().into_iter().map(|cid| self.user(cid)).collect()
    }

    /// How many users are there, of all servers of a cluster.
    pub fn user_count(&self) -> usize {
        self.0.counts().0
    }

    /// How many devices of all users are there, of all servers of a cluster.
    pub fn conn_count(&self) -> usize {
        self.0.counts().1
    }

    /// Queues a message for every device. Returns how many devices took it.
    ///
    /// The message is encoded once for each wire. Sending never waits: a device whose queue is full is
    /// closed as slow. A device whose wire has no form for the message gets nothing and is not counted, and
    /// the application is told once, as [`Event::Error`]. So it is with names that mean something on
    /// `ws-messaging` (`close`, `connect`, `error`, `open`, `pong`, `retry`), and with payloads that JSON can
    /// write and MessagePack cannot, or the reverse.
    ///
    /// # Errors
    /// When no wire of the receivers can carry the payload, or its frame is larger than a queue; no device
    /// got anything then.
    pub fn broadcast<P: Serialize>(&self, message: impl Message<P>, payload: P) -> Result<Delivered, SendError> {
        deliver::send(&self.0, &Scope::Everyone.into(), message, &payload)
    }

    /// All devices as an address, so that some can be left out before sending.
    pub fn everyone(&self) -> Audience {
        Audience::new(self.clone(), Scope::Everyone)
    }

    /// Encodes a message once, to be sent to any selection of devices of this server.
    ///
    /// Where the wire of a device has no form for it (a name that means something on `ws-messaging`, say),
    /// [`Conn::send_encoded`] returns an error. Other ways to send do not count the device, and tell the
    /// application once, as [`Event::Error`].
    ///
    /// # Errors
    /// When no wire of this server can carry the payload, or its frame is larger than a queue.
    pub fn encode<P: Serialize>(&self, message: impl Message<P>, payload: P) -> Result<Encoded, SendError> {
        Encoded::for_all(&self.0, &message, &payload)
    }

    /// Ends all connections of a user with 1000 and the reason; with 4003 on the subprotocol
    /// `ws-messaging`. Returns how many there were. The default reason is the empty one, as in npm
    /// `wse`; [`User::drop`] has another.
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
        self.0.env.handlers.add(message, handler)
    }

    /// Adds a handler for the next message of a type.
    pub fn once<P, F, Fut>(&self, message: impl Message<P>, handler: F) -> HandlerId
    where
        P: DeserializeOwned + Send + 'static,
        F: FnOnce(Conn, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.0.env.handlers.add_once(message, handler)
    }

    /// Removes a handler or a listener of events. False when it is not there: removed before, or a
    /// `once` that has run. What is being handled at that moment may still reach it.
    pub fn off(&self, handler: &HandlerId) -> bool {
        self.0.env.handlers.off(handler) || self.0.listeners.off(handler)
    }

    /// Removes all handlers of a message, those of the builder too. Returns how many there were.
    pub fn off_all(&self, name: &str) -> usize {
        self.0.env.handlers.off_all(name)
    }

    /// Registers a procedure.
    ///
    /// # Errors
    /// When a procedure has that name already, or the name is one of the protocol's own (`~wse:ping`).
    pub fn register<P, R, F, Fut>(&self, rp: impl Procedure<P, R>, handler: F) -> Result<(), RegisterError>
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: FnOnce(Conn, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R, RpError>> + Send + 'static,
    {
        self.0.env.handlers.try_register(rp, handler)
    }

    /// Removes a procedure.
    ///
    /// # Errors
    /// When no procedure has that name.
    pub fn unregister(&self, name: &str) -> Result<(), RegisterError> {
        self.0.env.handlers.unregister(name)
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

    /// Runs a connection over a stream that was upgraded elsewhere.
    ///
    /// The request is that of the upgrade: its `Sec-WebSocket-Protocol` chooses the protocol; without the
    /// header it is the server's first. Nothing is compressed. The connection does not count as a stranger,
    /// and is never one too many for [`Limits::connections`](crate::Limits::connections). It must be called
    /// within a tokio runtime. The returned handle tells how the connection ended, and may be dropped.
    ///
    /// # Errors
    /// When the server was shut down.
    pub fn attach<IO>(&self, io: IO, request: Request<()>) -> Result<JoinHandle<Closed>, ServeError>
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.start_cluster();
        let (request, ()) = request.into_parts();
        let protocol = match upgrade::choose(&request.headers, &self.0.protocols) {
            Ok(offered) => Some(offered.unwrap_or(0)),
            Err(upgrade::Unknown) => None,
        };
        let remote_addr = self.remote_addr(&request);
        let open = self.0.open_connections.enter_anyway();
        let request = Arc::new(request);
        let request = UpgradedRequest { protocol, deflate: None, remote_addr, request, permit: None, open };
        self.connection(io, Vec::new(), request).map(tokio::spawn).ok_or(ServeError::ShutDown)
    }

    /// A connection, for a task to run. `None` after the shutdown began.
    pub(crate) fn connection<IO>(
        &self,
        io: IO,
        read_ahead: Vec<u8>,
        request: UpgradedRequest,
    ) -> Option<ServerConnection>
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let inner = &self.0;
        let id = DeviceId::new(inner.node, NEXT_NUMBER.fetch_add(1, Ordering::Relaxed));
        let protocol = request.protocol.unwrap_or(0);
        let spoken = inner.spoken(protocol, None).clone();
        let handle = Handle::of_server(spoken.clone(), &inner.env.limits, &inner.backlogs);
        handle.agree(request.deflate);
        let device = Unidentified {
            id,
            spoken,
            remote_addr: request.remote_addr,
            request: Some(request.request),
            permit: request.permit,
            decision: None,
            logged: Cell::new(false),
        };
        let owner = ServerOwner::new(inner.clone(), device, inner.connections.enter(&handle)?);
        if request.protocol.is_none() {
            let names = inner.protocols.iter().map(Protocol::name).collect::<Vec<_>>().join(", ");
            handle.close_as(Closed::protocol_error_with(&format!("expected a subprotocol: {names}")));
        }
        let now = tokio::time::Instant::now().into_std();
        let machine = inner.protocols[protocol].server_machine(&inner.env.limits, now);
        let io = Box::new(request.open.of(io));
        Some(Watched(Connection::new(io, read_ahead, Role::Server, machine, owner, handle)))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (users, conns) = self.0.registry.counts();
        f.debug_struct("Server").field("users", &users).field("conns", &conns).finish_non_exhaustive()
    }
}
