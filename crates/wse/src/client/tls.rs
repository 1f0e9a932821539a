//! TLS for `wss`, by rustls. It may never accept a certificate that the roots do not vouch for.

use crate::{
    client::{builder::ClientBuilder, dial::Wrap},
    connection::resume::Io,
};
use std::{
    io,
    sync::{Arc, OnceLock},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

impl ClientBuilder {
    /// Sets how `wss` is spoken: roots, client certificates, versions. The default trusts the roots
    /// of the operating system.
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.options.wrap = Arc::new(move |tcp, host| {
            let config = config.clone();
            Box::pin(connect(config, tcp, host))
        });
        self
    }
}

/// Trusts the roots of the operating system, read when the first connection of the process needs
/// them.
pub(crate) fn system() -> Wrap {
    Arc::new(|tcp, host| {
        Box::pin(async move {
            // Reading the roots blocks, but once a process.
            static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
            let config = tokio::task::spawn_blocking(|| CONFIG.get_or_init(|| Arc::new(trusting())).clone());
            connect(config.await.map_err(io::Error::other)?, tcp, host).await
        })
    })
}

/// By name and not by the process's default provider, which another crate may have made ambiguous.
fn trusting() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks the versions of TLS that rustls takes for safe")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

async fn connect(config: Arc<ClientConfig>, tcp: tokio::net::TcpStream, host: String) -> io::Result<Io> {
    let name = ServerName::try_from(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    Ok(Box::new(TlsConnector::from(config).connect(name, tcp).await?))
}
