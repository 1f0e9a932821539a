//! The sockets that connections are accepted from: TCP on one address or several, or a Unix socket.

use crate::server::admission::peer::Peer;
use std::{future::poll_fn, io, task::Poll};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
#[cfg(unix)]
pub(crate) use unix::{SocketFile, UnixSocket};

/// What connections are accepted from.
pub(crate) trait Sockets: Send {
    type Io: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Peer)>> + Send;

    /// Moves an accepted socket to the runtime of the caller.
    fn adopt(io: Self::Io) -> io::Result<Self::Io>;
}

/// Listening TCP sockets, at least one.
pub(crate) struct TcpSockets {
    listeners: Vec<TcpListener>,
    /// The one that has its turn first, so that none waits for another.
    first: usize,
}

impl TcpSockets {
    pub(crate) fn new(listeners: Vec<TcpListener>) -> Self {
        Self { listeners, first: 0 }
    }
}

impl Sockets for TcpSockets {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, Peer)> {
        let count = self.listeners.len();
        self.first = (self.first + 1) % count;
        let turns = || (self.first..self.first + count).map(|turn| &self.listeners[turn % count]);
        let accepted = poll_fn(|cx| {
            let mut ready = turns().map(|listener| listener.poll_accept(cx)).filter(Poll::is_ready);
            ready.next().unwrap_or(Poll::Pending)
        });
        let (tcp, addr) = accepted.await?;
        // Fails only on a socket that is closed already.
        let _ = tcp.set_nodelay(true);
        Ok((tcp, Peer::Tcp(addr.ip())))
    }

    fn adopt(io: TcpStream) -> io::Result<TcpStream> {
        TcpStream::from_std(io.into_std()?)
    }
}

#[cfg(unix)]
mod unix {
    use super::Sockets;
    use crate::server::admission::peer::Peer;
    use std::{
        fs, io,
        os::unix::fs::MetadataExt,
        path::{Path, PathBuf},
    };
    use tokio::net::{UnixListener, UnixStream};

    /// A listening Unix socket, with its file if that is to be removed.
    pub(crate) struct UnixSocket {
        listener: UnixListener,
        _file: Option<SocketFile>,
    }

    impl UnixSocket {
        pub(crate) fn new(listener: UnixListener, file: Option<SocketFile>) -> Self {
            Self { listener, _file: file }
        }
    }

    impl Sockets for UnixSocket {
        type Io = UnixStream;

        async fn accept(&mut self) -> io::Result<(UnixStream, Peer)> {
            Ok((self.listener.accept().await?.0, Peer::Unix))
        }

        fn adopt(io: UnixStream) -> io::Result<UnixStream> {
            UnixStream::from_std(io.into_std()?)
        }
    }

    /// The file of a socket. Dropping this removes the file, unless another socket has its place by then.
    pub(crate) struct SocketFile {
        path: PathBuf,
        inode: Option<(u64, u64)>,
    }

    impl SocketFile {
        pub(crate) fn new(path: &Path) -> Self {
            Self { path: path.to_owned(), inode: inode(path).ok() }
        }
    }

    fn inode(path: &Path) -> io::Result<(u64, u64)> {
        fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
    }

    impl Drop for SocketFile {
        fn drop(&mut self) {
            if self.inode.is_some() && inode(&self.path).ok() == self.inode {
                // Where it cannot be removed, the next server replaces it.
                let _ = fs::remove_file(&self.path);
            }
        }
    }
}
