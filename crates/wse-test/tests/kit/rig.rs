//! A network with both ends of its connections in hand, in memory or over TCP.

use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use wse_test::{Counts, Faults, Net, Proxy};
use wse_test_peers::soon;

/// A network with both ends of its connections in hand.
pub(crate) trait Rig {
    type Io: AsyncRead + AsyncWrite + Unpin;

    fn faults(&self) -> Faults;
    fn counts(&self) -> Counts;
    async fn until(&self, holds: impl FnMut(&Counts) -> bool) -> Counts;
    /// Dials. Returns the client's end and the server's, or `None` when it is refused.
    async fn dial(&mut self) -> Option<(Self::Io, Self::Io)>;
}

pub(crate) struct Memory {
    pub(crate) net: Net,
    accepted: mpsc::UnboundedReceiver<DuplexStream>,
}

pub(crate) fn memory() -> Memory {
    let (sender, accepted) = mpsc::unbounded_channel();
    let net = Net::serving(async move |stream| _ = sender.send(stream));
    Memory { net, accepted }
}

impl Rig for Memory {
    type Io = DuplexStream;

    fn faults(&self) -> Faults {
        self.net.faults()
    }

    fn counts(&self) -> Counts {
        self.net.counts()
    }

    async fn until(&self, holds: impl FnMut(&Counts) -> bool) -> Counts {
        soon(self.net.until(holds)).await
    }

    async fn dial(&mut self) -> Option<(DuplexStream, DuplexStream)> {
        match self.net.dial() {
            Ok(client) => Some((client, soon(self.accepted.recv()).await.expect("the network is there"))),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
                None
            }
        }
    }
}

pub(crate) struct Tcp {
    pub(crate) proxy: Proxy,
    listener: TcpListener,
}

pub(crate) async fn tcp() -> Tcp {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let proxy = Proxy::new(listener.local_addr().expect("an address")).await.expect("another");
    Tcp { proxy, listener }
}

impl Rig for Tcp {
    type Io = TcpStream;

    fn faults(&self) -> Faults {
        self.proxy.faults()
    }

    fn counts(&self) -> Counts {
        self.proxy.counts()
    }

    async fn until(&self, holds: impl FnMut(&Counts) -> bool) -> Counts {
        soon(self.proxy.until(holds)).await
    }

    async fn dial(&mut self) -> Option<(TcpStream, TcpStream)> {
        let before = self.counts();
        let mut client = TcpStream::connect(self.proxy.addr()).await.expect("the proxy listens");
        let after = self.until(|counts| counts.connections > before.connections).await;
        if after.refused > before.refused {
            assert!(read(&mut client).await.is_err(), "a reset");
            return None;
        }
        let (server, _) = soon(self.listener.accept()).await.expect("the proxy dials");
        Some((client, server))
    }
}

pub(crate) async fn write(io: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    soon(io.write_all(bytes)).await.expect("a stream that takes bytes");
}

/// What one read returns: nothing at the end.
pub(crate) async fn read(io: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; 64 << 10];
    let read = soon(io.read(&mut bytes)).await?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Exactly so many bytes.
pub(crate) async fn exactly(io: &mut (impl AsyncRead + Unpin), length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    soon(io.read_exact(&mut bytes)).await.expect("that many bytes");
    bytes
}

/// Everything up to the end, and whether that was abrupt.
pub(crate) async fn rest(io: &mut (impl AsyncRead + Unpin)) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    loop {
        match read(io).await {
            Ok(more) if more.is_empty() => return (bytes, false),
            Ok(more) => bytes.extend(more),
            Err(_) => return (bytes, true),
        }
    }
}

/// Whether there is neither a byte nor the end to be read at this moment.
pub(crate) async fn is_silent(io: &mut (impl AsyncRead + Unpin)) -> bool {
    tokio::time::timeout(Duration::ZERO, io.read_u8()).await.is_err()
}

/// Bytes that are not all alike.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}
