//! Frames of any shape, and what a peer is closed with that sends them.

use super::serving;
use crate::{
    events::{Log, log},
    frames::{Got, frame},
    raw::RawClient,
    servers::{attach, enter},
};
use serde_json::Value;
use wse::{Limits, Server};
use wse_frame::Opcode;

/// A server that writes down every message `m`, for as many devices of a user as like to come.
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

/// A frame of any first byte.
pub fn any_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(Opcode::Text, payload);
    bytes[0] = first;
    bytes
}

/// A peer, let in or not.
pub async fn peer(server: &Server, welcomed: bool) -> RawClient {
    if welcomed { enter(server, "eve").await } else { attach(server) }
}

/// The code that these bytes are closed with.
pub async fn code_of(peer: &mut RawClient, bytes: &[u8]) -> u16 {
    peer.write(bytes).await;
    match peer.next().await {
        Got::Close(Some((code, _))) => code,
        other => panic!("no close frame with a code: {other:?}"),
    }
}
