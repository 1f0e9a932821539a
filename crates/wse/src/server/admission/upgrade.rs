//! The answer to an upgrade request, as a value (RFC 6455 section 4.2, over HTTP/2 RFC 8441). A request
//! that it does not understand is refused. It never touches the connection.

use crate::{
    handshake::{accept_key, extensions, has_token, tokens},
    server::admission::origin::Origins,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header, request::Parts};
use http_body_util::Full;
use wse_frame::deflate::Deflate;
use wse_proto::Protocol;

/// The answer to an HTTP request.
pub(crate) type HttpAnswer = Response<Full<Bytes>>;

/// What a granted upgrade has agreed on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// The value of `Sec-WebSocket-Accept`; `None` over HTTP/2, which needs no proof that the server has
    /// understood the request.
    accept: Option<HeaderValue>,
    /// The protocol's place among the server's; `None` when the client offered nothing.
    pub(crate) protocol: Option<usize>,
    /// Compression (RFC 7692), where the server is set up for it and the client offers it.
    pub(crate) deflate: Option<Deflate>,
}

/// Checks a request and picks the first of the server's protocols that the client offers, and, where the server
/// `compresses`, the first offer of compression.
pub(crate) fn negotiate(
    request: &Parts,
    protocols: &[Protocol],
    origins: &Origins,
    compresses: bool,
) -> Result<Agreed, Box<HttpAnswer>> {
    let headers = &request.headers;
    let over_http_2 = asks(request)?;
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut answer = one_line(StatusCode::UPGRADE_REQUIRED, "WebSocket version 13 only");
        answer.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(answer.into());
    }
    if announces_body(headers) {
        return Err(one_line(StatusCode::BAD_REQUEST, "an upgrade has no body").into());
    }
    let accept = if over_http_2 { None } else { Some(accept(headers)?) };
    if let Err(status) = origins.check(headers) {
        let why = if status == StatusCode::FORBIDDEN { "this origin is not allowed" } else { "more than one origin" };
        return Err(one_line(status, why).into());
    }
    let Ok(protocol) = choose(headers, protocols) else {
        let names: Vec<&str> = protocols.iter().map(Protocol::name).collect();
        return Err(one_line(StatusCode::BAD_REQUEST, format!("the subprotocols here: {}", names.join(", "))).into());
    };
    let deflate = if compresses { Deflate::answer(extensions(headers)) } else { None };
    Ok(Agreed { accept, protocol, deflate })
}

