//! Sessions by hand: a raw client begins one, resumes it, and reads what is sent again.

use crate::{
    events::{Events, events},
    frames::Got,
    raw::RawClient,
    servers::{attach, server},
};
use serde_json::{Value, json};
use std::time::Duration;
use wse::{Conn, Limits, Server};

/// A client that sends a hi with a session, and what it is granted.
pub async fn begin(server: &Server, name: &str, session: Value) -> (RawClient, Value) {
    let mut peer = attach(server);
    peer.say("~wse:hi", json!({"identity": name, "session": session})).await;
    let welcome = peer.json().await;
    assert_eq!(welcome[0], "~wse:welcome", "{welcome}");
    (peer, welcome[2].clone())
}

/// The same for a session that is to be resumed.
pub async fn resume(server: &Server, name: &str, token: &Value, seen: u64) -> (RawClient, Value) {
    begin(server, name, json!({"resume": token, "seen": seen})).await
}

/// What the server sends again: everything that comes until the ping behind it.
pub async fn resent(peer: &mut RawClient) -> Vec<Value> {
    let mut frames = Vec::new();
    loop {
        match peer.next().await {
            Got::Text(text) => frames.push(serde_json::from_str(&text).expect("JSON")),
            Got::Ping(_) => return frames,
            other => panic!("{other:?}"),
        }
    }
}

/// A server with some handlers, and its events.
pub fn counting(limits: Limits) -> (Server, Events) {
    let (when, events) = events();
    let server = server(|builder| {
        builder
            .when(when)
            .limits(limits)
            .on("echo", async |conn: Conn, what: Value| {
                conn.send("echo", what)?;
                Ok(())
            })
            .register("slow", async |_, secs: u64| {
                tokio::time::sleep(Duration::from_secs(secs)).await;
                Ok(secs)
            })
    });
    (server, events)
}

/// The same for users with up to three devices.
pub fn three_devices() -> (Server, Events) {
    counting(Limits { conns_per_user: 3, ..Limits::default() })
}
