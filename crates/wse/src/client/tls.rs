//! TLS for `wss`, by rustls. It must never accept a certificate that the roots do not vouch for.

use crate::{
    client::{dial::WrapTls, issuer::issuer},
    connection::stream::Io,
    error::ConnectError,
};
use std::{
    cell::OnceCell,
    io,
    sync::{Arc, OnceLock},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
        client::{
            WebPkiServerVerifier,
            danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        },
        crypto::ring,
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

/// Uses the application's configuration.
pub(crate) fn with_config(config: Arc<ClientConfig>) -> WrapTls {
    Arc::new(move |io, host| {
        let config = config.clone();
        Box::pin(async move { handshake(config, io, server_name(host)?).await.map_err(ConnectError::Unreachable) })
    })
}

/// Trusts the roots of the operating system. The first connection of the process that needs them
/// reads them; a later one does where there were none.
pub(crate) fn with_system_roots() -> WrapTls {
    Arc::new(|io, host| {
        Box::pin(async move {
            let name = server_name(host)?;
            let opened = async {
                // Reading the roots blocks the thread.
                let config = tokio::task::spawn_blocking(system_config).await.map_err(io::Error::other)??;
                witnessed(config, io, name).await
            };
            opened.await.map_err(ConnectError::Unreachable)
        })
    })
}

fn server_name(host: String) -> Result<ServerName<'static>, ConnectError> {
    ServerName::try_from(host).map_err(|_| ConnectError::BadUrl("its host is no name that TLS knows".to_owned()))
}

async fn handshake(config: Arc<ClientConfig>, io: Io, name: ServerName<'static>) -> io::Result<Io> {
    Ok(Box::new(TlsConnector::from(config).connect(name, io).await?))
}

/// The configuration that trusts the roots of the operating system.
fn system_config() -> io::Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    match CONFIG.get() {
        Some(config) => Ok(config.clone()),
        None => read_roots().map(|config| CONFIG.get_or_init(|| Arc::new(config)).clone()),
    }
}

/// Names the crypto provider, since another crate may have made the default of the process ambiguous.
fn read_roots() -> io::Result<ClientConfig> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let errors: String = found.errors.iter().map(|error| format!(": {error}")).collect();
        let none = format!("no root certificates of the operating system were found{errors}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, none));
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let witness = Witness(verifier.map_err(io::Error::other)?);
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(io::Error::other)?.dangerous().with_custom_certificate_verifier(Arc::new(witness));
    Ok(config.with_no_client_auth())
}

tokio::task_local! {
    /// Who has issued the certificate that was rejected in the handshake of this task. The verifier is
    /// that of all handshakes, since rustls resumes a TLS session under the same verifier only.
    static REJECTED: OnceCell<String>;
}

/// Makes the handshake. Where the certificate is not trusted, the error tells who has issued it.
async fn witnessed(config: Arc<ClientConfig>, io: Io, name: ServerName<'static>) -> io::Result<Io> {
    let handshake = async {
        let opened = handshake(config, io, name).await;
        opened.map_err(|error| match REJECTED.with(|issuer| issuer.get().cloned()) {
            Some(issuer) => io::Error::new(error.kind(), format!("{error}; its issuer is {issuer:?}")),
            None => error,
        })
    };
    REJECTED.scope(OnceCell::new(), handshake).await
}

/// Verifies as the roots say, and remembers who has issued a certificate that they reject.
#[derive(Debug)]
struct Witness(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.0.verify_server_cert(end_entity, intermediates, name, ocsp_response, now);
        if let (Err(_), Some(issuer)) = (&verified, issuer(end_entity)) {
            _ = REJECTED.try_with(|rejected| rejected.set(issuer)); // the first of them counts
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
