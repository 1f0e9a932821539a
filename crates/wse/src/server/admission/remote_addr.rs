//! Which address a request comes from. A header counts only when a trusted proxy has sent it.

use crate::server::admission::forwarded::{self, Named};
use http::HeaderMap;
use ipnet::IpNet;
use std::net::IpAddr;

/// The address of the other end of a request's TCP connection, as an extension of the request.
///
/// [`Server::listen`](crate::Server::listen) and its siblings set it. Where another server accepts
/// the connections (axum, hyper), a middleware has to set it: `remote_addr`, the limit of strangers
/// per address and trusted proxies depend on it.
///
/// ```
/// use axum::{extract::{ConnectInfo, Request}, middleware::Next, response::Response};
/// use std::net::SocketAddr;
///
/// async fn remote_addr(ConnectInfo(addr): ConnectInfo<SocketAddr>, mut request: Request, next: Next) -> Response {
///     request.extensions_mut().insert(wse::service::RemoteAddr(addr.ip()));
///     next.run(request).await
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteAddr(pub IpAddr);

/// Marks a request that came over a Unix socket. Who may connect to it is decided by the permissions of
/// its file, so its peer is trusted as a proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OverUnixSocket;

/// What a request says about the address of its device.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The address: the peer's, or where the peer is a trusted proxy, the last one that the proxies name
    /// and that is not a trusted proxy's.
    pub(crate) addr: Option<IpAddr>,
    /// The header that a trusted proxy has written and that names no address where it should.
    pub(crate) unreadable: Option<&'static str>,
}

/// Finds the address of the device. `peer` is the other end of the connection; `None` is a Unix socket.
pub(crate) fn find(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Found {
    let is_stranger = |addr: &IpAddr| !trusted.iter().any(|net| net.contains(addr));
    let mut addr = peer.map(|peer| peer.to_canonical());
    if addr.as_ref().is_some_and(is_stranger) {
        return Found { addr, unreadable: None };
    }
    let Named { header, entries } = forwarded::named(headers);
    for named in entries.into_iter().rev() {
        // An entry that is not an address hides every entry before it.
        let Some(named) = named else { return Found { addr, unreadable: Some(header) } };
        addr = Some(named.to_canonical());
        if addr.as_ref().is_some_and(is_stranger) {
            break;
        }
    }
    Found { addr, unreadable: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        find(Some(peer.parse().unwrap()), &headers, &trusted).addr.unwrap().to_string()
    }

    #[test]
    fn a_header_from_anybody_else_is_ignored() {
        assert_eq!(ask("203.0.113.9", &["1.1.1.1"], &[]), "203.0.113.9");
        assert_eq!(ask("203.0.113.9", &["1.1.1.1"], &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn a_trusted_proxy_is_believed_up_to_the_first_stranger() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(ask("10.0.0.1", &["198.51.100.7"], &trusted), "198.51.100.7");
        assert_eq!(ask("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"], &trusted), "198.51.100.7");
        assert_eq!(ask("10.0.0.1", &["1.1.1.1", "198.51.100.7", "10.0.0.2"], &trusted), "198.51.100.7");
        assert_eq!(ask("10.0.0.1", &["10.0.0.3"], &trusted), "10.0.0.3");
        assert_eq!(ask("10.0.0.1", &[], &trusted), "10.0.0.1");
    }

    #[test]
    fn what_is_no_address_hides_what_stands_before_it() {
        assert_eq!(ask("10.0.0.1", &["1.1.1.1, garbage"], &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(ask("10.0.0.1", &["1.1.1.1", "", "10.0.0.2"], &["10.0.0.0/8"]), "10.0.0.2");
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "6.6.6.6".parse().unwrap());
        headers.append("x-forwarded-for", http::HeaderValue::from_bytes(b"\xff, 10.0.0.2").unwrap());
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let peer = "10.0.0.1".parse().ok();
        assert_eq!(find(peer, &headers, &trusted), Found { addr: peer, unreadable: Some("x-forwarded-for") });
    }

    #[test]
    fn an_address_of_version_four_in_six_is_one_of_four() {
        assert_eq!(ask("::ffff:10.0.0.1", &["::ffff:1.2.3.4"], &["10.0.0.0/8"]), "1.2.3.4");
    }

    #[test]
    fn forwarded_is_believed_as_x_forwarded_for_is_and_hidden_names_hide_what_stands_before() {
        let forwarded = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.append("forwarded", value.parse().unwrap());
            find("10.0.0.1".parse().ok(), &headers, &["10.0.0.0/8".parse().unwrap()])
        };
        let found = |addr: &str, unreadable| Found { addr: addr.parse().ok(), unreadable };
        let chain = r#"for=6.6.6.6, For="[2001:db8::7]:99";proto=https, for=10.0.0.2"#;
        assert_eq!(forwarded(chain), found("2001:db8::7", None));
        assert_eq!(forwarded("for=6.6.6.6, for=_hidden"), found("10.0.0.1", Some("forwarded")));
        assert_eq!(forwarded("for=6.6.6.6, for=unknown, for=10.0.0.2"), found("10.0.0.2", Some("forwarded")));
        // What an untrusted client has written is not the proxy's fault.
        assert_eq!(forwarded("for=garbage, for=1.2.3.4"), found("1.2.3.4", None));
    }

    #[test]
    fn the_peer_of_a_unix_socket_is_trusted_as_a_proxy() {
        let mut headers = HeaderMap::new();
        assert_eq!(find(None, &headers, &[]), Found { addr: None, unreadable: None });
        headers.append("x-forwarded-for", "6.6.6.6, 1.2.3.4:5".parse().unwrap());
        assert_eq!(find(None, &headers, &[]), Found { addr: "1.2.3.4".parse().ok(), unreadable: None });
    }
}
