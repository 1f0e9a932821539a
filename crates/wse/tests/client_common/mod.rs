//! What the tests of the client share: a scripted server at the other end of a pipe, a net of real
//! servers, a log of events, the example programs. Nothing in here may decide what is right.
#![allow(dead_code, unused_imports, reason = "every test file uses a part of this")]

mod events;
mod messaging;
pub(crate) mod programs;
mod wire;

pub(crate) use events::{Events, Log, events};
pub(crate) use wire::{Asked, Dials, Got, Knock, Wire, dials};

use ::http::Uri;
use std::{future::Future, io, time::Duration};
use tokio::io::DuplexStream;
use wse::{Client, ClientBuilder, Server, ServerBuilder, Stranger};

/// Longer than anything takes; in tests with paused time it costs nothing.
pub(crate) const WAIT: Duration = Duration::from_secs(300);

/// Bytes that a pipe holds, unless a test says otherwise.
pub(crate) const PIPE: usize = 64 << 10;

/// A client of a scripted server.
pub(crate) fn scripted() -> (ClientBuilder, Dials) {
    let (dial, dials) = dials();
    (Client::builder("ws://a.test/").dial(dial), dials)
}

/// A client of the real servers of a net, connecting to `ws://a/`.
pub(crate) fn on_net(servers: &[(&'static str, &Server)]) -> ClientBuilder {
    Client::builder("ws://a/").dial(net(servers))
}

/// Dials real servers by the host of the address; nobody answers at any other.
pub(crate) fn net(
    servers: &[(&'static str, &Server)],
) -> impl Fn(Uri) -> std::future::Ready<io::Result<DuplexStream>> + Clone + Send + Sync + 'static {
    let servers: Vec<_> = servers.iter().map(|(host, server)| (*host, (*server).clone())).collect();
    move |uri| {
        let server = servers.iter().find(|(host, _)| uri.host() == Some(host)).map(|(_, server)| server.clone());
        std::future::ready(server.map(|server| pipe_to(server, PIPE)).ok_or(io::ErrorKind::ConnectionRefused.into()))
    }
}

/// A pipe to a real server.
pub(crate) fn pipe_to(server: Server, bytes: usize) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(bytes);
    tokio::spawn(async move { server.serve_stream(theirs, None).await });
    ours
}

/// A server that accepts everybody as the user whose name the identity is.
pub(crate) fn server(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Server {
    let builder = configure(Server::builder());
    builder.identify(async |stranger: Stranger, name: String| Ok(stranger.accept(name))).build()
}

/// Lets everything run until nobody has anything left to do. For paused time.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// What a future gives, which must come.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT, future).await.expect("it never came")
}

/// The time that a future takes, and what it gives.
pub(crate) async fn timed<T>(future: impl Future<Output = T>) -> (Duration, T) {
    let start = tokio::time::Instant::now();
    let output = soon(future).await;
    (start.elapsed(), output)
}

/// Whether two times are the same but for the timer's grain.
pub(crate) fn about(time: Duration, expected: Duration) -> bool {
    expected <= time && time < expected + Duration::from_millis(5)
}
