//! A restart on real sockets: a server with many clients goes, a new one takes its port, and all of
//! them come back.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::net::{TcpListener, TcpStream};
use wse::{Backoff, Client, Server};
use wse_test_peers::{Events, events, server, soon};

const CLIENTS: usize = 50;

/// A client that comes back, how often it has dialed, and what it tells.
struct Device {
    _client: Client,
    dials: Arc<AtomicUsize>,
    events: Events,
}

impl Device {
    async fn enter(addr: String, name: usize) -> Self {
        let dials = Arc::new(AtomicUsize::new(0));
        let dialed = dials.clone();
        let dial = move |_| {
            dialed.fetch_add(1, Ordering::Relaxed);
            TcpStream::connect(addr.clone())
        };
        let (when, events) = events();
        let builder = Client::builder("ws://a.test/").dial(dial).identity(&name.to_string()).when(when);
        let client = soon(builder.reconnect(Backoff::default()).connect()).await.expect("it comes in");
        Self { _client: client, dials, events }
    }
}

fn serve(server: &Server, listener: TcpListener) -> tokio::task::JoinHandle<()> {
    let server = server.clone();
    tokio::spawn(async move { server.serve(listener).await.expect("it serves") })
}

#[tokio::test]
async fn a_new_server_on_the_same_port_takes_everybody_back_and_nobody_tries_twice() {
    // An address of its own, so that no other test takes the port meanwhile.
    let listener = TcpListener::bind("127.0.0.6:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let old = server(|builder| builder);
    let serving = serve(&old, listener);
    let mut devices = Vec::new();
    for name in 0..CLIENTS {
        devices.push(Device::enter(addr.clone(), name).await);
    }
    assert_eq!(old.conn_count(), CLIENTS);

    let began = Instant::now();
    soon(old.shutdown(Duration::from_secs(10))).await;
    serving.await.unwrap();
    let new = server(|builder| builder);
    let serving = serve(&new, TcpListener::bind(&addr).await.unwrap());

    let mut told = HashSet::new();
    for Device { dials, events, .. } in &mut devices {
        let closed = soon(events.next_like("closed")).await;
        let after = closed.strip_prefix("closed 1012 wse.restart after=").expect("it was told when");
        let after = after.parse::<u64>().expect("milliseconds");
        soon(events.next_like("ready")).await;
        assert!(began.elapsed() >= Duration::from_millis(after), "it keeps its turn");
        assert_eq!(dials.load(Ordering::Relaxed), 2, "{after}");
        told.insert(after);
    }
    assert_eq!(told.len(), CLIENTS, "each was told another time: {told:?}");
    assert!(told.iter().all(|after| (1000..1100).contains(after)), "{told:?}");
    assert_eq!(new.conn_count(), CLIENTS);
    soon(new.shutdown(Duration::from_secs(10))).await;
    serving.await.unwrap();
}
