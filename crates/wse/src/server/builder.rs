//! How a server is configured and built. It cannot be built without identify.

mod clustered;
mod rules;

use crate::{
    app::{
        erased::BoxFuture,
        handlers::Handlers,
        listeners::Listeners,
        names::{Message, Procedure},
    },
    connection::{backlog::Backlogs, owner::Env, spoken::Spoken},
    server::{
        Inner, Server,
        admission::{
            before_request::BeforeRequest, before_verdict::BeforeVerdict, breaches::Breaches,
            open_connections::OpenConnections, rules::Rules, unreadable::Unreadable,
        },
        builder::clustered::member,
        cluster::{
            driver::{StartBus, Unstarted},
            observer::TellsNode,
            options::ClusterOptions,
        },
        event::Event,
        moves::Moves,
        revocations::Revocations,
        shutdown::Connections,
        users::{change::Observer, conn::Conn, events::Events, registry::Registry, rooms::Rooms, watching::Watching},
        verdict::{Stranger, Verdict},
    },
    session::parking::Parking,
    sync::Mutex,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, future::Future, sync::Arc};
use wse_cluster::NodeId;
use wse_proto::{Envelope, Later, Limits, Protocol, RpError};

pub(crate) type Identify = Box<dyn Fn(Stranger) -> BoxFuture<Result<Verdict, RpError>> + Send + Sync>;

/// Configures and builds a [`Server`]; made by [`Server::builder`].
///
/// Its type says whether [`identify`](ServerBuilder::identify) was given. Only then it has a
/// [`build`](ServerBuilder::build).
///
/// ```compile_fail,E0599
/// wse::Server::builder().build(); // nothing decides which devices are accepted
/// ```
#[must_use = "a server has to be built"]
pub struct ServerBuilder<I = ()> {
    identify: I,
    options: Options,
}

/// All options except identify.
#[derive(Default)]
struct Options {
    env: Env<Conn>,
    listeners: Listeners<Event>,
    protocols: Vec<Protocol>,
    rules: Rules,
    bus: Option<StartBus>,
    cluster: ClusterOptions,
}

impl ServerBuilder {
    pub(crate) fn new() -> Self {
        Self { identify: (), options: Options::default() }
    }

    /// Sets what decides who a device is: `async |stranger, identity| -> Result<Verdict, RpError>`.
    ///
    /// It runs when the device says hi, and again with the device's answer after a challenge. It has
    /// [`Limits::auth_timeout`] in all, or the timeout of [`WsMessaging`](crate::WsMessaging). Its future is
    /// dropped when the device leaves meanwhile. What the device sends before the verdict waits for it.
    ///
    /// An error and a panic are reported as [`Event::Error`], lateness is logged. None of them is a
    /// refusal: the device is closed with 1013 `wse.later after=MS`, and its client comes back after that
    /// time. The server hands out these turns so that the returns stay a tenth below
    /// [`Limits::returns_per_second`]. There is one exception: what the device said of itself is not of the
    /// type asked for (a [`DecodeError`](crate::codec::DecodeError), of the identity or by `?`). That is
    /// reported too, and refuses the device, since it is the same the next time. A client without an
    /// identity sends the empty text: take a [`Payload`](crate::codec::Payload) where the request says all.
    ///
    /// ```
    /// let server = wse::Server::builder().identify(async |stranger, token: String| {
    ///     Ok(if token == "secret" { stranger.accept("ann").welcome(&"hello") } else { stranger.refuse() })
    /// });
    /// ```
    pub fn identify<P, F, Fut>(self, identify: F) -> ServerBuilder<Identified>
    where
        P: DeserializeOwned + Send + 'static,
        F: FnOnce(Stranger, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<Verdict, RpError>> + Send + 'static,
    {
        let identify = Box::new(move |stranger: Stranger| -> BoxFuture<Result<Verdict, RpError>> {
            let identify = identify.clone();
            Box::pin(async move {
                let identity = stranger.question.hello.identity.decode()?;
                identify(stranger, identity).await
            })
        });
        ServerBuilder { identify: Identified(identify), options: self.options }
    }
}

/// Marks a [`ServerBuilder`] that has its [`identify`](ServerBuilder::identify).
///
/// ```
/// use wse::{Identified, ServerBuilder};
///
/// fn with_clock(server: ServerBuilder<Identified>) -> ServerBuilder<Identified> {
///     server.register("year", async |_, ()| Ok(2000))
/// }
/// ```
pub struct Identified(Identify);

impl fmt::Debug for Identified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identified")
    }
}

