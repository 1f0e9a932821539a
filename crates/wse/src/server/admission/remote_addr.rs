//! Which address a request comes from. A header counts only when a trusted proxy has sent it.

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

/// The address of the device: the peer's, or where the peer is a trusted proxy, the last address of
/// `X-Forwarded-For` that is not a trusted proxy's.
pub(crate) fn remote_addr(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |addr: &IpAddr| trusted.iter().any(|net| net.contains(addr));
    let mut addr = peer.to_canonical();
    if !is_trusted(&addr) {
        return addr;
    }
    let named: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        // A value that is not text is not an address either, and hides every entry before it.
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .collect();
    for name in named.into_iter().rev() {
        // An entry that is not an address hides every entry before it.
        let Ok(named) = name.trim().parse::<IpAddr>() else { return addr };
        addr = named.to_canonical();
        if !is_trusted(&addr) {
            return addr;
        }
    }
    addr
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
        remote_addr(peer.parse().unwrap(), &headers, &trusted).to_string()
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
        assert_eq!(remote_addr("10.0.0.1".parse().unwrap(), &headers, &trusted).to_string(), "10.0.0.1");
    }

    #[test]
    fn an_address_of_version_four_in_six_is_one_of_four() {
        assert_eq!(ask("::ffff:10.0.0.1", &["::ffff:1.2.3.4"], &["10.0.0.0/8"]), "1.2.3.4");
    }
}
