//! TLS for `wss`, by rustls. It must never accept a certificate that the roots do not vouch for.

use crate::{client::dial::WrapTls, connection::stream::Io};
use std::{
    io,
    sync::{Arc, OnceLock},
};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

/// Uses the application's configuration.
pub(crate) fn with_config(config: Arc<ClientConfig>) -> WrapTls {
    Arc::new(move |tcp, host| {
        let config = config.clone();
        Box::pin(handshake(config, tcp, host))
    })
}

/// Trusts the roots of the operating system. The first connection of the process that needs them
/// reads them.
pub(crate) fn with_system_roots() -> WrapTls {
    Arc::new(|tcp, host| {
        Box::pin(async move {
            // Reading the roots blocks the thread, once in a process.
            static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
            let config = tokio::task::spawn_blocking(|| CONFIG.get_or_init(|| Arc::new(system_config())).clone());
            handshake(config.await.map_err(io::Error::other)?, tcp, host).await
        })
    })
}

/// Names the crypto provider, since another crate may have made the default of the process ambiguous.
fn system_config() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the TLS versions that rustls considers safe")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

async fn handshake(config: Arc<ClientConfig>, tcp: TcpStream, host: String) -> io::Result<Io> {
    let name = ServerName::try_from(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    Ok(Box::new(TlsConnector::from(config).connect(name, tcp).await?))
}
