//! What the tests of this crate share: a raw peer, a log of events, the HTTP of an upgrade, the
//! other wires. Nothing in here may use the library's own client.
#![allow(dead_code, unused_imports, reason = "every test file uses a part of this")]

mod events;
mod http;
mod messaging;
mod raw;
mod session;

pub(crate) use events::{Events, Log, events, line};
pub(crate) use http::{Answer, dial, knock, request, upgrade};
pub(crate) use messaging::{attach_to, messaging, offering, pack, sit_down, unpack};
pub(crate) use raw::{Got, Raw, Reader, Writer, frame, header, text};
pub(crate) use session::{again, begin, counting, resume, three_devices};

use ::http::Request;
use std::time::Duration;
use tokio::{io::DuplexStream, task::JoinHandle};
use wse::{Closed, Server, ServerBuilder, Stranger};

/// Bytes that a pipe holds, unless a test says otherwise.
pub(crate) const PIPE: usize = 64 << 10;

/// A server that accepts everybody as the user whose name the identity is.
pub(crate) fn server(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Server {
    let builder = configure(Server::builder());
    builder.identify(async |stranger: Stranger, name: String| Ok(stranger.accept(name))).build()
}

/// A peer connected by a pipe.
pub(crate) fn attach(server: &Server) -> Raw {
    attach_with(server, PIPE, Request::new(())).0
}

/// A peer connected by a pipe of that size, and how its connection will have ended.
pub(crate) fn attach_with(server: &Server, pipe: usize, request: Request<()>) -> (Raw, JoinHandle<Closed>) {
    let (ours, theirs) = tokio::io::duplex(pipe);
    let ended = server.attach(theirs, request).expect("the server runs");
    (Raw::new(ours), ended)
}

/// A peer that was let in.
pub(crate) async fn enter(server: &Server, name: &str) -> Raw {
    let mut peer = attach(server);
    peer.enter(name).await;
    peer
}

/// Lets everything run until nobody has anything left to do. For paused time.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// The time that a future takes, and what it gives.
pub(crate) async fn timed<T>(future: impl Future<Output = T>) -> (Duration, T) {
    let start = tokio::time::Instant::now();
    let output = future.await;
    (start.elapsed(), output)
}

/// Whether two times are the same but for the timer's grain.
pub(crate) fn about(time: Duration, expected: Duration) -> bool {
    expected <= time && time < expected + Duration::from_millis(5)
}

/// How a connection ended, as text.
pub(crate) async fn end(ended: JoinHandle<Closed>) -> String {
    let ended = tokio::time::timeout(WAIT, ended).await.expect("it ends");
    ended.expect("the task of a connection never panics").to_string()
}

/// Longer than anything takes; in tests with paused time it costs nothing.
pub(crate) const WAIT: Duration = Duration::from_secs(90);

/// In order, what handlers wrote down.
pub(crate) fn log() -> Log {
    Log::default()
}
