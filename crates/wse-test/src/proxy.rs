//! `Proxy`: a TCP proxy with faults in front of an address. It listens on 127.0.0.1 only, and looks at no
//! byte that it carries.

use crate::{
    connections::{Connection, Connections, Counts},
    device::Device,
    faults::Faults,
    relay::{End, Relay},
};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream, ToSocketAddrs, lookup_host},
    task::JoinSet,
};

/// The pause after an accept that failed (no file descriptors left, say).
const PAUSE: Duration = Duration::from_millis(50);

/// A TCP proxy in front of an address, with the [`Faults`] of a [`Net`](crate::Net). It serves tests
/// with servers and clients in other processes and languages, with TLS, which passes unchanged, and
/// of effects that only the operating system has.
///
/// It listens on a free port of 127.0.0.1. For each connection it opens one to the address behind
/// it. When that fails, it resets the client's connection. When the `Proxy` is dropped, its socket
/// and every connection are closed. Time is real here. Where bytes meet in the buffers of the
/// operating system, only their order is certain. So a test waits for what it expects
/// ([`until`](Proxy::until)) and compares numbers of bytes, not times.
///
/// ```
/// use wse::{Client, ClientEvent, Server};
/// use wse_test::Proxy;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::builder().identify(async |stranger, name: String| Ok(stranger.accept(name))).build();
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let proxy = Proxy::new(listener.local_addr()?).await?;
/// tokio::spawn({
///     let server = server.clone();
///     async move { server.serve(listener).await }
/// });
///
/// let (closed, mut is_closed) = tokio::sync::mpsc::channel(1);
/// let client = Client::builder(&proxy.url())
///     .identity("ann")
///     .when(async move |event| if let ClientEvent::Closed(how) = event { _ = closed.send(how.code).await })
///     .connect()
///     .await?;
///
/// proxy.faults().cut();
/// assert_eq!(is_closed.recv().await, Some(1006));
/// proxy.until(|counts| counts.live == 0).await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    connections: Arc<Connections>,
    /// Aborted with the proxy. The relays end with it.
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// A proxy in front of an address. A name is looked up once, and its first address is used.
    /// A server may begin to listen there later. It must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the name is not found or no port is free.
    pub async fn new(behind: impl ToSocketAddrs) -> io::Result<Self> {
        let behind = lookup_host(behind).await?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let connections = Arc::<Connections>::default();
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, behind, connections.clone()));
        Ok(Self { addr, connections, _accepting: accepting })
    }

    /// The address on which it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address for a client: `ws://127.0.0.1:port`, to which a path may be added.
    pub fn url(&self) -> String {
        format!("ws://{}", self.addr)
    }

    /// The faults of its connections.
    pub fn faults(&self) -> Faults {
        Faults::new(self.connections.clone())
    }

    /// What it has carried so far.
    pub fn counts(&self) -> Counts {
        self.connections.counts(None)
    }

    /// The connection of this number, counted from 1 as [`Faults::nth`] does: its faults and its counts.
    pub fn device(&self, number: u64) -> Device {
        Device::new(&self.connections, number)
    }

    /// Waits until a condition holds for the counts, and returns them. The counts change with every
    /// piece that is delivered. A condition that holds only between two looks may be missed.
    pub async fn until(&self, holds: impl FnMut(&Counts) -> bool) -> Counts {
        self.connections.until(None, holds).await
    }
}

/// Fails the test when a cut that it has ordered did not happen.
impl Drop for Proxy {
    fn drop(&mut self) {
        self.connections.check_orders();
    }
}

/// Accepts until it is dropped. The relays are dropped with it.
async fn accept(listener: TcpListener, behind: SocketAddr, connections: Arc<Connections>) {
    let mut relays = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((client, _)) => match connections.open() {
                Some(connection) => _ = relays.spawn(relay(client, behind, connection)),
                None => client.reset(),
            },
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(PAUSE).await;
            }
        }
        while relays.try_join_next().is_some() {}
    }
}

async fn relay(client: TcpStream, behind: SocketAddr, connection: Connection) {
    let Ok(server) = TcpStream::connect(behind).await else { return client.reset() };
    for tcp in [&client, &server] {
        // A piece must not wait for the next one. This fails only on a socket that is closed already.
        let _ = tcp.set_nodelay(true);
    }
    Relay::new(client, server, connection).await;
}
