//! The testbed as a node of a cluster: its bus, what it tells of the others, and the lines about them.

use crate::{Failure, options::Options};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use wse::{
    Conn, Handlers, RpError, ServerBuilder,
    cluster::{ClusterEvent, ClusterOptions},
};
use wse_nats::Nats;
use wse_redis::Redis;

/// Has the server take part in the cluster of the options, if they name one.
pub(crate) fn join<I>(server: ServerBuilder<I>, options: &Options) -> Result<ServerBuilder<I>, Failure> {
    let Some(engine) = &options.cluster else { return Ok(server) };
    let mut told = ClusterOptions::new().name(&options.cluster_name).outside(options.outside);
    if let Some(node) = &options.node {
        told = told.node(node);
    }
    if let Some(key) = options.cluster_key {
        told = keyed(told, key)?;
    }
    let server = server.cluster_options(told);
    Ok(match engine.split_once("redis-cluster://") {
        Some((_, servers)) => server.cluster(Redis::cluster(servers.split(','))?),
        None if engine.starts_with("redis") => server.cluster(Redis::connect(engine)?),
        None => server.cluster(Nats::connect(engine)?),
    })
}

#[cfg(feature = "tls")]
fn keyed(options: ClusterOptions, key: [u8; 32]) -> Result<ClusterOptions, Failure> {
    Ok(options.key(key))
}

#[cfg(not(feature = "tls"))]
fn keyed(_: ClusterOptions, _: [u8; 32]) -> Result<ClusterOptions, Failure> {
    Err("--cluster-key needs the feature tls".into())
}

pub(crate) fn handlers() -> Handlers<Conn> {
    Handlers::<Conn>::new().register("nodes", async |conn, _: IgnoredAny| Ok(nodes(&conn)?))
}

/// What this node knows of the cluster.
fn nodes(conn: &Conn) -> Result<Value, RpError> {
    let cluster = conn.server().cluster().ok_or_else(|| RpError::new("no-cluster"))?;
    let nodes: Vec<Value> =
        cluster.nodes().iter().map(|(node, name)| json!({"node": node.to_string(), "name": name})).collect();
    let stale = cluster.stale_since().map(|since| since.elapsed().as_millis() as u64);
    let me = cluster.node().to_string();
    Ok(json!({"me": me, "nodes": nodes, "connected": cluster.is_connected(), "stale_ms": stale}))
}

/// The line of an event.
pub(crate) fn line(event: ClusterEvent) -> Option<Value> {
    let line = |what| json!({"event": "cluster", "what": what});
    let about = |what, node: wse::cluster::NodeId| json!({"event": "cluster", "what": what, "node": node.to_string()});
    Some(match event {
        ClusterEvent::Up(node) => about("up", node),
        ClusterEvent::Down(node, why) => {
            let mut line = about("down", node);
            line["why"] = json!(format!("{why:?}").to_lowercase());
            line
        }
        ClusterEvent::Deaf => line("deaf"),
        ClusterEvent::Back => line("back"),
        ClusterEvent::Gap { to, sends } => {
            let mut line = about("gap", to);
            line["sends"] = json!(sends);
            line
        }
        _ => return None,
    })
}
