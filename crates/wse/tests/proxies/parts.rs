//! What stands at either side of a proxy: a server with its events, a client with its own.

use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpListener;
use wse::{Backoff, Client, ClientBuilder, Server, ServerBuilder};
use wse_test_peers::{Events, events, server, soon};

/// How long something that comes by itself may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running server.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) server: Server,
    pub(crate) events: Events,
    pub(crate) addr: SocketAddr,
}

impl Upstream {
    /// A server on a port of its own.
    pub(crate) async fn start(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), configure).await
    }

    /// A server at this address.
    pub(crate) async fn start_at(addr: SocketAddr, configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let (when, events) = events();
        let server = server(|builder| configure(builder.when(when)));
        let listener = TcpListener::bind(addr).await.expect("the port is free");
        let addr = listener.local_addr().expect("an address");
        let serving = server.clone();
        tokio::spawn(async move { serving.serve(listener).await });
        Self { server, events, addr }
    }

    /// Shuts it down, and returns where it has listened.
    pub(crate) async fn stop(self) -> SocketAddr {
        soon(self.server.shutdown(Duration::ZERO)).await;
        self.addr
    }
}

/// A client of `ann` that comes back soon, not yet connected, and its events.
pub(crate) fn client(url: &str) -> (ClientBuilder, Events) {
    let (when, events) = events();
    let quick = Backoff { min: Duration::from_millis(20), max: Duration::from_millis(100), ..Backoff::default() };
    (Client::builder(url).identity("ann").reconnect(quick).when(when), events)
}

/// The same, connected, its first events taken.
pub(crate) async fn enter(url: &str) -> (Client, Events) {
    let (builder, mut events) = client(url);
    let client = builder.connect().await.expect("the server lets it in");
    next(&mut events, "ready").await;
    (client, events)
}

/// The next event that begins like this.
pub(crate) async fn next(events: &mut Events, start: &str) -> String {
    let found = tokio::time::timeout(PATIENCE, events.next_like(start)).await;
    found.unwrap_or_else(|_| panic!("no event began with `{start}`"))
}

/// What a future returns, which must be soon on a busy machine.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it never came")
}
