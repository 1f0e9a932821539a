//! Servers under test, and raw clients connected to them by pipes.

use crate::{raw::RawClient, time::WAIT};
use http::Request;
use serde_json::json;
use tokio::{io::DuplexStream, task::JoinHandle};
use wse::{Closed, Server, ServerBuilder, Stranger};

/// Bytes that a pipe holds, unless a test says otherwise.
pub const PIPE: usize = 64 << 10;

/// A server that accepts every device as the user whose name is the identity.
pub fn server(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Server {
    let builder = configure(Server::builder());
    builder.identify(async |stranger: Stranger, name: String| Ok(stranger.accept(name))).build()
}

/// A client connected by a pipe.
pub fn attach(server: &Server) -> RawClient {
    attach_with(server, PIPE, Request::new(())).0
}

/// A client connected by a pipe of that size, and how its connection will have ended.
pub fn attach_with(server: &Server, pipe: usize, request: Request<()>) -> (RawClient, JoinHandle<Closed>) {
    let (ours, theirs) = tokio::io::duplex(pipe);
    let ended = server.attach(theirs, request).expect("the server runs");
    (RawClient::new(ours), ended)
}

/// A client that was accepted.
pub async fn enter(server: &Server, name: &str) -> RawClient {
    let mut peer = attach(server);
    peer.enter(name).await;
    peer
}

/// A client that was accepted and says in its hi what it can.
pub async fn enter_able(server: &Server, name: &str, can: &[&str]) -> RawClient {
    let mut peer = attach(server);
    peer.say("~wse:hi", json!({"identity": name, "can": can})).await;
    let welcome = peer.json().await;
    assert_eq!((&welcome[0], welcome[2]["can"].is_array()), (&"~wse:welcome".into(), true), "{welcome}");
    peer
}

/// How a connection ended, as text.
pub async fn end(ended: JoinHandle<Closed>) -> String {
    let ended = tokio::time::timeout(WAIT, ended).await.expect("it ends");
    ended.expect("the task of a connection never panics").to_string()
}

/// A pipe to a real server.
pub fn pipe_to(server: Server, bytes: usize) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(bytes);
    tokio::spawn(async move { server.serve_stream(theirs, None).await });
    ours
}
