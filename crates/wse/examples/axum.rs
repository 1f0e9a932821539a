//! Two servers within an axum application: on two paths of one port, beside ordinary routes, one of them
//! behind a middleware that authenticates by a token.
//!
//! ```text
//! cargo run -p wse --example axum
//! ```

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use std::{error::Error, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use wse::{Client, ConnectError, RpError, Server, Stranger, codec::Payload, service::RemoteAddr};

/// The account that the middleware has found out. identify finds it in the request.
#[derive(Clone)]
struct Account(&'static str);

async fn authenticate(mut request: Request, next: Next) -> Result<Response, StatusCode> {
    match request.headers().get(AUTHORIZATION).map(|token| token.as_bytes()) {
        Some(b"Bearer token-of-ann") => request.extensions_mut().insert(Account("ann")),
        _ => return Err(StatusCode::UNAUTHORIZED),
    };
    Ok(next.run(request).await)
}

/// axum has accepted the connection, so it has to tell wse from which address it comes.
async fn remote_addr(ConnectInfo(addr): ConnectInfo<SocketAddr>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(RemoteAddr(addr.ip()));
    next.run(request).await
}

/// The server for accounts that the middleware has authenticated.
fn members() -> Server {
    Server::builder()
        .identify(async |stranger: Stranger, _: Payload<'static>| {
            let Some(&Account(name)) = stranger.request().extensions.get() else { return Ok(stranger.refuse()) };
            Ok(stranger.accept(name))
        })
        .register("whoami", async |conn, ()| {
            let addr = conn.remote_addr().ok_or_else(|| RpError::new("NO_ADDRESS"))?;
            Ok(format!("{} from {addr}", conn.cid()))
        })
        .build()
}

/// The server for every name, without authentication.
fn guests() -> Server {
    Server::builder().identify(async |stranger, name: String| Ok(stranger.accept(format!("guest {name}")))).build()
}

async fn show(addr: SocketAddr) -> Result<(), Box<dyn Error>> {
    let members = format!("ws://{addr}/members");
    let ann = Client::builder(&members).header("authorization", "Bearer token-of-ann").connect().await?;
    let whoami: String = ann.call("whoami", ()).await?;
    println!("/members knows {whoami}");
    assert_eq!(whoami, "ann from 127.0.0.1");

    let Err(error) = Client::builder(&members).connect().await else { panic!("accepted without a token") };
    println!("/members without a token: {error}");
    assert!(matches!(error, ConnectError::UpgradeRefused { status: 401, .. }));

    let bob = Client::builder(&format!("ws://{addr}/guests")).identity("bob").connect().await?;
    let count = http_get(addr, "/count").await?;
    println!("/count says: {count}");
    assert_eq!(count, "1 members, 1 guests");

    ann.close("done").await;
    bob.close("done").await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (members, guests) = (members(), guests());
    let counts = (members.clone(), guests.clone());
    let count = async move || format!("{} members, {} guests", counts.0.user_count(), counts.1.user_count());
    let router = Router::new()
        .route_service("/members", members.service())
        .layer(from_fn(authenticate)) // for the routes above only
        .route_service("/guests", guests.service())
        .route("/count", get(count))
        .layer(from_fn(remote_addr));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let http = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>());
    tokio::select! {
        served = http => served?,
        shown = show(addr) => shown?,
    }
    members.shutdown(Duration::from_secs(1)).await;
    guests.shutdown(Duration::from_secs(1)).await;
    Ok(())
}

/// An ordinary request, as a browser makes it.
async fn http_get(addr: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned()))
}
