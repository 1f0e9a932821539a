//! The server as a service: two of them on two paths of one axum server, with middleware and
//! ordinary routes beside them, and on plain hyper.
#![expect(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use wse::{Limits, Server, Stranger, service::RemoteAddr};
use wse_test_peers::{dial, events, request, text, upgrade};

#[derive(Clone)]
struct Tenant(String);

/// What middleware knows of a request.
async fn introduce(ConnectInfo(addr): ConnectInfo<SocketAddr>, mut request: Request, next: Next) -> Response {
    let tenant = request.headers().get("x-tenant").map(|value| value.to_str().unwrap_or_default().to_owned());
    request.extensions_mut().insert(Tenant(tenant.unwrap_or_else(|| "nobody".to_owned())));
    request.extensions_mut().insert(RemoteAddr(addr.ip()));
    next.run(request).await
}

/// A server that greets by its own name and what middleware said.
fn named(name: &'static str) -> Server {
    Server::builder()
        .limits(Limits { strangers_per_address: 1, ..Limits::default() })
        .identify(async move |stranger: Stranger, cid: String| {
            let tenant = stranger.request().extensions.get::<Tenant>().map(|tenant| tenant.0.clone());
            let greeting = json!([name, tenant, stranger.remote_addr(), stranger.request().uri.path()]);
            Ok(stranger.accept(cid).welcome(&greeting))
        })
        .register("echo", async |_, what: Value| Ok(what))
        .build()
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    addr
}

#[tokio::test]
async fn two_servers_live_on_two_paths_beside_ordinary_routes() {
    let (red, blue) = (named("red"), named("blue"));
    let router = Router::new()
        .route("/health", get(async || "fine"))
        .route_service("/red", red.service())
        .route_service("/blue", blue.service())
        .layer(from_fn(introduce));
    let addr = serve(router).await;

    let health = dial(addr, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!((health.status, health.rest().await.as_str()), (200, "fine"));
    assert_eq!(dial(addr, request("/green", &[])).await.status, 404);
    assert_eq!(dial(addr, "GET /red HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 426);

    let mut one = dial(addr, request("/red", &[("X-Tenant", "acme")])).await.upgraded();
    one.hi(json!("ann"), json!({})).await;
    assert_eq!(one.json().await[1], json!(["red", "acme", "127.0.0.1", "/red"]));
    let mut two = upgrade(addr, "/blue").await;
    two.hi(json!("ann"), json!({})).await;
    assert_eq!(two.json().await[1], json!(["blue", "nobody", "127.0.0.1", "/blue"]));
    // The same user on both, and neither server knows of the other.
    assert_eq!((red.conn_count(), blue.conn_count()), (1, 1));
    assert_eq!(red.broadcast("from-red", 1).unwrap().here, 1);
    assert_eq!(one.text().await, r#"["from-red",1,null]"#);
    assert_eq!(two.call("echo", json!("still")).await, json!(["~wse:response", "still"]));
    two.leave().await;
    assert_eq!(one.call("echo", json!("here")).await, json!(["~wse:response", "here"]));

    // One is shut down; the other, and the routes, go on.
    let (_, closed) = tokio::join!(red.shutdown(std::time::Duration::from_secs(5)), one.closed());
    assert_eq!(closed, (1012, "wse.restart after=1000".into()));
    assert_eq!(dial(addr, request("/red", &[])).await.status, 503);
    upgrade(addr, "/blue").await.enter("ann").await;
}

#[tokio::test]
async fn the_limit_of_strangers_per_address_holds_where_middleware_tells_the_address() {
    let router = Router::new().route_service("/", named("only").service());
    let told = serve(router.clone().layer(from_fn(introduce))).await;
    let mut peer = upgrade(told, "/").await;
    let refused = dial(told, request("/", &[])).await;
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    peer.enter("ann").await;
    upgrade(told, "/").await;

    let untold = serve(Router::new().route_service("/", named("other").service())).await;
    let _strangers = (upgrade(untold, "/").await, upgrade(untold, "/").await, upgrade(untold, "/").await);
}

#[tokio::test]
async fn frames_in_the_segment_of_the_request_reach_a_mounted_server_too() {
    let (when, mut events) = events();
    let server = wse_test_peers::server(|builder| builder.when(when).register("echo", async |_, what: Value| Ok(what)));
    let addr = serve(Router::new().route_service("/ws", server.service())).await;
    let mut bytes = request("/ws", &[]).into_bytes();
    bytes.extend(text(r#"["~wse:hi",{"identity":"ann"}]"#));
    bytes.extend(text(r#"["m",1]"#));
    let mut peer = dial(addr, bytes).await.upgraded();
    assert_eq!(peer.json().await[0], "~wse:welcome");
    assert_eq!(peer.call("echo", json!(2)).await, json!(["~wse:response", 2]));
    peer.leave().await;
    let bye = "1000 wse.by-client";
    assert_eq!(
        events.take(5).await,
        [
            "joined ann".into(),
            "connected ann 1".into(),
            "ignored ann m 1".into(),
            format!("disconnected ann 1 {bye}"),
            format!("left ann {bye}")
        ]
    );
}

#[tokio::test]
async fn plain_hyper_serves_it_too() {
    let server = named("hyper");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(server.service());
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await.map_err(|_| ())
            });
        }
    });
    let mut peer = upgrade(addr, "/any").await;
    peer.hi(json!("ann"), json!({})).await;
    assert_eq!(peer.json().await[1], json!(["hyper", null, null, "/any"]));
    assert_eq!(peer.call("echo", json!("x".repeat(100_000))).await[1].as_str().unwrap().len(), 100_000);
    peer.leave().await;
}
