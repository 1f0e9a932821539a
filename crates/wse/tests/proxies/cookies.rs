//! The cookies by which a balancer keeps a device at one server, where its session is.

use crate::{
    parts::{Upstream, client, next, within},
    proxy::Proxy,
};

/// An HAProxy that takes its servers in turn, and one with a cookie that names a server takes that one.
async fn balancer(a: &Upstream, b: &Upstream) -> Proxy {
    let [a, b] = [a.addr, b.addr];
    let servers = format!("  server a {a} cookie a\n  server b {b} cookie b");
    Proxy::haproxy(&format!("  balance roundrobin\n  cookie NODE insert indirect nocache\n{servers}")).await
}

#[tokio::test]
async fn with_cookies_a_client_comes_back_to_the_server_that_has_its_session() {
    for (cookies, comes_back) in [(true, "ready null resumed"), (false, "ready null")] {
        let [a, b] = [Upstream::start(|builder| builder).await, Upstream::start(|builder| builder).await];
        let haproxy = balancer(&a, &b).await;
        let (builder, mut events) = client(&haproxy.url());
        let client = within(builder.cookies(cookies).connect()).await.expect("a server lets it in");
        next(&mut events, "ready").await;
        for _ in 0..3 {
            client.cut();
            assert_eq!(next(&mut events, "ready").await, comes_back);
        }
    }
}

#[tokio::test]
async fn a_cookie_of_an_error_answer_is_sent_back_with_the_next_attempt() {
    let upstream = Upstream::start(|builder| builder).await;
    let nginx = Proxy::nginx(&format!(
        "location / {{ add_header Set-Cookie 'NODE=a; Path=/; HttpOnly' always;\n\
         if ($cookie_NODE != a) {{ return 503; }} proxy_pass http://{}; }}",
        upstream.addr
    ))
    .await;
    let (builder, _events) = client(&nginx.url());
    within(builder.cookies(true).connect()).await.expect("the second attempt is let in");
}