impl ServerBuilder<Identified> {
    /// Builds the server. It does nothing until it listens, is mounted, or is given a stream. With a
    /// [cluster](Self::cluster) it joins that when it is built, if that happens within a tokio runtime, and
    /// otherwise when it first serves.
    pub fn build(self) -> Server {
        let protocols = if self.options.protocols.is_empty() { vec![Protocol::Wse] } else { self.options.protocols };
        let spoken = Spoken::by_server(&protocols).into_iter().map(Arc::new).collect();
        let node = NodeId::new(rand::random());
        let cluster = self.options.bus.as_ref().map(|_| member(node, &self.options.cluster, &self.options.env.limits));
        let listeners = Arc::new(self.options.listeners);
        let events = Events::new(listeners.clone(), cluster.is_some());
        let watching = Watching::new(self.options.env.limits.presence_grace, cluster.clone());
        let Limits { rooms_per_conn, queue_bytes, .. } = self.options.env.limits;
        let rooms = Rooms::new(rooms_per_conn, queue_bytes, watching.clone(), cluster.clone());
        let mut observers: Vec<Box<dyn Observer<Conn>>> = vec![Box::new(rooms.clone()), Box::new(watching.clone())];
        observers.extend(cluster.clone().map(|member| Box::new(TellsNode(member)) as _));
        observers.push(Box::new(events.clone())); // the application is told last, and finds everything as its events say
        let returns_per_second = self.options.env.limits.returns_per_second;
        let server = Server(Arc::new(Inner {
            identify: self.identify.0,
            parking: Parking::new(self.options.env.limits.parked_bytes),
            backlogs: Arc::new(Backlogs::new(self.options.env.limits.queued_bytes)),
            env: self.options.env,
            protocols,
            spoken,
            node,
            cluster,
            moves: Moves::default(),
            unstarted: Unstarted::new(self.options.bus, self.options.cluster),
            registry: Registry::new(observers),
            rooms,
            watching,
            events,
            listeners,
            rules: self.options.rules,
            breaches: Breaches::default(),
            unreadable: Unreadable::default(),
            revocations: Revocations::default(),
            before_verdict: BeforeVerdict::default(),
            before_request: BeforeRequest::default(),
            open_connections: OpenConnections::default(),
            connections: Arc::new(Connections::new()),
            turns: Mutex::new(Later::new(returns_per_second)),
        }));
        server.start_cluster();
        server
    }
}

