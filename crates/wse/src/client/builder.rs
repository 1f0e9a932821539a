//! The builder of a client. It must never print an identity.

mod transport;

use crate::{
    app::{
        erased::erase_call,
        handlers::Handlers,
        listeners::Listeners,
        names::{Message, Procedure},
    },
    client::{
        Client, ClientInner, dial,
        event::ClientEvent,
        state::{ClientOptions, ClientState, Identity, Target, encode_identity, fixed_identity},
        tls,
    },
    connection::{owner::Env, spoken::Spoken},
    error::ConnectError,
};
use http::HeaderMap;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex},
};
use wse_proto::{Backoff, Envelope, Format, Hello, Limits, Payload, Protocol, RpError};

/// Configures a [`Client`]; made by [`Client::builder`].
#[must_use = "nothing connects before it is built"]
pub struct ClientBuilder {
    options: ClientOptions,
    env: Env<Client>,
    listeners: Listeners<ClientEvent>,
    url: String,
    identity: Option<Identity>,
    meta: Payload<'static>,
}

impl ClientBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            options: ClientOptions {
                reconnect: None,
                give_up_on: None,
                resume: true,
                spoken: Arc::new(Spoken::by_client(Protocol::Wse)),
                headers: HeaderMap::new(),
                make_headers: None,
                cookies: false,
                proxy_from_env: false,
                challenge: None,
                dial: None,
                wrap_tls: tls::with_system_roots(),
                setup_error: None,
            },
            env: Env::default(),
            listeners: Listeners::default(),
            url: url.to_owned(),
            identity: None,
            meta: Hello::no_meta(Format::Json),
        }
    }

    /// Sets the identity that `identify` on the server checks: any value. The default is the empty
    /// string, as in npm `wse`; on the subprotocol `ws-messaging` it is the empty object. Set an
    /// identity that holds bytes after the [`protocol`](ClientBuilder::protocol), which decides
    /// whether bytes can be encoded.
    pub fn identity<T: Serialize + ?Sized>(mut self, identity: &T) -> Self {
        self.identity = Some(encode_identity(identity, self.format()));
        self
    }

    /// Sets a function that makes the identity anew for every connection, and when the server asks for it because
    /// it [ends](crate::Verdict::until): for a token that expires.
    /// When it fails, the attempt fails: for good before the first welcome, unless the client is
    /// [persistent](Backoff::persistent).
    pub fn identity_with<T, F, Fut>(mut self, identity: F) -> Self
    where
        T: Serialize,
        F: FnOnce() -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<T, RpError>> + Send + 'static,
    {
        self.identity = Some(Arc::new(move |format| {
            let identity = identity.clone()();
            Box::pin(async move {
                let encoded = identity.await.and_then(|identity| Ok(Payload::encode(format, &identity)?));
                encoded.map_err(ConnectError::Identity)
            })
        }));
        self
    }

    fn format(&self) -> Format {
        self.options.spoken.codec.format()
    }

    /// Sets what the server is told about this device: an empty object by default. The subprotocol
    /// `ws-messaging` does not send it.
    pub fn meta<T: Serialize + ?Sized>(mut self, meta: &T) -> Self {
        match Payload::encode(self.format(), meta) {
            Ok(meta) => self.meta = meta,
            Err(error) => self.options.setup_error = Some(error.to_string()),
        }
        self
    }

    /// Sets the handler that solves the server's challenges:
    /// `async |client, quest| -> Result<solution, RpError>`. Without a handler, or when it fails, a
    /// challenge makes [`connect`](Client::connect) fail with [`ConnectError::Challenge`].
    pub fn challenge<Q, A, F, Fut>(mut self, handler: F) -> Self
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize + 'static,
        F: FnOnce(Client, Q) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<A, RpError>> + Send + 'static,
    {
        self.options.challenge = Some(erase_call(handler));
        self
    }

    /// Makes the client connect again after a connection was lost or could not be made, with these
    /// waits. A server that restarts says in its 1012 or 1013 when to come back, which replaces the wait. A
    /// server that is full says by `Retry-After` how long to stay away at least.
    ///
    /// Once a server has welcomed the client, only a verdict stops it: a refusal, a drop, a newer device
    /// (1000), and a broken protocol (1002, 1003, 1007 to 1010; on `ws-messaging` 4003 alone). Before, or
    /// after a [jump](Client::jump), an answer that is none of a server stops it too: an HTTP status below
    /// 500 but 408 and 429, a certificate that is not trusted, another close code, an identity that fails;
    /// with [`Backoff::persistent`] it does not. [`give_up_on`](ClientBuilder::give_up_on) decides
    /// otherwise.
    ///
    /// While a server cannot be reached, `connect` and `jump` wait until the [`Backoff::retries`] are used
    /// up. To stop waiting, drop them, or [`close`](Client::close) the client.
    pub fn reconnect(mut self, backoff: Backoff) -> Self {
        self.options.reconnect = Some(backoff);
        self
    }

    /// Sets what a client that [reconnects](ClientBuilder::reconnect) gives up on, in place of the list
    /// there: the predicate is asked after every failed attempt, and after every connection that was
    /// lost, which is then [`ConnectError::Closed`] or [`ConnectError::Refused`]. It is not asked about the
    /// application's own close, nor about an invalid address or configuration, which are always final. It
    /// must return at once; where it panics, the list decides.
    ///
    /// ```
    /// use wse::{Backoff, Client, ConnectError};
    ///
    /// let client = Client::builder("wss://chat.example.com/ws")
    ///     .reconnect(Backoff::persistent())
    ///     .give_up_on(|cause| match cause {
    ///         ConnectError::UpgradeRefused { status, .. } => *status == 410, // the service is gone
    ///         ConnectError::Refused(_) => true,
    ///         ConnectError::Closed(closed) => closed.is_final(),
    ///         _ => false,
    ///     });
    /// ```
    pub fn give_up_on(mut self, give_up_on: impl Fn(&ConnectError) -> bool + Send + Sync + 'static) -> Self {
        self.options.give_up_on = Some(Arc::new(give_up_on));
        self
    }

    /// Offers the server compression (permessage-deflate, RFC 7692), and compresses messages and answers whose frames
    /// have at least so many bytes, if the server agrees and that makes them smaller; 512 is a good number. By default
    /// nothing is offered. Where a server agrees in a way that was not offered, the attempt fails:
    /// [`ConnectError::Unreachable`]. [`ServerBuilder::compress_from`](crate::ServerBuilder::compress_from) says
    /// what it costs, and when to leave it off.
    pub fn compress_from(mut self, bytes: usize) -> Self {
        self.env.compress_from = Some(bytes);
        self
    }

    /// Sets whether a client that [reconnects](ClientBuilder::reconnect) asks for a session: it does by
    /// default. Within a session that the server grants, a lost connection loses nothing: the
    /// messages, calls in flight and answers of both sides arrive once and in order over the next
    /// connection, and what is sent meanwhile is kept, up to [`Limits::session_bytes`]. A server that
    /// grants no session, or that could not be reached for longer than its resume window, starts
    /// anew; [`ClientEvent::Ready`] says which.
    pub fn resume(mut self, resume: bool) -> Self {
        self.options.resume = resume;
        self
    }

    /// Handles messages of a type: `async |client, payload| -> Result<(), RpError>`. Several
    /// handlers of one type run one after the other, in the order they were added.
    pub fn on<P, F, Fut>(mut self, message: impl Message<P>, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        F: FnOnce(Client, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.env.handlers = self.env.handlers.on(message, handler);
        self
    }

    /// Handles the first message of a type.
    pub fn once<P, F, Fut>(mut self, message: impl Message<P>, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        F: FnOnce(Client, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.env.handlers = self.env.handlers.once(message, handler);
        self
    }

    /// Registers a procedure that the server may call: `async |client, argument| -> Result<result, RpError>`.
    ///
    /// # Panics
    /// When a procedure has that name already, or the name is one of the protocol's own. On a [running
    /// client](Client::register) that is an error instead.
    #[track_caller]
    pub fn register<P, R, F, Fut>(mut self, rp: impl Procedure<P, R>, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: FnOnce(Client, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R, RpError>> + Send + 'static,
    {
        self.env.handlers = self.env.handlers.register(rp, handler);
        self
    }

    /// Adds handlers that were put together elsewhere, by a module of the application. They run
    /// behind those of the same message that are there already; a second fallback replaces the first.
    ///
    /// # Panics
    /// When a procedure of one of their names is there already.
    ///
    /// ```
    /// use wse::{Client, Handlers};
    ///
    /// let own = Handlers::<Client>::new().register("whoami", async |_, ()| Ok("a phone"));
    /// let client = Client::builder("ws://127.0.0.1:4200").handlers(own);
    /// ```
    #[track_caller]
    pub fn handlers(self, handlers: Handlers<Client>) -> Self {
        self.env.handlers.merge_or_panic(handlers);
        self
    }

    /// Adds a listener of events: `async |event|`. Several listeners run one after the other, in the
    /// order they were added.
    pub fn when<F, Fut>(self, handler: F) -> Self
    where
        F: FnOnce(ClientEvent) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.listeners.add(handler);
        self
    }

    /// Sets the limits and intervals.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.env.limits = limits.within_reason();
        self
    }

    /// Sets the subprotocol that the client speaks; [`Protocol::Wse`] by default.
    ///
    /// ```
    /// use wse::{Client, WsMessaging};
    ///
    /// let client = Client::builder("ws://127.0.0.1:4200").protocol(WsMessaging::new());
    /// ```
    pub fn protocol(mut self, protocol: impl Into<Protocol>) -> Self {
        self.options.spoken = Arc::new(Spoken::by_client(protocol.into()));
        self
    }

    /// Adds a hook that sees every message and call of the server before its handlers do, as
    /// [`ServerBuilder::on_receive`](crate::ServerBuilder::on_receive) does on the server.
    pub fn on_receive<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce(Client, Envelope<'static>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.env.hooks.on_receive(hook);
        self
    }

    /// Sets a hook that sees every message and call before it is sent, as
    /// [`ServerBuilder::on_send`](crate::ServerBuilder::on_send) does on the server.
    pub fn on_send(
        mut self,
        hook: impl Fn(&Client, &Envelope<'_>) -> Result<(), RpError> + Send + Sync + 'static,
    ) -> Self {
        self.env.hooks.on_send(hook);
        self
    }

    /// Sets whether the client sends the server the texts of errors that procedures did not make on
    /// purpose. By default it does not.
    pub fn expose_errors(mut self, expose: bool) -> Self {
        self.env.expose_errors = expose;
        self
    }

    /// Builds the client, which does not connect yet.
    pub fn build(self) -> Client {
        let default = || fixed_identity(Ok(self.options.spoken.protocol.default_identity()));
        let identity = self.identity.unwrap_or_else(default);
        let state = Arc::new(ClientState::new(self.options, self.env, self.listeners, &self.url));
        let target = Target { url: self.url, identity, meta: self.meta };
        Client(Arc::new(ClientInner { state, commands: Mutex::default(), target: Mutex::new(target) }))
    }

    /// Builds the client and [connects](Client::connect) it.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let client = self.build();
        client.connect().await?;
        Ok(client)
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("url", &dial::redacted(&self.url)).finish_non_exhaustive()
    }
}