/// Whether a request that asks for a WebSocket does it over HTTP/2, by an extended CONNECT (RFC 8441).
fn asks(request: &Parts) -> Result<bool, Box<HttpAnswer>> {
    let headers = &request.headers;
    match (&request.method, request.extensions.get::<hyper::ext::Protocol>()) {
        (&Method::CONNECT, Some(asked)) if asked.as_str() == "websocket" => Ok(true),
        (&Method::CONNECT, Some(_)) => {
            Err(one_line(StatusCode::NOT_IMPLEMENTED, "only WebSocket is spoken here").into())
        }
        (&Method::GET, _) => {
            let asks = request.version == Version::HTTP_11
                && has_token(headers, &header::CONNECTION, "upgrade")
                && has_token(headers, &header::UPGRADE, "websocket");
            if asks {
                return Ok(false);
            }
            let mut answer = one_line(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket endpoint");
            if request.version < Version::HTTP_2 {
                answer.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            }
            Err(answer.into())
        }
        _ => Err(one_line(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket is opened by GET").into()),
    }
}

/// Whether the request has a body. Nobody reads it, and what follows the request would be taken for frames.
fn announces_body(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    headers.contains_key(header::TRANSFER_ENCODING) || lengths.any(|length| length != "0")
}

/// The value that proves that the server has understood the request.
fn accept(headers: &HeaderMap) -> Result<HeaderValue, Box<HttpAnswer>> {
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    // A longer key does not fit, so that nothing is allocated for it.
    if STANDARD.decode_slice(key, &mut [0; 18]).is_ok_and(|length| length == 16)
        && let Ok(accept) = HeaderValue::try_from(accept_key(key))
    {
        return Ok(accept);
    }
    Err(one_line(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is not 16 bytes in base64").into())
}

/// The client offers subprotocols, but none that the server speaks.
#[derive(Debug)]
pub(crate) struct Unknown;

/// The place of the first of the server's protocols that the client offers; `None` when it offers
/// nothing at all.
pub(crate) fn choose(headers: &HeaderMap, protocols: &[Protocol]) -> Result<Option<usize>, Unknown> {
    let mut offered = tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL).peekable();
    if offered.peek().is_none() {
        return Ok(None);
    }
    let offers = |name| tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == name);
    protocols.iter().position(|protocol| offers(protocol.name())).map(Some).ok_or(Unknown)
}

impl Agreed {
    /// The answer that grants the upgrade, with the application's headers: 101, or over HTTP/2 200.
    pub(crate) fn answer(&self, protocols: &[Protocol], more: &HeaderMap) -> HttpAnswer {
        let protocol = self.protocol.and_then(|place| protocols.get(place)).map(Protocol::name);
        let mut answer = Response::new(Full::default());
        let headers = answer.headers_mut();
        headers.reserve(4 + more.len());
        if let Some(accept) = &self.accept {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept.clone());
        }
        match protocol.map(HeaderValue::from_str) {
            Some(Ok(protocol)) => _ = headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol),
            // A custom codec whose name is not a token, which no client could have offered.
            Some(Err(_)) => return one_line(StatusCode::INTERNAL_SERVER_ERROR, "a bad subprotocol"),
            None => {}
        }
        if let Some(deflate) = self.deflate {
            // It is ASCII, so it always is a header.
            headers.extend(
                HeaderValue::from_str(&deflate.response()).map(|value| (header::SEC_WEBSOCKET_EXTENSIONS, value)),
            );
        }
        for (name, value) in more {
            headers.append(name, value.clone());
        }
        if self.accept.is_some() {
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        }
        answer
    }
}

/// The answer of the application's hook.
pub(crate) fn refused_by(status: StatusCode) -> HttpAnswer {
    one_line(status, status.canonical_reason().unwrap_or("refused"))
}

/// An answer of one line.
pub(crate) fn one_line(status: StatusCode, text: impl Into<String>) -> HttpAnswer {
    let mut answer = Response::new(Full::from(text.into() + "\n"));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// The answer when the server takes no more: come back in a second. It is always the same, so that it
/// does not tell how full the server is.
pub(crate) fn full(why: &str) -> HttpAnswer {
    let mut answer = one_line(StatusCode::SERVICE_UNAVAILABLE, why);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn request(change: impl FnOnce(&mut Parts)) -> Parts {
        let (mut parts, ()) = Request::get("/")
            .header("Connection", "keep-alive, Upgrade")
            .header("Upgrade", "WebSocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", KEY)
            .header("Sec-WebSocket-Protocol", "other, wse-default-json")
            .header("Origin", "https://a.example")
            .body(())
            .unwrap()
            .into_parts();
        change(&mut parts);
        parts
    }

    fn set(name: &'static str, value: &'static str) -> impl FnOnce(&mut Parts) {
        move |parts| {
            parts.headers.insert(name, HeaderValue::from_static(value));
        }
    }

    fn origins() -> Origins {
        let mut origins = Origins::default();
        origins.allow("https://a.example");
        origins
    }

    fn ask(change: impl FnOnce(&mut Parts)) -> Result<Agreed, StatusCode> {
        negotiate(&request(change), &[Protocol::Wse], &origins(), true).map_err(|answer| answer.status())
    }

    #[test]
    fn the_key_of_the_standard_gets_the_answer_of_the_standard() {
        let agreed = ask(|_| ()).unwrap();
        assert_eq!(
            agreed,
            Agreed {
                accept: Some(HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
                protocol: Some(0),
                deflate: None
            }
        );
        let answer = agreed.answer(&[Protocol::Wse], &HeaderMap::new());
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(answer.headers()["sec-websocket-protocol"], "wse-default-json");
    }

    #[test]
    fn a_client_that_offers_nothing_is_let_in_to_be_told() {
        let agreed = ask(|parts| drop(parts.headers.remove("sec-websocket-protocol"))).unwrap();
        assert_eq!(agreed.protocol, None);
        assert!(!agreed.answer(&[Protocol::Wse], &HeaderMap::new()).headers().contains_key("sec-websocket-protocol"));
    }

    #[test]
    fn a_request_that_is_no_upgrade_is_refused_by_status() {
        assert_eq!(ask(|parts| parts.method = Method::POST).unwrap_err(), 405);
        assert_eq!(ask(|parts| parts.version = Version::HTTP_10).unwrap_err(), 426);
        assert_eq!(ask(set("connection", "close")).unwrap_err(), 426);
        assert_eq!(ask(set("upgrade", "h2c")).unwrap_err(), 426);
        assert_eq!(ask(set("sec-websocket-version", "8")).unwrap_err(), 426);
        assert_eq!(ask(set("sec-websocket-key", "dGhlIHNhbXBsZQ==")).unwrap_err(), 400);
        assert_eq!(ask(set("sec-websocket-key", "not base64 at all!!!!!!!")).unwrap_err(), 400);
        assert_eq!(ask(set("sec-websocket-protocol", "other")).unwrap_err(), 400);
    }

    #[test]
    fn a_request_with_a_body_is_refused_since_frames_follow_it() {
        assert_eq!(ask(set("content-length", "5")).unwrap_err(), 400);
        assert_eq!(ask(set("transfer-encoding", "chunked")).unwrap_err(), 400);
        assert!(ask(set("content-length", "0")).is_ok());
    }

    #[test]
    fn the_origin_is_checked_before_the_subprotocol() {
        assert_eq!(ask(set("origin", "https://b.example")).unwrap_err(), 403);
        let two = |parts: &mut Parts| {
            parts.headers.append("origin", HeaderValue::from_static("https://a.example"));
            parts.headers.remove("sec-websocket-protocol");
        };
        assert_eq!(ask(two).unwrap_err(), 400);
    }

    #[test]
    fn compression_is_agreed_on_where_the_server_compresses_and_the_client_offers_it() {
        let offer = set("sec-websocket-extensions", "x-other, permessage-deflate; server_max_window_bits=10");
        let parts = request(offer);
        for (compresses, answered) in [
            (false, None),
            (
                true,
                Some(
                    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10",
                ),
            ),
        ] {
            let agreed = negotiate(&parts, &[Protocol::Wse], &origins(), compresses).expect("it is granted");
            let answer = agreed.answer(&[Protocol::Wse], &HeaderMap::new());
            let found = answer.headers().get("sec-websocket-extensions");
            assert_eq!(found.map(|found| found.to_str().unwrap()), answered);
        }
        let several = |parts: &mut Parts| {
            for line in ["permessage-deflate; strange", "\u{e4}", "permessage-deflate"] {
                parts.headers.append("sec-websocket-extensions", HeaderValue::from_str(line).unwrap());
            }
        };
        assert!(ask(several).unwrap().deflate.is_some());
        assert!(ask(|_| ()).unwrap().deflate.is_none());
    }

    /// As a browser asks over HTTP/2: no key, and none of the headers of a connection.
    fn connect(protocol: &'static str) -> impl FnOnce(&mut Parts) {
        move |parts| {
            parts.method = Method::CONNECT;
            parts.version = Version::HTTP_2;
            parts.extensions.insert(hyper::ext::Protocol::from_static(protocol));
            for name in ["connection", "upgrade", "sec-websocket-key"] {
                parts.headers.remove(name);
            }
        }
    }

    #[test]
    fn over_http_2_an_extended_connect_is_answered_200_without_a_proof() {
        let agreed = ask(connect("websocket")).unwrap();
        assert_eq!(agreed, Agreed { accept: None, protocol: Some(0), deflate: None });
        let answer = agreed.answer(&[Protocol::Wse], &HeaderMap::new());
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers().keys().collect::<Vec<_>>(), ["sec-websocket-protocol"]);
    }

    #[test]
    fn over_http_2_the_checks_are_the_same() {
        fn and(change: impl FnOnce(&mut Parts)) -> impl FnOnce(&mut Parts) {
            |parts| {
                connect("websocket")(parts);
                change(parts);
            }
        }
        assert_eq!(ask(connect("connect-udp")).unwrap_err(), 501);
        assert_eq!(ask(and(|parts| drop(parts.extensions.remove::<hyper::ext::Protocol>()))).unwrap_err(), 405);
        assert_eq!(ask(and(|parts| parts.method = Method::GET)).unwrap_err(), 426);
        assert_eq!(ask(and(set("sec-websocket-version", "8"))).unwrap_err(), 426);
        assert_eq!(ask(and(set("origin", "https://b.example"))).unwrap_err(), 403);
        assert_eq!(ask(and(set("sec-websocket-protocol", "other"))).unwrap_err(), 400);
    }
}
