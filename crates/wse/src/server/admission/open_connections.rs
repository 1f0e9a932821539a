//! How many connections are open: a stream counts from its upgrade until it is dropped, whichever task has
//! it. A session without a connection does not count.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The open connections of one server.
#[derive(Debug, Default)]
pub(crate) struct OpenConnections(Arc<AtomicUsize>);

/// Counts one connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection(Arc<AtomicUsize>);

/// A stream that counts.
pub(crate) struct Counted<IO> {
    io: IO,
    _open: OpenConnection,
}

impl OpenConnections {
    /// Counts one more; `None` when there are `most`.
    pub(crate) fn enter(&self, most: usize) -> Option<OpenConnection> {
        let more = |open: usize| (open < most).then(|| open + 1);
        self.0.fetch_update(Relaxed, Relaxed, more).ok().map(|_| OpenConnection(self.0.clone()))
    }

    /// Counts one more, however many there are.
    pub(crate) fn enter_anyway(&self) -> OpenConnection {
        self.0.fetch_add(1, Relaxed);
        OpenConnection(self.0.clone())
    }
}

impl OpenConnection {
    /// The stream that is counted from now on.
    pub(crate) fn of<IO>(self, io: IO) -> Counted<IO> {
        Counted { io, _open: self }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Counted<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Counted<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
