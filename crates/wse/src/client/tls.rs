//! TLS for `wss`, by rustls. It may never accept a certificate that the roots do not vouch for.

use super::{
    ClientBuilder,
    dial::{Io, Wrap},
};
use std::{io, sync::Arc};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
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

/// Trusts the roots of the operating system, read when the first connection needs them.
pub(crate) fn system() -> Wrap {
    Arc::new(|tcp, host| {
        Box::pin(async move {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            connect(Arc::new(config), tcp, host).await
        })
    })
}

async fn connect(config: Arc<ClientConfig>, tcp: tokio::net::TcpStream, host: String) -> io::Result<Io> {
    let name = ServerName::try_from(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    Ok(Box::new(TlsConnector::from(config).connect(name, tcp).await?))
}
