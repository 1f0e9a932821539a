//! The ways to serve: on addresses, on sockets that listen already, on a Unix socket.

#[cfg(unix)]
use crate::server::admission::{bind::bind_unix, sockets::UnixSocket};
use crate::{
    error::ServeError,
    server::{
        Server,
        admission::{
            bind::bind,
            sockets::{Sockets, TcpSockets},
        },
    },
};
use tokio::net::{TcpListener, ToSocketAddrs};

impl Server {
    /// Listens on all addresses that a name resolves to, and serves them until the server is
    /// [shut down](Server::shutdown): `localhost:4200` is most often `127.0.0.1` and `[::1]`. An address
    /// that this machine does not have is left out, as long as it has another.
    ///
    /// # Errors
    /// When an address cannot be bound, or the server was shut down before.
    pub async fn listen(&self, addr: impl ToSocketAddrs) -> Result<(), ServeError> {
        self.accept_plain(bind(addr).await?).await
    }

    /// Serves a socket that listens already, until the server is [shut down](Server::shutdown).
    ///
    /// # Errors
    /// When the server was shut down before.
    pub async fn serve(&self, listener: TcpListener) -> Result<(), ServeError> {
        self.accept_plain(TcpSockets::new(vec![listener])).await
    }

    /// Listens on a Unix socket and serves it until the server is [shut down](Server::shutdown). The file
    /// of a socket on which nobody listens any more is replaced; the file is removed when this stops
    /// listening. Its permissions, by the umask of the process, say who may connect.
    ///
    /// Whoever may connect is trusted as a [proxy](crate::ServerBuilder::trusted_proxy). A device that no
    /// proxy names an address for has none.
    ///
    /// # Errors
    /// When another process listens there, when the path is another file, when the socket cannot be
    /// bound, or when the server was shut down before.
    #[cfg(unix)]
    pub async fn listen_unix(&self, path: impl AsRef<std::path::Path>) -> Result<(), ServeError> {
        self.accept_plain(bind_unix(path.as_ref()).await?).await
    }

    /// Serves a Unix socket that listens already, until the server is [shut down](Server::shutdown). Its
    /// file stays.
    ///
    /// # Errors
    /// When the server was shut down before.
    #[cfg(unix)]
    pub async fn serve_unix(&self, listener: tokio::net::UnixListener) -> Result<(), ServeError> {
        self.accept_plain(UnixSocket::new(listener, None)).await
    }

    /// The only path that [`listen`](Server::listen) and its siblings serve; `None` when they serve
    /// all.
    pub fn path(&self) -> Option<&str> {
        self.0.rules.path.as_deref()
    }

    async fn accept_plain(&self, sockets: impl Sockets) -> Result<(), ServeError> {
        self.accept(sockets, async |server: Server, io, peer, pending| {
            server.serve_request(io, peer, None, pending).await
        })
        .await
    }
}
