//! Servers that a test floods, and their peers.

use crate::{
    events::{Log, log},
    raw::RawClient,
    servers::{attach, enter, server},
};
use serde_json::Value;
use std::time::Duration;
use wse::{Limits, Protocol, Server, ServerBuilder, WsMessaging};

/// Limits for many devices of one user, whose ends are waited for.
pub fn many_devices() -> Limits {
    Limits { conns_per_user: 10_000, close_timeout: Duration::from_millis(300), ..Limits::default() }
}

/// A server that answers good clients, with further settings.
pub fn serving(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Server {
    server(|builder| configure(builder.register("echo", async |_, what: Value| Ok(what))))
}

/// All that a server can speak; what a request does not choose is that of `wse`.
pub fn every_wire() -> [Protocol; 3] {
    [Protocol::Wse, Protocol::WseMsgpack, WsMessaging::new().into()]
}

/// A server that writes down every message `m`, for any number of devices of a user.
pub fn noting(limits: Limits) -> (Server, Log) {
    let log = log();
    let noted = log.clone();
    let server = serving(|builder| {
        builder.limits(Limits { conns_per_user: 10_000, ..limits }).on("m", async move |_, what: Value| {
            noted.add(what);
            Ok(())
        })
    });
    (server, log)
}

/// A peer, accepted or not.
pub async fn peer(server: &Server, welcomed: bool) -> RawClient {
    if welcomed { enter(server, "eve").await } else { attach(server) }
}
