//! Connects to an address and upgrades the connection to WebSocket (RFC 6455 section 4.1). It must
//! never send the identity, which belongs into the first frame.

use crate::{
    app::erased::BoxFuture,
    connection::stream::Io,
    error::ConnectError,
    handshake::{accept_key, has_token},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::{io, sync::Arc};
use tokio::net::TcpStream;
use wse_proto::Hint;

/// Makes a stream to an address.
pub(crate) type Dial = Arc<dyn Fn(Uri) -> BoxFuture<io::Result<Io>> + Send + Sync>;

/// Wraps a TCP connection to a host in TLS.
pub(crate) type WrapTls = Arc<dyn Fn(TcpStream, String) -> BoxFuture<io::Result<Io>> + Send + Sync>;

/// Checks an address: `ws` or `wss`, with a host.
pub(crate) fn parse(url: &str) -> Result<Uri, ConnectError> {
    let bad = |why: &str| ConnectError::BadUrl(why.to_owned());
    let uri: Uri = url.parse().map_err(|_| bad("it does not parse as a URL"))?;
    if !matches!(uri.scheme_str(), Some("ws" | "wss")) {
        return Err(bad("it begins with neither ws:// nor wss://"));
    }
    match uri.host() {
        Some(host) if !host.is_empty() => Ok(uri),
        _ => Err(bad("it has no host")),
    }
}

/// Connects over TCP, and over TLS for `wss`.
pub(crate) async fn tcp(uri: Uri, wrap_tls: WrapTls) -> io::Result<Io> {
    let secure = uri.scheme_str() == Some("wss");
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let tcp = TcpStream::connect((host.as_str(), port)).await?;
    tcp.set_nodelay(true)?;
    if secure { wrap_tls(tcp, host).await } else { Ok(Box::new(tcp)) }
}

/// Asks for the upgrade and checks the answer. Returns the stream and the bytes read beyond the answer.
pub(crate) async fn upgrade(
    io: Io,
    uri: &Uri,
    protocol: &str,
    headers: &HeaderMap,
) -> Result<(Io, Vec<u8>), ConnectError> {
    let key = STANDARD.encode(rand::random::<[u8; 16]>());
    let mut request = Request::get(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, host_and_port(uri))
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, &key)
        .header(header::SEC_WEBSOCKET_PROTOCOL, protocol)
        .body(Empty::<Bytes>::new())
        .map_err(|error| ConnectError::BadUrl(error.to_string()))?;
    request.headers_mut().extend(headers.clone());

    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(unreachable)?;
    let connection = tokio::spawn(connection.with_upgrades());
    let response = sender.send_request(request).await.map_err(unreachable)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        connection.abort();
        return Err(upgrade_refused(&response));
    }
    let headers = response.headers();
    let upgraded = has_token(headers, &header::UPGRADE, "websocket")
        && has_token(headers, &header::CONNECTION, "upgrade")
        && !headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS);
    if !upgraded {
        return Err(not_a_server("it did not upgrade to WebSocket"));
    }
    let is = |name, value: &str| response.headers().get(name).is_some_and(|found: &HeaderValue| found == value);
    if !is(header::SEC_WEBSOCKET_ACCEPT, &accept_key(key.as_bytes())) {
        return Err(not_a_server("Sec-WebSocket-Accept does not match"));
    }
    // A server that selects no subprotocol is accepted here: its close frame may say why.
    if response.headers().contains_key(header::SEC_WEBSOCKET_PROTOCOL) && !is(header::SEC_WEBSOCKET_PROTOCOL, protocol)
    {
        return Err(not_a_server("it selected a subprotocol that was not offered"));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(unreachable)?;
    let parts = upgraded.downcast::<TokioIo<Io>>().map_err(|_| not_a_server("the stream was lost in the upgrade"))?;
    Ok((parts.io.into_inner(), parts.read_buf.to_vec()))
}

/// The error for a status other than 101. `Retry-After` counts with 503 and 429 only.
fn upgrade_refused<B>(response: &Response<B>) -> ConnectError {
    let busy = matches!(response.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
    let value = response.headers().get(header::RETRY_AFTER).filter(|_| busy);
    let retry_after = value.and_then(|value| Hint::retry_after(value.to_str().ok()?));
    ConnectError::UpgradeRefused { status: response.status().as_u16(), retry_after }
}

/// The authority without the user and password before an `@`.
fn host_and_port(uri: &Uri) -> &str {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// A server that does not speak HTTP is a permanent error, a broken connection a temporary one.
fn unreachable(error: hyper::Error) -> ConnectError {
    let kind = if error.is_parse() { io::ErrorKind::InvalidData } else { io::ErrorKind::Other };
    ConnectError::Unreachable(io::Error::new(kind, error))
}

/// The address to print: without user, path and query, which may hold secrets.
pub(crate) fn redacted(url: &str) -> String {
    match parse(url) {
        Ok(uri) => format!("{}://{}", uri.scheme_str().unwrap_or_default(), host_and_port(&uri)),
        Err(_) => "(invalid address)".to_owned(),
    }
}

fn not_a_server(why: &str) -> ConnectError {
    ConnectError::Unreachable(io::Error::new(io::ErrorKind::InvalidData, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_ws_or_wss_with_a_host() {
        assert_eq!(parse("ws://localhost:4300/path?x=1").unwrap().port_u16(), Some(4300));
        assert_eq!(parse("wss://[::1]/").unwrap().host(), Some("[::1]"));
        for bad in ["", "localhost:4300", "http://localhost", "ws://", "ws:///x", "ws:// space", "/ws"] {
            assert!(matches!(parse(bad), Err(ConnectError::BadUrl(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_password_in_the_address_is_no_part_of_the_host() {
        assert_eq!(host_and_port(&parse("ws://ann:secret@localhost:1/").unwrap()), "localhost:1");
        assert_eq!(host_and_port(&parse("ws://localhost/").unwrap()), "localhost");
        assert_eq!(redacted("wss://ann:secret@h.example:1/path?token=secret"), "wss://h.example:1");
        assert_eq!(redacted("secret"), "(invalid address)");
    }
}
