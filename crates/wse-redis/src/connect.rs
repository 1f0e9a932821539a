//! The connections of a bus: one a master that publishes, and those that subscribe.

use crate::{
    channels::{Channels, slot},
    map::{Address, Map},
};
use bytes::Bytes;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, PushInfo, PushKind, Value,
    aio::MultiplexedConnection, cmd,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;
use wse::cluster::{Arrivals, Reach};

/// A server has so long to let a connection in.
const CONNECT: Duration = Duration::from_secs(2);
/// And so long for an answer. Less than the time after which a node knows itself that nothing comes back.
const ANSWER: Duration = Duration::from_secs(3);

/// All connections of a bus, with the subscriptions in force.
pub(crate) struct Connections {
    pub(crate) map: Map,
    /// What publishes at each master of the map.
    pub(crate) publishers: Vec<MultiplexedConnection>,
    pub(crate) fate: Arc<Fate>,
    /// A connection lives as long as its handle.
    _subscribers: Vec<MultiplexedConnection>,
}

/// What is known of the connections that subscribe.
pub(crate) struct Fate {
    /// The channel of requests from outside.
    outside: String,
    /// One of them has ended, or has lost a subscription.
    pub(crate) lost: Notify,
    /// An empty message has come: the bus' own, to its inbox.
    probed: AtomicBool,
}

impl Fate {
    fn new(own: &Channels) -> Arc<Self> {
        Arc::new(Self { outside: own.outside(), lost: Notify::new(), probed: AtomicBool::new(false) })
    }

    /// Whether a probe has come since the last call.
    pub(crate) fn take_probed(&self) -> bool {
        self.probed.swap(false, Ordering::Relaxed)
    }

    /// Takes what a server pushes. It is called as it is read, so nothing waits in between.
    fn on(&self, push: PushInfo, arrivals: &Arrivals) {
        match push.kind {
            PushKind::Message | PushKind::SMessage => {
                let mut data = push.data.into_iter();
                let (Some(Value::BulkString(channel)), Some(Value::BulkString(payload))) = (data.next(), data.next())
                else {
                    return;
                };
                if channel == self.outside.as_bytes() {
                    // every server gets it
                    arrivals.outside(&payload, Reach::Here, None);
                } else if payload.is_empty() {
                    self.probed.store(true, Ordering::Relaxed);
                } else {
                    arrivals.arrived(Bytes::from(payload));
                }
            }
            PushKind::Disconnection | PushKind::Unsubscribe | PushKind::SUnsubscribe => self.lost.notify_one(),
            _ => {}
        }
    }
}

/// Connects to one Redis.
pub(crate) async fn single(
    server: &ConnectionInfo,
    own: &Channels,
    arrivals: &Arrivals,
) -> Result<Connections, String> {
    let fate = Fate::new(own);
    let mut subscriber = open(server, Some((&fate, arrivals))).await?;
    subscriber.subscribe(&own.subscribed()[..]).await.map_err(text)?;
    let publisher = open(server, None).await?;
    // where it is does not matter to a map of one
    let map = Map::single(Address { host: String::new(), port: 0 });
    Ok(Connections { map, publishers: vec![publisher], fate, _subscribers: vec![subscriber] })
}

/// Connects to all masters of a Redis Cluster, as this server of it knows them.
pub(crate) async fn cluster(
    server: &ConnectionInfo,
    own: &Channels,
    arrivals: &Arrivals,
) -> Result<Connections, String> {
    let map = ask(server).await?;
    let at = |master: usize| located(server, &map.masters[master]);
    let fate = Fate::new(own);
    let mut publishers = Vec::new();
    for master in 0..map.masters.len() {
        publishers.push(open(&at(master), None).await?);
    }
    // one connection a master; each channel in a command of its own, as they may be in different slots
    let mut subscribers = BTreeMap::new();
    for channel in own.subscribed() {
        let master = map.master_of(slot(&channel)).ok_or_else(|| unserved(&channel))?;
        let subscriber = match subscribers.entry(master) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(open(&at(master), Some((&fate, arrivals))).await?)
            }
        };
        cmd("SSUBSCRIBE").arg(&channel).query_async::<Value>(subscriber).await.map_err(text)?;
    }
    Ok(Connections { map, publishers, fate, _subscribers: subscribers.into_values().collect() })
}

/// Asks a server of a Redis Cluster which masters there are.
async fn ask(server: &ConnectionInfo) -> Result<Map, String> {
    let mut connection = open(server, None).await?;
    let answer: Value = cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await.map_err(text)?;
    let host = match server.addr() {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
        _ => "",
    };
    Map::read(&answer, host).ok_or_else(|| "CLUSTER SLOTS names no masters".to_owned())
}

/// Opens a connection, one that subscribes if there is somebody to push to.
async fn open(
    server: &ConnectionInfo,
    subscribes: Option<(&Arc<Fate>, &Arrivals)>,
) -> Result<MultiplexedConnection, String> {
    let client = Client::open(server.clone()).map_err(text)?;
    let mut config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(ANSWER));
    if let Some((fate, arrivals)) = subscribes {
        let (fate, arrivals) = (Arc::clone(fate), arrivals.clone());
        config = config.set_push_sender(move |push| {
            fate.on(push, &arrivals);
            Ok::<(), ()>(())
        });
    }
    client.get_multiplexed_async_connection_with_config(&config).await.map_err(text)
}

/// The same login and TLS at another address.
pub(crate) fn located(server: &ConnectionInfo, Address { host, port }: &Address) -> ConnectionInfo {
    let (host, port) = (host.clone(), *port);
    let address = match server.addr().clone() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure, tls_params }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    server.clone().set_addr(address)
}

/// That no master has the slot of a channel.
pub(crate) fn unserved(channel: &str) -> String {
    format!("no master has the slot of {channel}")
}

/// An error of the library as text. It repeats what the server says, which never is the password.
pub(crate) fn text(error: redis::RedisError) -> String {
    error.to_string()
}
