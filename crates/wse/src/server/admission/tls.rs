//! The server behind TLS, by rustls. HTTP is spoken only after the TLS handshake.

use crate::{error::ServeError, server::Server};
use std::sync::Arc;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

impl Server {
    /// Listens on an address for TLS connections and serves them until the server is
    /// [shut down](Server::shutdown). The handshake may take
    /// [`Limits::http_timeout`](crate::Limits::http_timeout), and so may the request after it.
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
        self.accept(listener, async move |server: Server, tcp, addr, pending| {
            let handshake = tokio::time::timeout(server.0.env.limits.http_timeout, acceptor.accept(tcp));
            let stream = tokio::select! {
                stream = handshake => stream,
                () = pending.evicted() => return tracing::debug!("evicted before its TLS handshake"),
            };
            match stream {
                Ok(Ok(tls)) => server.serve_request(tls, Some(addr), pending).await,
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake timed out"),
            }
        })
        .await
    }
}
