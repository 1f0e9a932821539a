//! `Net`: a network in memory. It opens no socket and reads no clock but tokio's.

use crate::{
    connections::{Connections, Counts},
    device::Device,
    faults::Faults,
    relay::Relay,
    standstill,
};
use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{io::DuplexStream, task::JoinSet};
use wse::{Client, ClientBuilder, Server};

/// Bytes that an end holds until they are read.
const PIPE: usize = 16 << 10;

/// A network in memory between a server and its clients, with [`Faults`]. It uses no sockets. With
/// tokio's paused time (`#[tokio::test(start_paused = true)]`, tokio's feature `test-util`) a minute
/// takes no time. On tokio's current-thread runtime, which `#[tokio::test]` uses, every run is the
/// same. Random values (keys, masks, stamps) differ, but have the same length each time. A client's
/// [`Backoff`](wse::Backoff) has no jitter when its `max` is zero.
///
/// The server sees no remote address, so the limit of strangers per address is not in force. When
/// the `Net` is dropped, every connection ends without a close frame and further dials fail.
///
/// ```
/// use std::time::Duration;
/// use tokio::time::Instant;
/// use wse::Server;
/// use wse_test::Net;
///
/// # // What `#[tokio::test(start_paused = true)]` makes of a test.
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::builder()
///     .identify(async |stranger, name: String| Ok(stranger.accept(name)))
///     .register("add", async |_, (a, b): (i64, i64)| Ok(a + b))
///     .build();
/// let net = Net::new(&server);
/// let client = net.client().identity("ann").connect().await?;
///
/// net.faults().latency(Duration::from_secs(3));
/// let start = Instant::now();
/// assert_eq!(client.call::<_, i64>("add", (2, 3)).await?, 5);
/// assert_eq!(start.elapsed().as_secs(), 6, "three seconds there, three back");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Net {
    inner: Arc<Inner>,
    url: String,
}

type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Inner {
    serve: Box<dyn Fn(DuplexStream) -> Serving + Send + Sync>,
    connections: Arc<Connections>,
    /// Aborted when this is dropped. Clients hold a weak reference, so they do not prevent it.
    tasks: Mutex<JoinSet<()>>,
}

impl Net {
    /// A network in front of a server. Its clients dial the server's path.
    pub fn new(server: &Server) -> Self {
        let path = server.path().unwrap_or_default().to_owned();
        let server = server.clone();
        let mut net = Self::serving(async move |stream| server.serve_stream(stream, None).await);
        net.url = format!("ws://in.memory{path}");
        net
    }

    /// A network in front of anything that takes a stream. `async |stream|` runs once for each
    /// connection: a server of your own, or a few lines that play one.
    ///
    /// ```
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let net = wse_test::Net::serving(async |mut stream: DuplexStream| {
    ///     let _request = stream.read_u8().await;
    ///     stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").await.expect("a client is there");
    /// });
    /// let error = net.client().identity("ann").connect().await.expect_err("no server is there");
    /// assert!(matches!(error, wse::ConnectError::UpgradeRefused { status: 503, .. }));
    ///
    /// net.faults().to_client().cut_after(12);
    /// let mut stream = net.dial()?;
    /// stream.write_all(b"GET").await?;
    /// let mut answer = String::new();
    /// stream.read_to_string(&mut answer).await?;
    /// assert_eq!(answer, "HTTP/1.1 503");
    /// # Ok(())
    /// # }
    /// ```
    pub fn serving<F, Fut>(serve: F) -> Self
    where
        F: FnOnce(DuplexStream) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let inner = Inner {
            serve: Box::new(move |stream| Box::pin(serve.clone()(stream))),
            connections: Arc::default(),
            tasks: Mutex::default(),
        };
        Self { inner: Arc::new(inner), url: "ws://in.memory/".to_owned() }
    }

    /// Starts to configure a client that dials into this network, for every address: a
    /// [`jump`](Client::jump) stays within it.
    pub fn client(&self) -> ClientBuilder {
        let net = Arc::downgrade(&self.inner);
        Client::builder(&self.url).dial(async move |_| net.upgrade().ok_or_else(refused)?.dial())
    }

    /// A stream to the server, for a peer that is not a [`Client`]: raw bytes, a client of your own.
    /// Each end holds at most 16 KiB that were not read yet. It must be called within a tokio runtime.
    ///
    /// # Errors
    /// `ConnectionRefused` by [`Faults::refuse`].
    pub fn dial(&self) -> io::Result<DuplexStream> {
        self.inner.dial()
    }

    /// The faults of its connections.
    pub fn faults(&self) -> Faults {
        Faults::new(self.inner.connections.clone())
    }

    /// What it has carried so far.
    pub fn counts(&self) -> Counts {
        self.inner.connections.counts(None)
    }

    /// The connection of this number, counted from 1 as [`Faults::nth`] does: its faults and its counts.
    pub fn device(&self, number: u64) -> Device {
        Device::new(&self.inner.connections, number)
    }

    /// Waits until a condition holds for the counts, and returns them. The counts change with every
    /// piece that is delivered. A condition that holds only between two looks may be missed.
    pub async fn until(&self, holds: impl FnMut(&Counts) -> bool) -> Counts {
        self.inner.connections.until(None, holds).await
    }
}

/// Fails the test when a cut that it has ordered did not happen.
impl Drop for Net {
    fn drop(&mut self) {
        self.inner.connections.check_orders();
    }
}

impl Inner {
    fn dial(&self) -> io::Result<DuplexStream> {
        let connection = self.connections.open().ok_or_else(refused)?;
        let (dialed, client) = tokio::io::duplex(PIPE);
        let (server, accepted) = tokio::io::duplex(PIPE);
        let serving = (self.serve)(accepted);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.connections.counts(None).connections == 1 {
            tasks.spawn(standstill::watch(Arc::downgrade(&self.connections)));
        }
        while tasks.try_join_next().is_some() {}
        tasks.spawn(serving);
        tasks.spawn(Relay::new(client, server, connection));
        Ok(dialed)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").field("counts", &self.connections.counts(None)).finish_non_exhaustive()
    }
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, "refused by the test network")
}
