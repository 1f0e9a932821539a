//! Reads an address and opens the stream to it: directly or through a proxy, and over TLS for `wss`. It
//! must never show a user, a password, a path or a query.

use crate::{
    app::erased::BoxFuture,
    client::{
        addresses::{self, Tried},
        proxy::{self, Proxy},
        tunnel,
    },
    connection::stream::Io,
    error::ConnectError,
};
use http::Uri;
use std::{borrow::Cow, io, sync::Arc};

/// Makes a stream to an address.
pub(crate) type Dial = Arc<dyn Fn(Uri) -> BoxFuture<io::Result<Io>> + Send + Sync>;

/// Wraps a stream to a host in TLS.
pub(crate) type WrapTls = Arc<dyn Fn(Io, String) -> BoxFuture<Result<Io, ConnectError>> + Send + Sync>;

/// Checks an address: `ws` or `wss`, with a host. Spaces around it are no part of it, the scheme may have
/// capitals, and an international host becomes the name that the DNS knows (UTS 46).
pub(crate) fn parse(url: &str) -> Result<Uri, ConnectError> {
    let bad = |why: &str| ConnectError::BadUrl(why.to_owned());
    let unreadable = || bad("it does not parse as a URL");
    let (scheme, rest) = url.trim().split_once("://").ok_or_else(|| bad("it begins with neither ws:// nor wss://"))?;
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_str() {
        "ws" | "wss" => {}
        "http" => return Err(bad("it begins with http://: write ws:// instead")),
        "https" => return Err(bad("it begins with https://: write wss:// instead")),
        _ => return Err(bad("it begins with neither ws:// nor wss://")),
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, host) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    let host = ascii(host).ok_or_else(|| bad("its host is no name that the DNS knows"))?;
    let uri: Uri = format!("{scheme}://{user}{host}{path}").parse().map_err(|_| unreadable())?;
    match uri.host() {
        Some(host) if !host.is_empty() => Ok(uri),
        _ => Err(bad("it has no host")),
    }
}

/// A host and its port in ASCII.
fn ascii(host: &str) -> Option<Cow<'_, str>> {
    if host.is_ascii() {
        return Some(host.into());
    }
    let (name, port) = host.split_at(host.rfind(':').unwrap_or(host.len()));
    Some(format!("{}{port}", idna::domain_to_ascii(name).ok()?).into())
}

/// Connects over TCP, through a proxy if the environment may name one, and over TLS for `wss`.
pub(crate) async fn open(uri: &Uri, by_env: bool, wrap_tls: &WrapTls, tried: &Tried) -> Result<Io, ConnectError> {
    let secure = uri.scheme_str() == Some("wss");
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let proxy = if by_env { proxy_of_env(secure, &host, port)? } else { None };
    let opened = match proxy {
        Some(proxy) => tunnel::open(&proxy, &host, port, tried).await,
        None => addresses::connect(&host, port, tried).await.map(|tcp| Box::new(tcp) as Io),
    };
    let io = opened.map_err(ConnectError::Unreachable)?;
    if secure { wrap_tls(io, host).await } else { Ok(io) }
}

fn proxy_of_env(secure: bool, host: &str, port: u16) -> Result<Option<Proxy>, ConnectError> {
    proxy::of_env(secure, host, port, |name| std::env::var(name).ok()).map_err(ConnectError::Setup)
}

/// The authority without the user and password before an `@`.
pub(crate) fn host_and_port(uri: &Uri) -> &str {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// The address to print: without user, path and query, which may hold secrets.
pub(crate) fn redacted(url: &str) -> String {
    match parse(url) {
        Ok(uri) => format!("{}://{}", uri.scheme_str().unwrap_or_default(), host_and_port(&uri)),
        Err(_) => "(invalid address)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_ws_or_wss_with_a_host() {
        assert_eq!(parse("ws://localhost:4300/path?x=1").unwrap().port_u16(), Some(4300));
        assert_eq!(parse("wss://[::1]/").unwrap().host(), Some("[::1]"));
        for bad in ["", "localhost:4300", "ftp://localhost", "ws://", "ws:///x", "ws:// space", "/ws", "ws://\u{fffd}/"]
        {
            assert!(matches!(parse(bad), Err(ConnectError::BadUrl(_))), "{bad:?}");
        }
    }

    #[test]
    fn spaces_around_an_address_and_capitals_are_read_and_an_international_host_becomes_ascii() {
        for (written, read) in [
            (" WS://Localhost:1/Path \n", "ws://Localhost:1/Path"),
            ("Wss://h.example", "wss://h.example/"),
            ("ws://b\u{fc}cher.example:81/x?y", "ws://xn--bcher-kva.example:81/x?y"),
            ("ws://ann:s@B\u{dc}CHER.example", "ws://ann:s@xn--bcher-kva.example/"),
            ("wss://\u{4f8b}\u{3048}.jp/", "wss://xn--r8jz45g.jp/"),
        ] {
            assert_eq!(parse(written).map(|uri| uri.to_string()).unwrap_or_default(), read, "{written:?}");
        }
    }

    #[test]
    fn who_writes_the_address_of_a_page_is_told_what_to_write_instead() {
        for (url, instead) in [("http://h.example/", "write ws://"), ("HTTPS://ann:secret@h.example", "write wss://")] {
            let error = parse(url).unwrap_err().to_string();
            assert!(error.contains(instead) && !error.contains("secret"), "{error}");
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
