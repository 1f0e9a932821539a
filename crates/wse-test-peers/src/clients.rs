//! Clients under test, connected to a scripted server or to real servers.

use crate::{
    dials::{Dials, dials},
    servers::{PIPE, pipe_to},
};
use http::Uri;
use std::{
    future::{Ready, ready},
    io,
};
use tokio::io::DuplexStream;
use wse::{Client, ClientBuilder, Server};

/// A client of a scripted server.
pub fn scripted() -> (ClientBuilder, Dials) {
    let (dial, dials) = dials();
    (Client::builder("ws://a.test/").dial(dial), dials)
}

/// A client of the real servers of a net, connecting to `ws://a/`.
pub fn on_net(servers: &[(&'static str, &Server)]) -> ClientBuilder {
    Client::builder("ws://a/").dial(net(servers))
}

/// Dials real servers by the host of the address. Any other host refuses the connection.
pub fn net(
    servers: &[(&'static str, &Server)],
) -> impl Fn(Uri) -> Ready<io::Result<DuplexStream>> + Clone + Send + Sync + 'static {
    let servers: Vec<_> = servers.iter().map(|(host, server)| (*host, (*server).clone())).collect();
    move |uri| {
        let server = servers.iter().find(|(host, _)| uri.host() == Some(host)).map(|(_, server)| server.clone());
        ready(server.map(|server| pipe_to(server, PIPE)).ok_or(io::ErrorKind::ConnectionRefused.into()))
    }
}
