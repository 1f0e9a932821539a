//! The server as a service over HTTP/2 and TLS, as browsers reach it: a WebSocket is a stream beside
//! others of one connection (RFC 8441).
#![expect(clippy::unwrap_used, reason = "a test may panic in its helpers too")]
#![cfg(feature = "tls")]

use axum::{Extension, Router, routing::get};
use bytes::Bytes;
use http::{Method, Response, Version};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
    ext::Protocol,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    },
};
use wse::{Limits, Server, service::RemoteAddr};
use wse_test_peers::{RawClient, events, server, soon};

const S: Duration = Duration::from_secs(1);

/// Serves a router with TLS and HTTP/2, as an application does that has its own loop.
async fn serve(router: Router) -> (SocketAddr, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let mut client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, peer)) = listener.accept().await {
            let (acceptor, router) = (acceptor.clone(), router.clone());
            tokio::spawn(async move {
                let tls = acceptor.accept(tcp).await.unwrap();
                let mut http = auto::Builder::new(TokioExecutor::new());
                http.http2().enable_connect_protocol();
                let router = router.layer(Extension(RemoteAddr(peer.ip())));
                let service = TowerToHyperService::new(router);
                let _ = http.serve_connection_with_upgrades(TokioIo::new(tls), service).await;
            });
        }
    });
    (addr, TlsConnector::from(Arc::new(client)))
}

type Http2 = SendRequest<Empty<Bytes>>;

/// One connection of HTTP/2, on which the server has said that it allows an extended CONNECT.
async fn connect((addr, connector): &(SocketAddr, TlsConnector)) -> Http2 {
    let tcp = TcpStream::connect(addr).await.unwrap();
    let tls = connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap();
    let (mut http, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
    tokio::spawn(connection);
    let page = http::Request::get("https://localhost/page").body(Empty::new()).unwrap();
    assert_eq!(soon(http.send_request(page)).await.unwrap().status(), 200);
    http
}

async fn ask(http: &mut Http2, protocol: &'static str, headers: &[(&str, &str)]) -> Response<Incoming> {
    let mut request = http::Request::builder()
        .method(Method::CONNECT)
        .uri("https://localhost/ws")
        .version(Version::HTTP_2)
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "wse-default-json")
        .extension(Protocol::from_static(protocol));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    soon(http.send_request(request.body(Empty::new()).unwrap())).await.unwrap()
}

async fn upgraded(response: Response<Incoming>) -> RawClient<TokioIo<hyper::upgrade::Upgraded>> {
    assert_eq!(response.status(), 200, "{response:?}");
    RawClient::with(TokioIo::new(soon(hyper::upgrade::on(response)).await.unwrap()), &[])
}

fn mounted(server: &Server) -> Router {
    Router::new().route("/page", get(async || "a page")).route_service("/ws", server.service())
}

#[tokio::test]
async fn a_conversation_over_http_2_is_as_any_other_and_several_share_a_connection() {
    let (when, mut told) = events();
    let server =
        server(|builder| builder.when(when).header("x-node", "a").register("echo", async |_, what: Value| Ok(what)));
    let mut http = connect(&serve(mounted(&server)).await).await;
    let answer = ask(&mut http, "websocket", &[]).await;
    assert_eq!(answer.headers()["sec-websocket-protocol"], "wse-default-json");
    assert_eq!(answer.headers()["x-node"], "a");
    assert!(["sec-websocket-accept", "upgrade", "connection"].iter().all(|name| !answer.headers().contains_key(*name)));
    let mut ann = upgraded(answer).await;
    ann.enter("ann").await;
    let mut bob = upgraded(ask(&mut http, "websocket", &[]).await).await;
    bob.enter("bob").await;
    assert_eq!(server.user("ann").conns()[0].remote_addr(), "127.0.0.1".parse().ok());
    // More than the windows of HTTP/2 hold, in both directions.
    for size in [0, 100_000, 900_000] {
        let what = json!("x".repeat(size));
        assert_eq!(ann.call("echo", what.clone()).await, json!(["~wse:response", what]));
    }
    assert_eq!(server.broadcast("m", 1).unwrap().here, 2);
    assert_eq!((ann.text().await, bob.text().await), (r#"["m",1,null]"#.into(), r#"["m",1,null]"#.into()));
    assert_eq!(told.take(4).await[3], "connected bob 2");
    // Each ends by itself: by its peer, by a lost stream, by the server.
    ann.leave().await;
    assert_eq!(told.take(2).await[0], "disconnected ann 1 1000 wse.by-client");
    drop(bob);
    assert_eq!(told.next_like("left bob").await, "left bob 1006");
    let mut cat = upgraded(ask(&mut http, "websocket", &[]).await).await;
    cat.enter("cat").await;
    let (_, closed) = tokio::join!(server.shutdown(9 * S), cat.closed());
    assert_eq!(closed, (1012, "wse.restart after=1000".into()));
}

#[tokio::test]
async fn over_http_2_compression_is_agreed_on_as_over_any_other() {
    let server = server(|builder| builder.compress_from(512).register("echo", async |_, what: Value| Ok(what)));
    let mut http = connect(&serve(mounted(&server)).await).await;
    let answer = ask(&mut http, "websocket", &[("sec-websocket-extensions", "permessage-deflate")]).await;
    let agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(answer.headers()["sec-websocket-extensions"], agreed);
    let mut ann = upgraded(answer).await;
    ann.reader.inflate();
    ann.enter("ann").await;
    let what = json!("over and over ".repeat(100));
    assert_eq!(ann.call("echo", what.clone()).await, json!(["~wse:response", what]));
    assert_eq!(ann.reader.compressed(), 1);
}

#[tokio::test]
async fn a_request_over_http_2_is_checked_as_any_other() {
    let limits = Limits { strangers: 1, ..Limits::default() };
    let server = server(|builder| builder.origin("https://localhost").limits(limits));
    let mut http = connect(&serve(mounted(&server)).await).await;
    let origin = ("origin", "https://LOCALHOST:443");
    assert_eq!(ask(&mut http, "websocket", &[]).await.status(), 403);
    assert_eq!(ask(&mut http, "websocket", &[origin, origin]).await.status(), 400);
    assert_eq!(ask(&mut http, "connect-udp", &[origin]).await.status(), 501);
    let get = http::Request::get("https://localhost/ws").body(Empty::new()).unwrap();
    assert_eq!(soon(http.send_request(get)).await.unwrap().status(), 426);
    let _stranger = upgraded(ask(&mut http, "websocket", &[origin]).await).await;
    let full = ask(&mut http, "websocket", &[origin]).await;
    assert_eq!((full.status().as_u16(), &full.headers()["retry-after"]), (503, &http::HeaderValue::from_static("1")));
}
