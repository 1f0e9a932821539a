//! Which address a device has behind proxies, and which devices count as one address.

use http::Request;
use std::net::IpAddr;
use tracing_subscriber::fmt;
use wse::{Limits, Server, service::RemoteAddr};
use wse_test_peers::{PIPE, ask_upgrade, attach_with, request, secrets::Seen, server};

/// The address that a request over a pipe has, from a peer of that address.
async fn addr(server: &Server, peer: &str, headers: &[(&'static str, &str)]) -> Option<IpAddr> {
    let mut request = Request::new(());
    request.extensions_mut().insert(RemoteAddr(peer.parse().expect("an address")));
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().expect("a value"));
    }
    let (mut raw, _ended) = attach_with(server, PIPE, request);
    raw.enter("ann").await;
    let addr = server.user("ann").conns()[0].remote_addr();
    raw.leave().await;
    addr
}

#[tokio::test(start_paused = true)]
async fn a_trusted_proxy_tells_the_address_with_a_port_in_brackets_and_by_the_standard_header() {
    let server = server(|builder| builder.trusted_proxy("10.0.0.0/8".parse().expect("a network")));
    for (header, value, expected) in [
        ("x-forwarded-for", "198.51.100.7:4711", "198.51.100.7"),
        ("x-forwarded-for", "6.6.6.6, [2001:db8::7]:4711, 10.0.0.2:80", "2001:db8::7"),
        ("x-forwarded-for", "[2001:db8::7]", "2001:db8::7"),
        ("forwarded", "for=198.51.100.7", "198.51.100.7"),
        ("forwarded", r#"For="[2001:db8::7]:4711";proto=https, for=10.0.0.2"#, "2001:db8::7"),
    ] {
        assert_eq!(addr(&server, "10.0.0.1", &[(header, value)]).await, expected.parse().ok(), "{value}");
        assert_eq!(addr(&server, "192.0.2.1", &[(header, value)]).await, "192.0.2.1".parse().ok(), "untrusted");
    }
    // Most proxies pass a header on that they do not know, so the client may have written it.
    let both = [("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "198.51.100.7")];
    assert_eq!(addr(&server, "10.0.0.1", &both).await, "198.51.100.7".parse().ok());
}

#[tokio::test(start_paused = true)]
async fn what_a_trusted_proxy_writes_and_cannot_be_read_is_logged_once_for_each_header() {
    let seen = Seen::default();
    let log = fmt().with_ansi(false).with_writer(seen.clone()).finish();
    let _log = tracing::subscriber::set_default(log);
    let server = server(|builder| builder.trusted_proxy("10.0.0.0/8".parse().expect("a network")));
    for _ in 0..3 {
        for header in ["x-forwarded-for", "forwarded"] {
            assert_eq!(addr(&server, "10.0.0.1", &[(header, "for=unknown")]).await, "10.0.0.1".parse().ok());
            assert_eq!(addr(&server, "192.0.2.1", &[(header, "for=unknown")]).await, "192.0.2.1".parse().ok());
        }
    }
    let told = |header: &str| {
        let lines = seen.lines();
        lines.iter().filter(|line| line.contains("unreadable") && line.contains(&format!("{header:?}"))).count()
    };
    assert_eq!((told("x-forwarded-for"), told("forwarded")), (1, 1), "{:?}", seen.lines());
}

#[tokio::test(start_paused = true)]
async fn strangers_of_one_network_of_version_six_count_as_one_address_which_stays_whole() {
    let server = server(|builder| {
        let limits = Limits { strangers_per_address: 1, ..Limits::default() };
        builder.limits(limits).upgrade(async |_| Ok(()))
    });
    let ask = async |addr: &str| {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let (server, addr) = (server.clone(), addr.parse().ok());
        tokio::spawn(async move { server.serve_stream(theirs, addr).await });
        ask_upgrade(ours, request("/", &[])).await
    };
    let first = ask("2001:db8:0:1::7").await;
    assert_eq!(ask("2001:db8:0:1:ffff::8").await.status, 503);
    let _neighbour = ask("2001:db8:0:2::7").await.upgraded();
    first.upgraded().enter("ann").await;
    assert_eq!(server.user("ann").conns()[0].remote_addr(), "2001:db8:0:1::7".parse().ok());
    assert_eq!(ask("2001:db8:0:1:ffff::8").await.status, 101);
}
