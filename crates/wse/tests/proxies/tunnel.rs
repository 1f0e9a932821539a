//! What a proxy does to connections that are up: it ends idle ones, and all when it is reloaded.

use crate::{
    parts::{Upstream, enter, next},
    proxy::Proxy,
    rollout::to,
};
use std::time::Duration;
use wse::Limits;

/// After this long in silence the proxies here end a connection.
const IDLE: Duration = Duration::from_secs(1);

/// Both proxies, which end idle connections.
async fn impatient(upstream: &Upstream) -> [Proxy; 2] {
    let nginx = format!("proxy_read_timeout {}s; {}", IDLE.as_secs(), to(upstream.addr));
    let haproxy = format!("  timeout tunnel {}s\n  server a {}", IDLE.as_secs(), upstream.addr);
    [Proxy::nginx(&nginx).await, Proxy::haproxy(&haproxy).await]
}

#[tokio::test]
async fn the_heartbeat_keeps_a_connection_that_a_proxy_would_end_as_idle() {
    let limits = Limits { ping_interval: IDLE / 4, conns_per_user: 2, ..Limits::default() };
    let mut upstream = Upstream::start(|builder| builder.limits(limits)).await;
    let [nginx, haproxy] = impatient(&upstream).await;
    let (ann, mut events) = enter(&nginx.url()).await;
    let (_too, mut events_too) = enter(&haproxy.url()).await;
    // Three times as long as a proxy waits: this is what is tested.
    tokio::time::sleep(3 * IDLE).await;
    assert_eq!(events.so_far(), [""; 0]);
    assert_eq!(events_too.so_far(), [""; 0]);
    ann.send("still", 1).expect("connected");
    next(&mut upstream.events, "ignored ann still").await;
}

#[tokio::test]
async fn a_session_goes_on_after_a_proxy_ended_an_idle_connection() {
    let limits = Limits { conns_per_user: 2, ..Limits::default() };
    let upstream = Upstream::start(|builder| builder.limits(limits)).await;
    for proxy in impatient(&upstream).await {
        let (_client, mut events) = enter(&proxy.url()).await;
        assert_eq!(next(&mut events, "closed").await, "closed 1006");
        assert_eq!(next(&mut events, "ready").await, "ready null resumed");
    }
}

#[tokio::test]
async fn a_session_goes_on_after_a_reload_of_nginx_and_a_restart_of_haproxy() {
    let limits = Limits { conns_per_user: 2, ..Limits::default() };
    let upstream = Upstream::start(|builder| builder.limits(limits)).await;
    let nginx = Proxy::nginx(&to(upstream.addr)).await;
    let mut haproxy = Proxy::haproxy(&format!("  server a {}", upstream.addr)).await;
    let (_ann, mut of_nginx) = enter(&nginx.url()).await;
    let (_too, mut of_haproxy) = enter(&haproxy.url()).await;
    for _ in 0..3 {
        nginx.reload(&to(upstream.addr)).await;
        haproxy.restart().await;
        for events in [&mut of_nginx, &mut of_haproxy] {
            assert_eq!(next(events, "closed").await, "closed 1006");
            assert_eq!(next(events, "ready").await, "ready null resumed");
        }
    }
}
