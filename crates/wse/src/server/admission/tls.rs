//! The server behind TLS, by rustls. It may never speak HTTP before the handshake is done.

use crate::{error::ServeError, server::Server};
use std::sync::Arc;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

impl Server {
    /// Listens on an address for TLS connections and serves them until the server is
    /// [shut down](Server::shutdown). The handshake has as long as the request after it,
    /// [`Limits::http_timeout`](crate::Limits::http_timeout).
    ///
    /// # Errors
    /// When the address cannot be bound, or the server was shut down before.
    pub async fn listen_tls(&self, addr: impl ToSocketAddrs, config: Arc<ServerConfig>) -> Result<(), ServeError> {
        let listener = TcpListener::bind(addr).await.map_err(ServeError::Listen)?;
        self.serve_tls(listener, config).await
    }

    /// Serves a socket that listens already, for TLS connections.
    ///
    /// # Errors
    /// When the server was shut down before.
    pub async fn serve_tls(&self, listener: TcpListener, config: Arc<ServerConfig>) -> Result<(), ServeError> {
        let acceptor = TlsAcceptor::from(config);
        self.accept(listener, async move |server: Server, tcp, addr, waiting| {
            let handshake = tokio::time::timeout(server.0.limits.http_timeout, acceptor.accept(tcp));
            let shaken = tokio::select! {
                shaken = handshake => shaken,
                () = waiting.evicted() => return tracing::debug!("no TLS, and others wait"),
            };
            match shaken {
                Ok(Ok(tls)) => server.serve_request(tls, Some(addr), waiting).await,
                Ok(Err(error)) => tracing::debug!(%error, "no TLS"),
                Err(_) => tracing::debug!("no TLS in time"),
            }
        })
        .await
    }
}
