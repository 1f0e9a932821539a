//! Upgrades a connection to WebSocket (RFC 6455 section 4.1). It must never send the identity, which
//! belongs into the first frame.

use crate::{
    client::{dial::host_and_port, http_error::io_error},
    connection::stream::Io,
    error::ConnectError,
    handshake::{accept_key, extensions, has_token},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io;
use wse_frame::deflate::Deflate;
use wse_proto::Hint;

/// A stream that the server has upgraded.
pub(crate) struct Upgraded {
    pub(crate) io: Io,
    /// Bytes read beyond the answer.
    pub(crate) ahead: Vec<u8>,
    /// Compression, where the server has agreed to it.
    pub(crate) deflate: Option<Deflate>,
}

/// Asks for the upgrade, and for compression if this side `compresses`. Checks the answer, whose headers are
/// told first, whatever it is.
pub(crate) async fn upgrade(
    io: Io,
    uri: &Uri,
    protocol: &str,
    headers: HeaderMap,
    compresses: bool,
    heard: impl FnOnce(&HeaderMap),
) -> Result<Upgraded, ConnectError> {
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
    request.headers_mut().extend(headers);
    if compresses {
        request.headers_mut().insert(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(Deflate::OFFER));
    }

    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(unreachable)?;
    let connection = tokio::spawn(connection.with_upgrades());
    let response = sender.send_request(request).await.map_err(unreachable)?;
    heard(response.headers());
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        connection.abort();
        return Err(upgrade_refused(&response));
    }
    let headers = response.headers();
    let upgraded = has_token(headers, &header::UPGRADE, "websocket")
        && has_token(headers, &header::CONNECTION, "upgrade")
        && (compresses || !headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS));
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
    let deflate = if compresses {
        Deflate::accept(extensions(response.headers())).map_err(|error| not_a_server(&error.to_string()))?
    } else {
        None
    };
    let upgraded = hyper::upgrade::on(response).await.map_err(unreachable)?;
    let parts = upgraded.downcast::<TokioIo<Io>>().map_err(|_| not_a_server("the stream was lost in the upgrade"))?;
    Ok(Upgraded { io: parts.io.into_inner(), ahead: parts.read_buf.to_vec(), deflate })
}

/// The error for a status other than 101. `Retry-After` counts with 503 and 429 only.
fn upgrade_refused<B>(response: &Response<B>) -> ConnectError {
    let busy = matches!(response.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
    let value = response.headers().get(header::RETRY_AFTER).filter(|_| busy);
    let retry_after = value.and_then(|value| Hint::retry_after(value.to_str().ok()?));
    ConnectError::UpgradeRefused { status: response.status().as_u16(), retry_after }
}

fn unreachable(error: hyper::Error) -> ConnectError {
    ConnectError::Unreachable(io_error(&error))
}

fn not_a_server(why: &str) -> ConnectError {
    ConnectError::Unreachable(io::Error::new(io::ErrorKind::InvalidData, why))
}
