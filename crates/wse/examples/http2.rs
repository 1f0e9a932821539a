//! A WebSocket over HTTP/2 (RFC 8441): an axum application with TLS, whose page says over which HTTP its
//! WebSocket came. Browsers use one connection for the page and the WebSocket then.
//!
//! ```text
//! cargo run -p wse --example http2
//! ```
//!
//! The certificate is made at the start and signed by itself, so a browser asks whether to go on.

use axum::{Extension, Router, response::Html, routing::get};
use clap::Parser;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use std::{error::Error, sync::Arc};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};
use wse::{Server, service::RemoteAddr};

const PAGE: &str = r#"<!doctype html><title>HTTP/2</title><link rel="icon" href="data:,"><p>…</p><script>
const socket = new WebSocket(`wss://${location.host}/ws`, "wse-default-json");
socket.onopen = () => socket.send('["~wse:hi",{"identity":"ann","meta":{}},null]');
socket.onmessage = ({ data }) => document.querySelector("p").textContent = JSON.parse(data)[1];
</script>"#;

/// An axum application over HTTP/2.
#[derive(Parser)]
struct Options {
    /// 0 picks one.
    #[arg(long, default_value = "4443")]
    port: u16,
}

/// TLS with a certificate of its own, which offers HTTP/2 before HTTP/1.1.
fn tls() -> Result<TlsAcceptor, Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(vec![made.cert.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder()
        .identify(async |stranger, name: String| {
            let over = format!("{:?}", stranger.request().version);
            Ok(stranger.accept(name).welcome(&over))
        })
        .build();
    let router = Router::new().route("/", get(async || Html(PAGE))).route_service("/ws", server.service());
    let tls = tls()?;
    let listener = TcpListener::bind(("127.0.0.1", Options::parse().port)).await?;
    println!("open https://{} and accept its certificate", listener.local_addr()?);
    loop {
        let (tcp, peer) = listener.accept().await?;
        let service = TowerToHyperService::new(router.clone().layer(Extension(RemoteAddr(peer.ip()))));
        let tls = tls.clone();
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(tcp).await else { return };
            let mut http = auto::Builder::new(TokioExecutor::new());
            http.http2().enable_connect_protocol(); // without it a browser opens another connection, of HTTP/1.1
            let _ = http.serve_connection_with_upgrades(TokioIo::new(stream), service).await; // the browser may leave
        });
    }
}