impl<I> ServerBuilder<I> {
    /// Handles messages of a type: `async |conn, payload| -> Result<(), RpError>`.
    ///
    /// Several handlers of one type run one after the other, in the order they were added. The
    /// handlers of one connection start in the order its messages came, and interleave where they
    /// await. An error is reported as [`Event::Error`]; the connection stays.
    ///
    /// A handler is cloned for every message, so what it captures by value starts afresh each time:
    /// share state by `Arc`, best with [`with`](crate::with).
    pub fn on<P, F, Fut>(mut self, message: impl Message<P>, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        F: FnOnce(Conn, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.options.env.handlers = self.options.env.handlers.on(message, handler);
        self
    }

    /// Handles the first message of a type, from any device.
    pub fn once<P, F, Fut>(mut self, message: impl Message<P>, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        F: FnOnce(Conn, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.options.env.handlers = self.options.env.handlers.once(message, handler);
        self
    }

    /// Registers a procedure: `async |conn, argument| -> Result<result, RpError>`. A result of `()`
    /// is `null` on the wire.
    ///
    /// # Panics
    /// When a procedure has that name already, or the name is one of the protocol's own. On a [running
    /// server](Server::register) that is an error instead.
    #[track_caller]
    pub fn register<P, R, F, Fut>(mut self, rp: impl Procedure<P, R>, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: FnOnce(Conn, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R, RpError>> + Send + 'static,
    {
        self.options.env.handlers = self.options.env.handlers.register(rp, handler);
        self
    }

    /// Adds [handlers](Handlers) that were put together elsewhere, by a module of the application.
    /// They run behind those of the same message that are there already; a second fallback replaces
    /// the first.
    ///
    /// # Panics
    /// When a procedure of one of their names is there already.
    #[track_caller]
    pub fn handlers(self, handlers: Handlers<Conn>) -> Self {
        self.options.env.handlers.merge_or_panic(handlers);
        self
    }

    /// Adds a listener of events: `async |event|`. Several listeners run one after the other, in the
    /// order they were added. See [`Event`] for what comes in which order.
    pub fn when<F, Fut>(self, handler: F) -> Self
    where
        F: FnOnce(Event) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.options.listeners.add(handler);
        self
    }

    /// Sets the bounds and intervals.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.env.limits = limits.within_reason();
        self
    }

    /// Sets the subprotocols that the server speaks, the preferred first. It selects the first one
    /// that a client offers. The default, also for an empty list, is [`Protocol::Wse`] alone. Devices
    /// of all subprotocols meet the same handlers and reach each other.
    ///
    /// ```
    /// use wse::{Protocol, Server, WsMessaging};
    ///
    /// let server = Server::builder().protocols([Protocol::Wse, Protocol::WseMsgpack, WsMessaging::new().into()]);
    /// ```
    pub fn protocols(mut self, protocols: impl IntoIterator<Item = Protocol>) -> Self {
        self.options.protocols = protocols.into_iter().collect();
        self
    }

    /// Adds a hook that sees every message and call of an accepted device before the handlers do:
    /// `async |conn, envelope| -> Result<(), RpError>`. It is the place for validation, rate limits and
    /// audit.
    ///
    /// An error stops the envelope; the connection stays. A call is answered with that error. A message
    /// of a device that speaks `ws-messaging` is answered with `preprocessingError`, any other is
    /// reported as [`Event::Error`].
    ///
    /// What the device sent later waits for the hook, so that handlers start in order; answers to calls
    /// of this side do not wait. The hook is cloned for every envelope, as a handler is: what it counts
    /// belongs into an `Arc`. Unlike a handler, its future is dropped with the envelope when this side
    /// ends the connection. Several hooks run one after the other, in the order they were set; the first
    /// error stops the envelope.
    ///
    /// ```
    /// use wse::{RpError, Server};
    ///
    /// let server = Server::builder().on_receive(async |conn, envelope| {
    ///     let kind = if envelope.is_call() { "call" } else { "message" };
    ///     println!("{} sends the {kind} {}", conn.cid(), envelope.name);
    ///     if envelope.name == "admin" { Err(RpError::new("not-allowed")) } else { Ok(()) }
    /// });
    /// ```
    pub fn on_receive<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce(Conn, Envelope<'static>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.options.env.hooks.on_receive(hook);
        self
    }

    /// Sets a hook that sees every message and call before it is sent, once for each device:
    /// `|conn, envelope| -> Result<(), RpError>`.
    ///
    /// An error stops the envelope. The sender gets it as
    /// [`SendError::Stopped`](crate::SendError::Stopped); where a message goes to several devices, the
    /// one it was stopped for is not counted. The hook runs on the sender's thread, so it must not
    /// block, and its panic is the sender's. The envelope of a call has an empty stamp. Several hooks
    /// see it in the order in which they were added, until one stops it.
    pub fn on_send(
        mut self,
        hook: impl Fn(&Conn, &Envelope<'_>) -> Result<(), RpError> + Send + Sync + 'static,
    ) -> Self {
        self.options.env.hooks.on_send(hook);
        self
    }

    /// Agrees to compression (permessage-deflate, RFC 7692) with clients that offer it, as browsers do, and compresses
    /// messages and answers whose frames have at least so many bytes, if that makes them smaller; 512 is a good number.
    /// By default nothing is agreed on.
    ///
    /// - Each message is compressed alone, so an idle connection owns nothing for it. A thread that has
    ///   compressed keeps about 300 KiB, and one that has inflated about 40 KiB.
    /// - Compressing happens on the sender's thread, and takes about 4 to 16 µs for each KiB. What goes to many is
    ///   compressed once.
    /// - [`Limits::message_bytes`] bounds a message of the client as it comes and as it is inflated; before the verdict
    ///   [`Limits::auth_message_bytes`] does. A larger one ends the connection with 1009, and is not inflated beyond.
    /// - The server compresses neither its welcome nor anything before it.
    /// - A session keeps its messages as they are, and may go on over a connection that has not agreed.
    ///
    /// The length of a compressed message tells something of its content: do not compress messages that hold a secret
    /// beside text that an attacker chooses (RFC 7692 section 8).
    pub fn compress_from(mut self, bytes: usize) -> Self {
        self.options.env.compress_from = Some(bytes);
        self
    }

    /// Sets whether the server also sends peers the texts of errors that handlers did not make on
    /// purpose. This is for development only: such a text may hold what a peer should not know.
    pub fn expose_errors(mut self, expose: bool) -> Self {
        self.options.env.expose_errors = expose;
        self
    }
}

impl<I> fmt::Debug for ServerBuilder<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder").field("limits", &self.options.env.limits).finish_non_exhaustive()
    }
}
