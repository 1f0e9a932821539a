//! A rollout behind a proxy: what answers in place of the server for a while takes no client away.

use crate::{
    parts::{Upstream, enter, next},
    proxy::Proxy,
};
use std::net::SocketAddr;

/// An nginx's way to the server.
pub(crate) fn to(addr: SocketAddr) -> String {
    format!("location / {{ proxy_pass http://{addr}; }}")
}

#[tokio::test]
async fn a_server_that_is_replaced_behind_a_proxy_finds_its_client_back() {
    for (status, haproxy) in [(502, false), (503, true)] {
        let upstream = Upstream::start(|builder| builder).await;
        let proxy = match haproxy {
            true => Proxy::haproxy(&format!("  server a {}", upstream.addr)).await,
            false => Proxy::nginx(&to(upstream.addr)).await,
        };
        let (_client, mut events) = enter(&proxy.url()).await;
        let addr = upstream.stop().await;
        proxy.has_answered(status).await;
        let mut upstream = Upstream::start_at(addr, |builder| builder).await;
        assert_eq!(next(&mut events, "ready").await, "ready null");
        assert_eq!(next(&mut upstream.events, "joined").await, "joined ann");
    }
}
