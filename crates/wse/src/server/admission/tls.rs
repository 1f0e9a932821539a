//! The server behind TLS, by rustls. HTTP is spoken only after the TLS handshake, in version 1.1.

use crate::{
    error::ServeError,
    server::{
        Server,
        admission::{
            bind::bind,
            sockets::{Sockets, TcpSockets},
            tls_handshake::TlsHandshake,
        },
    },
};
use std::sync::Arc;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ProtocolVersion, ServerConfig, ServerConnection},
};

/// The name of HTTP/1.1 in ALPN (RFC 7301 section 6).
const HTTP_1_1: &[u8] = b"http/1.1";

impl Server {
    /// Listens on all addresses of a name for TLS connections, as [`listen`](Server::listen) does, and
    /// serves them until the server is [shut down](Server::shutdown). The handshake may take
    /// [`Limits::http_timeout`](crate::Limits::http_timeout), and so may the request after it.
    ///
    /// HTTP/1.1 is all that is spoken: where the configuration has a list of protocols for ALPN, that
    /// alone is agreed on. [`Stranger::tls`](crate::Stranger::tls) shows the client's certificate.
    ///
    /// # Errors
    /// When an address cannot be bound, or the server was shut down before.
    pub async fn listen_tls(&self, addr: impl ToSocketAddrs, config: Arc<ServerConfig>) -> Result<(), ServeError> {
        self.accept_tls(bind(addr).await?, config).await
    }

    /// Serves a socket that listens already, for TLS connections.
    ///
    /// # Errors
    /// When the server was shut down before.
    pub async fn serve_tls(&self, listener: TcpListener, config: Arc<ServerConfig>) -> Result<(), ServeError> {
        self.accept_tls(TcpSockets::new(vec![listener]), config).await
    }

    async fn accept_tls(&self, sockets: impl Sockets, config: Arc<ServerConfig>) -> Result<(), ServeError> {
        let acceptor = TlsAcceptor::from(http_1_only(config));
        self.accept(sockets, async move |server: Server, io, peer, pending| {
            let handshake = tokio::time::timeout(server.0.env.limits.http_timeout, acceptor.accept(io));
            let stream = tokio::select! {
                stream = handshake => stream,
                () = pending.evicted() => {
                    tracing::debug!("evicted before its TLS handshake");
                    return None;
                }
            };
            match stream {
                Ok(Ok(tls)) => {
                    let agreed = agreed(tls.get_ref().1);
                    return server.serve_request(tls, peer, Some(agreed), pending).await;
                }
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake timed out"),
            }
            None
        })
        .await
    }
}

/// The configuration without protocols that are not spoken here: a browser that agrees on `h2` would speak
/// it.
fn http_1_only(config: Arc<ServerConfig>) -> Arc<ServerConfig> {
    if config.alpn_protocols.iter().all(|protocol| protocol == HTTP_1_1) {
        return config;
    }
    let mut config = Arc::unwrap_or_clone(config);
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Arc::new(config)
}

fn agreed(tls: &ServerConnection) -> TlsHandshake {
    let certificates = tls.peer_certificates().unwrap_or_default();
    TlsHandshake {
        peer_certificates: certificates.iter().map(|certificate| certificate.to_vec()).collect(),
        server_name: tls.server_name().map(str::to_owned),
        alpn: tls.alpn_protocol().map(<[u8]>::to_vec),
        version: tls.protocol_version().and_then(|version| match version {
            ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
            ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
            _ => None,
        }),
    }
}
