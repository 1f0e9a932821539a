//! How it is configured which requests are granted, and what the server believes of them.

use crate::{app::erased::caught, server::builder::ServerBuilder};
use http::{HeaderName, HeaderValue, StatusCode, header, request::Parts};
use ipnet::IpNet;
use std::{future::Future, sync::Arc};
use wse_proto::RpError;

/// Headers of HTTP and of the handshake itself, which are the server's. So is every `Sec-WebSocket-…`.
const OWN: [HeaderName; 6] = [
    header::CONNECTION,
    header::UPGRADE,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TRAILER,
    HeaderName::from_static("keep-alive"),
];

impl<I> ServerBuilder<I> {
    /// Allows an `Origin`: `https://example.com`. Scheme and host are compared without case, and a default
    /// port is none (`https://example.com:443` is the same origin); the rest is compared as a whole. By
    /// default every origin is allowed. Once one is given, a request with another origin or without one
    /// is answered 403. A request with two is answered 400, with a list and without.
    ///
    /// # Panics
    /// When the origin holds bytes that a header cannot hold.
    #[track_caller]
    pub fn origin(mut self, origin: &str) -> Self {
        assert!(HeaderValue::from_str(origin).is_ok(), "invalid origin: {origin:?} cannot stand in a header");
        self.options.rules.origins.allow(origin);
        self
    }

    /// Trusts proxies in this network to say where a request comes from: by `X-Forwarded-For` or, where
    /// that is absent, by `Forwarded`. By default both headers are ignored. A proxy on a Unix socket is
    /// trusted without this.
    ///
    /// Addresses may have ports and brackets. The device's address is the last one that is not a trusted
    /// proxy's. An entry that is no address (`unknown`, say) hides those before it.
    pub fn trusted_proxy(mut self, network: IpNet) -> Self {
        self.options.rules.trusted_proxies.push(network);
        self
    }

    /// Sets whether [trusted proxies](Self::trusted_proxy) send a PROXY header, version 1 or 2, before
    /// anything else on a connection: before TLS too. The device's address is then the one it names, and
    /// if that is a trusted proxy's, the headers of the request are read as well.
    ///
    /// A trusted proxy has to send the header: without one its connection is closed. Anybody else's
    /// connection is read as if this were off, so that nobody else chooses an address. It holds for
    /// [`listen`](crate::Server::listen) and its siblings. The header may take
    /// [`Limits::http_timeout`](crate::Limits::http_timeout), and have 4 KiB.
    pub fn proxy_protocol(mut self, expected: bool) -> Self {
        self.options.rules.proxy_protocol = expected;
        self
    }

    /// Gives the server so many threads of its own, each with a current-thread runtime of tokio, for what
    /// [`listen`](crate::Server::listen) and its siblings accept. Connections are handed to the threads in
    /// turn, so that each gets as many, and a thread serves all of its connections alike. By default, and with
    /// 0, they are served in the runtime of whoever listens. Each call of `listen` has its own threads.
    ///
    /// - Everything that runs for a connection runs on its thread: hooks, `identify`, handlers, listeners.
    ///   What they give to `tokio::spawn` stays there. They have to be `Send` as ever.
    /// - A handler that blocks stops all connections of its thread, and those that are handed to it
    ///   meanwhile. `spawn_blocking` moves such work away; `block_in_place` panics.
    /// - A message to a connection of another thread wakes that thread, which costs more than a wake within
    ///   one runtime.
    /// - A session that comes back over another thread goes on in its own, which is woken by that other
    ///   thread for each read.
    /// - The threads end when the server has stopped listening and no connection is left or under way: after a
    ///   [shutdown](crate::Server::shutdown), or when the future of `listen` was dropped and the last
    ///   connection has ended. Until then they serve the connections that are there. What was spawned on
    ///   them and has not ended is dropped then. The end of `main` does not wait for them.
    ///
    /// A thread for which 1024 connections wait is passed over. Where that holds for all threads, the server
    /// accepts no connection until one of them has room.
    ///
    /// ```no_run
    /// use std::thread::available_parallelism;
    ///
    /// #[tokio::main(flavor = "current_thread")] // it only accepts
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let cores = available_parallelism().map_or(1, usize::from);
    ///     let server = wse::Server::builder()
    ///         .identify(async |stranger, name: String| Ok(stranger.accept(name)))
    ///         .cores(cores)
    ///         .build();
    ///     Ok(server.listen("127.0.0.1:4200").await?)
    /// }
    /// ```
    pub fn cores(mut self, threads: usize) -> Self {
        self.options.rules.cores = threads;
        self
    }

    /// Sets a hook that sees every upgrade request before the upgrade is granted:
    /// `async |request| -> Result<(), StatusCode>`. The status of an error is the answer. It has
    /// [`Limits::http_timeout`](crate::Limits::http_timeout); then its future is dropped, and the answer
    /// is 503 with Retry-After. If it panics, the answer is 500.
    pub fn upgrade<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce(Arc<Parts>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), StatusCode>> + Send + 'static,
    {
        self.options.rules.upgrade = Some(Box::new(move |request| {
            let hook = hook.clone();
            let failed = |panic: RpError| {
                tracing::error!(%panic, "upgrade hook panicked");
                Err(StatusCode::INTERNAL_SERVER_ERROR)
            };
            Box::pin(caught(async move { hook(request).await }, failed))
        }));
        self
    }

    /// Adds a header to the answer that grants an upgrade, such as `Set-Cookie`. One that is given twice
    /// is sent twice.
    ///
    /// # Panics
    /// When it is no valid header, or one that the server writes itself: `Connection`, `Upgrade`, every
    /// `Sec-WebSocket-…`, and those that describe a body.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) else {
            panic!("invalid header: {name:?} with that value");
        };
        let own = OWN.contains(&name) || name.as_str().starts_with("sec-websocket-");
        assert!(!own, "invalid header: {name} is the server's own");
        self.options.rules.headers.append(name, value);
        self
    }

    /// Sets the path that [`listen`](crate::Server::listen) and its siblings serve; requests for others are
    /// answered 404. By default all paths are served. A [service](crate::Server::service) answers every
    /// request that its router passes on.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.options.rules.path = Some(path.into());
        self
    }

    /// Sets the path by which [`listen`](crate::Server::listen) and its siblings tell a load balancer how
    /// they are: GET and HEAD are answered 200, and 503 during the shutdown. They answer also when the
    /// server is full. With it they accept connections until the shutdown is over, to say so, unless
    /// their futures are dropped before; without it until it begins. By default there is none.
    pub fn health(mut self, path: impl Into<String>) -> Self {
        self.options.rules.health = Some(path.into());
        self
    }
}
