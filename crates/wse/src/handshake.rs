//! The parts of the opening handshake that client and server share (RFC 6455 section 4). It must
//! never decide whether a request is accepted.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use sha1::{Digest, Sha1};

/// Appended to the client's key before the hash (RFC 6455 section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Accept` for a client's key.
pub(crate) fn accept_key(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// Whether a header that holds a list contains a token. Upper and lower case are the same.
pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lists = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    lists.flat_map(|list| list.split(|byte| *byte == b',')).any(|found| {
        let found = found.trim_ascii();
        found.eq_ignore_ascii_case(token.as_bytes())
    })
}

/// The tokens of a header that holds a list, over all its lines.
pub(crate) fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

/// The lines that offer extensions, or answer such an offer.
pub(crate) fn extensions(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter().map(|value| value.to_str().unwrap_or("?"))
}
