//! Whose address the server sees behind a proxy, in each way in which a proxy tells it.
#![expect(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

use crate::{
    parts::{Upstream, client, enter, next, within},
    proxy::Proxy,
    rollout::to,
};
use http::Uri;
use std::{io, net::IpAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::Notify,
};
use wse::{Server, ServerBuilder};
use wse_test_peers::{events, server};

/// The proxy is 127.0.0.1, so the client must not be.
const CLIENT: &str = "127.0.0.2";

/// Connects from [`CLIENT`].
async fn dial(uri: Uri) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(format!("{CLIENT}:0").parse().unwrap())?;
    socket.connect(uri.authority().unwrap().as_str().parse().unwrap()).await
}

fn trusting(builder: ServerBuilder) -> ServerBuilder {
    builder.trusted_proxy("127.0.0.1/32".parse().unwrap())
}

/// The address that the server has for a client behind that proxy.
async fn seen_through(proxy: &Proxy, server: &Server) -> Option<IpAddr> {
    let (builder, _events) = client(&proxy.url());
    let _client = within(builder.dial(dial).connect()).await.unwrap();
    server.user("ann").conns()[0].remote_addr()
}

/// An nginx that sets this header. It inherits headers of the level above only into a level that has none.
async fn nginx_with(header: &str, location: &str) -> Proxy {
    let upgrade = "Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade";
    Proxy::nginx(&format!("proxy_set_header {upgrade}; proxy_set_header {header}; {location}")).await
}

#[tokio::test]
async fn nginx_tells_the_address_in_a_header_with_and_without_a_port() {
    let upstream = Upstream::start(trusting).await;
    for header in [
        "X-Forwarded-For $proxy_add_x_forwarded_for",
        "X-Forwarded-For $remote_addr:$remote_port",
        "Forwarded for=$remote_addr",
        "Forwarded 'for=\"$remote_addr:$remote_port\";proto=http'",
    ] {
        let nginx = nginx_with(header, &to(upstream.addr)).await;
        assert_eq!(seen_through(&nginx, &upstream.server).await, CLIENT.parse().ok(), "{header}");
    }
}

#[tokio::test]
async fn haproxy_tells_the_address_in_a_header_with_and_without_a_port() {
    let upstream = Upstream::start(trusting).await;
    for header in ["option forwardfor", "http-request set-header X-Forwarded-For %[src]:%[src_port]"] {
        let haproxy = Proxy::haproxy(&format!("  {header}\n  server a {}", upstream.addr)).await;
        assert_eq!(seen_through(&haproxy, &upstream.server).await, CLIENT.parse().ok(), "{header}");
    }
}

#[tokio::test]
async fn haproxy_tells_the_address_by_the_proxy_protocol_of_both_versions() {
    let upstream = Upstream::start(|builder| trusting(builder).proxy_protocol(true)).await;
    for version in ["send-proxy", "send-proxy-v2"] {
        let haproxy = Proxy::haproxy(&format!("  server a {} {version}", upstream.addr)).await;
        assert_eq!(seen_through(&haproxy, &upstream.server).await, CLIENT.parse().ok(), "{version}");
    }
}

#[tokio::test]
async fn health_checks_pass_with_and_without_the_proxy_protocol_until_the_shutdown_begins() {
    for (proxy_protocol, options) in
        [(false, ""), (true, "send-proxy check-send-proxy"), (true, "send-proxy-v2 check-send-proxy")]
    {
        let started = Arc::new(Notify::new());
        let begun = started.clone();
        let busy = async move |_, (): ()| {
            begun.notify_one();
            std::future::pending().await
        };
        let configure = |builder| trusting(builder).proxy_protocol(proxy_protocol).health("/healthz").on("work", busy);
        let upstream = Upstream::start(configure).await;
        let checks =
            "option log-health-checks\n  option httpchk GET /healthz\n  default-server check inter 20ms fall 1";
        let haproxy = Proxy::haproxy(&format!("  {checks}\n  server a {} {options}", upstream.addr)).await;
        haproxy.has_logged(|line| line.contains("Health check for server all/a succeeded")).await;
        // A device whose message is at work keeps the shutdown from being over.
        let (client, _events) = enter(&haproxy.url()).await;
        client.send("work", ()).unwrap();
        within(started.notified()).await;
        let server = upstream.server.clone();
        let shutdown = tokio::spawn(async move { server.shutdown(Duration::from_secs(60)).await });
        haproxy.has_logged(|line| line.contains("code: 503") && line.contains("DOWN")).await;
        shutdown.abort();
    }
}

#[tokio::test]
async fn a_server_on_a_unix_socket_serves_behind_both_proxies() {
    let (when, mut told) = events();
    let server = server(|builder| builder.when(when));
    let folder = Proxy::nginx("").await;
    let socket = folder.file("server.sock");
    let serving = server.clone();
    let path = socket.clone();
    tokio::spawn(async move { serving.listen_unix(path).await });
    let socket = socket.display();
    let location = format!("location / {{ proxy_pass http://unix:{socket}; }}");
    let nginx = nginx_with("X-Forwarded-For $remote_addr", &location).await;
    assert_eq!(seen_through(&nginx, &server).await, CLIENT.parse().ok());
    next(&mut told, "left").await;
    let haproxy = Proxy::haproxy(&format!("  option forwardfor\n  server a unix@{socket}")).await;
    assert_eq!(seen_through(&haproxy, &server).await, CLIENT.parse().ok());
}
