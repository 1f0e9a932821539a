//! Some servers of one cluster that know one another.

use serde_json::Value;
use std::time::Duration;
use wse::{Conn, Event, Limits, Server, ServerBuilder};
use wse_test::Bus;
use wse_test_peers::{Events, events, server};

pub(crate) const S: Duration = Duration::from_secs(1);

/// Two servers with some handlers, and what they tell of users and devices.
pub(crate) async fn two(bus: &Bus) -> [(Server, Events); 2] {
    let servers = ["a", "b"].map(|name| one(bus, name, Limits::default()));
    meet(servers.iter().map(|(server, _)| server)).await;
    servers
}

/// One server of a cluster.
pub(crate) fn one(bus: &Bus, name: &str, limits: Limits) -> (Server, Events) {
    let (when, events) = events();
    let when = async move |event| {
        if !matches!(event, Event::Cluster(_)) {
            when(event).await;
        }
    };
    (server(|builder| handlers(builder.cluster(bus.node(name)).when(when).limits(limits))), events)
}

/// Handlers that say back what they hear, at once or later.
pub(crate) fn handlers(builder: ServerBuilder) -> ServerBuilder {
    builder
        .on("echo", async |conn: Conn, what: Value| {
            conn.send("echo", what)?;
            Ok(())
        })
        .on("later", async |conn: Conn, secs: u64| {
            tokio::time::sleep(Duration::from_secs(secs)).await;
            conn.send("later", secs)?;
            Ok(())
        })
        .on("ask-back", async |conn: Conn, secs: u64| {
            tokio::time::sleep(Duration::from_secs(secs)).await;
            let answer: u64 = conn.call("double", secs).await?;
            conn.send("answered", answer)?;
            Ok(())
        })
        .register("slow", async |_, secs: u64| {
            tokio::time::sleep(Duration::from_secs(secs)).await;
            Ok(secs)
        })
}

/// Waits until all of them know of all.
pub(crate) async fn meet<'a>(servers: impl Iterator<Item = &'a Server>) {
    let servers: Vec<&Server> = servers.collect();
    for server in &servers {
        let cluster = server.cluster().expect("it has one");
        while cluster.nodes().len() < servers.len() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        cluster.settled().await;
    }
    // A node that has just come reports nobody yet.
    tokio::time::sleep(6 * S).await;
}
