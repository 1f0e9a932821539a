//! What a TLS handshake has agreed on, without a type of the TLS library.

/// What the TLS handshake of a device has agreed on, as [`Stranger::tls`](crate::Stranger::tls) shows it.
///
/// [`Server::listen_tls`](crate::Server::listen_tls) and [`serve_tls`](crate::Server::serve_tls) set it as
/// an extension of the request. Where another server ends TLS (axum, hyper), it can do the same.
///
/// ```
/// use wse::{Server, Stranger, codec::Payload};
///
/// let server = Server::builder().identify(async |stranger: Stranger, _: Payload<'static>| {
///     let certificate = stranger.tls().and_then(|tls| tls.peer_certificates.first());
///     Ok(match certificate {
///         Some(der) if der == b"the certificate of ann" => stranger.accept("ann"),
///         _ => stranger.refuse(),
///     })
/// });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsHandshake {
    /// The client's certificate in DER, then those that lead to its root; empty when it has shown none.
    /// The server's configuration has verified it.
    pub peer_certificates: Vec<Vec<u8>>,
    /// The host name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// The protocol that was agreed on (ALPN): `http/1.1`, if the client offered it.
    pub alpn: Option<Vec<u8>>,
    /// The version: `TLSv1.2` or `TLSv1.3`.
    pub version: Option<&'static str>,
}
