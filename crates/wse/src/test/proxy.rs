//! `Proxy`: the same network over TCP, in front of an address. It may never look into what it
//! carries, and never listen to anybody but this machine.

use super::{
    carry::{Carry, End},
    faults::Faults,
    links::{Counts, Links, Live},
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

/// After an accept that failed (no file descriptors left, say).
const PAUSE: Duration = Duration::from_millis(50);

/// A proxy for TCP in front of an address, with the [`Faults`] of a [`Net`](super::Net): for
/// servers and clients in other processes and languages, for TLS, which passes as it is, and to see
/// what only the operating system does.
///
/// It listens on a free port of 127.0.0.1. For each connection it makes one to the address behind;
/// if that fails, the client's is reset. When the `Proxy` is dropped, its socket and every
/// connection are closed. Time is real here, and where bytes meet in the buffers of the operating
/// system, only their order is certain: a test waits for what it expects
/// ([`until`](Proxy::until)), and compares numbers of bytes, not times.
///
/// ```
/// use wse::{Client, ClientEvent, Server, test::Proxy};
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
    links: Arc<Links>,
    /// Ends with the proxy, and all connections with it.
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// A proxy in front of an address; a name is looked up once, and its first address counts.
    /// Nobody has to listen there yet. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the name is not found or no port is free.
    pub async fn new(behind: impl ToSocketAddrs) -> io::Result<Self> {
        let behind = lookup_host(behind).await?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let links = Arc::<Links>::default();
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, behind, links.clone()));
        Ok(Self { addr, links, _accepting: accepting })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it listens, for a client: `ws://127.0.0.1:port`, to which a path may be added.
    pub fn url(&self) -> String {
        format!("ws://{}", self.addr)
    }

    /// What it does to connections.
    pub fn faults(&self) -> Faults {
        Faults::new(self.links.clone())
    }

    /// What it has carried so far.
    pub fn counts(&self) -> Counts {
        self.links.counts()
    }

    /// Waits until the counts are as asked, and gives them. They change with every piece that is
    /// delivered; what was true only between two looks may be missed.
    pub async fn until(&self, holds: impl FnMut(&Counts) -> bool) -> Counts {
        self.links.until(holds).await
    }
}

/// Accepts until it is dropped, and then drops what it carries.
async fn accept(listener: TcpListener, behind: SocketAddr, links: Arc<Links>) {
    let mut carried = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((client, _)) => match links.begin() {
                Some(live) => _ = carried.spawn(carry(client, behind, live)),
                None => client.reset(),
            },
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(PAUSE).await;
            }
        }
        while carried.try_join_next().is_some() {}
    }
}

async fn carry(client: TcpStream, behind: SocketAddr, live: Live) {
    let Ok(server) = TcpStream::connect(behind).await else { return client.reset() };
    for tcp in [&client, &server] {
        // Pieces must not wait for one another. Fails only on a socket that is gone already.
        let _ = tcp.set_nodelay(true);
    }
    Carry::new(client, server, live).await;
}
