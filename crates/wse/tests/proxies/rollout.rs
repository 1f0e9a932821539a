//! A rollout behind a proxy: what answers in place of the server for a while takes no client away.

use crate::{
    parts::{Upstream, enter, next},
    proxy::Proxy,
};
use std::net::SocketAddr;
use wse::Status;

/// An nginx's way to the server.
pub(crate) fn to(addr: SocketAddr) -> String {
    format!("location / {{ proxy_pass http://{addr}; }}")
}

#[tokio::test]
async fn a_session_goes_on_whatever_nginx_answers_meanwhile() {
    let mut upstream = Upstream::start(|builder| builder).await;
    let nginx = Proxy::nginx(&to(upstream.addr)).await;
    let (client, mut events) = enter(&nginx.url()).await;
    for status in [200, 302, 401, 403, 404, 502, 503] {
        nginx.reload(&format!("location / {{ return {status} /elsewhere; }}")).await;
        nginx.has_answered(status).await;
        client.send("kept", status).expect("the session keeps it");
        nginx.reload(&to(upstream.addr)).await;
        assert_eq!(next(&mut events, "ready").await, "ready null resumed", "{status}");
        assert_eq!(next(&mut upstream.events, "ignored").await, format!("ignored ann kept {status}"));
    }
    assert_eq!(client.status(), Status::Ready);
    assert_eq!(upstream.server.conn_count(), 1);
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
