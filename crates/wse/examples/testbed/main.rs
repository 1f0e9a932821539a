//! The fixed application that outside checks drive: black-box tests, other languages' clients, the
//! load generator. Its behaviour is a contract; it is extended, never changed. It may use the
//! public API only.
//!
//! ```text
//! cargo run --release -p wse --example testbed -- --help
//! ```

mod cluster;
#[path = "../common/mod.rs"]
mod common;
mod events;
mod identify;
mod messages;
mod options;
mod procedures;
mod reach;
mod rooms;

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    middleware::{Next, from_fn},
    response::Response,
    serve::ListenerExt,
};
use clap::Parser;
use identify::App;
use options::Options;
use std::{future::pending, net::SocketAddr, pin::pin, time::Duration};
use tokio::{
    net::TcpListener,
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};
use wse::{Limits, Protocol, Server, WsMessaging, service::RemoteAddr, with};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn server(options: &Options, path: &str) -> Result<Server, Failure> {
    let mut ws_messaging = WsMessaging::new().ping(options.ws_ping_interval, options.ws_ping_timeout);
    if let Some(timeout) = options.auth_timeout {
        ws_messaging = ws_messaging.auth_timeout(timeout);
    }
    let protocols = options.protocols.iter().map(|protocol| match protocol {
        Protocol::WsMessaging(_) => ws_messaging.clone().into(),
        other => other.clone(),
    });
    let mut server = Server::builder()
        .protocols(protocols)
        .identify(with(&App::new(options), App::identify))
        .handlers(messages::handlers())
        .handlers(procedures::handlers())
        .handlers(reach::handlers())
        .handlers(rooms::handlers())
        .handlers(cluster::handlers())
        .expose_errors(options.expose_errors)
        .limits(Limits {
            conns_per_user: options.conns_per_user,
            rpc_timeout: options.rpc_timeout,
            auth_timeout: options.auth_timeout.unwrap_or(Limits::default().auth_timeout),
            ping_interval: options.ping_interval,
            ping_timeout: options.ping_timeout,
            message_bytes: options.max_message,
            queue_bytes: options.queue_bytes,
            queue_bytes_max: options.queue_bytes_max,
            slow_timeout: options.slow_timeout,
            resume_window: options.resume_window,
            rooms_per_conn: options.rooms_per_conn,
            presence_grace: options.presence_grace,
            connections: options.connections.unwrap_or(Limits::default().connections),
            ..Limits::default()
        });
    if !options.quiet {
        let said = options.second_path.is_some().then(|| path.to_owned());
        server = server.when(async move |event| events::print(event, said).await);
    }
    if path != "*" {
        server = server.path(path);
    }
    if let Some(bytes) = options.compress {
        server = server.compress_from(bytes);
    }
    for origin in &options.origin {
        server = server.origin(origin);
    }
    for proxy in &options.trusted_proxy {
        server = server.trusted_proxy(*proxy);
    }
    if let Some(path) = &options.health {
        server = server.health(path);
    }
    let server = cluster::join(server.proxy_protocol(options.proxy_protocol).cores(options.cores), options)?.build();
    server.presence(); // who may be back is noted from now on
    Ok(server)
}

/// axum has accepted the connection, so it has to say from where.
async fn remote_addr(ConnectInfo(addr): ConnectInfo<SocketAddr>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(RemoteAddr(addr.ip()));
    next.run(request).await
}

/// Serves one server, or two by the path of the request.
async fn serve(listener: TcpListener, first: &Server, second: Option<(&str, &Server)>) -> Result<(), Failure> {
    let Some((path, second)) = second else { return Ok(first.serve(listener).await?) };
    let router = Router::new().route_service(path, second.service());
    let router = match first.path() {
        Some(path) => router.route_service(path, first.service()),
        None => router.fallback_service(first.service()),
    };
    let router = router.layer(from_fn(remote_addr)).into_make_service_with_connect_info::<SocketAddr>();
    let listener = listener.tap_io(|tcp| _ = tcp.set_nodelay(true));
    Ok(axum::serve(listener, router).await?)
}

async fn run(options: Options) -> Result<(), Failure> {
    if options.second_path.as_ref() == Some(&options.path) {
        return Err("--second-path is the same as --path".into());
    }
    let listener = TcpListener::bind((options.host.as_str(), options.port)).await?;
    // From the line on whoever reads it may ask for the end.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    println!("ready {}", listener.local_addr()?);
    let first = server(&options, &options.path)?;
    let second = match &options.second_path {
        Some(path) => Some((path.as_str(), server(&options, path)?)),
        None => None,
    };
    let on_unix = async {
        match &options.unix {
            Some(path) => Ok(first.listen_unix(path).await?),
            None => pending().await,
        }
    };
    let second_served = second.as_ref().map(|(path, server)| (*path, server));
    let mut serving = pin!(async { tokio::try_join!(serve(listener, &first, second_served), on_unix).map(drop) });
    tokio::select! {
        served = &mut serving => served?,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let grace = Duration::from_secs(5);
    let second_ends = async {
        if let Some((_, second)) = &second {
            second.shutdown(grace).await;
        }
    };
    let ends = async { _ = tokio::join!(first.shutdown(grace), second_ends) };
    // It goes on meanwhile, so that the health path tells of the shutdown.
    let served = async {
        let _ = serving.await;
        pending().await
    };
    tokio::select! {
        () = ends => Ok(()),
        served = served => served,
    }
}

fn main() -> Result<(), Failure> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let options = Options::parse();
    let runtime = runtime(options.workers).enable_all().build()?;
    // Everything runs on the workers, so that their number is what is measured.
    runtime.block_on(async { tokio::spawn(run(options)).await? })
}

/// On one core a current-thread runtime serves all connections alike, and a multi-thread one does not.
fn runtime(workers: Option<usize>) -> Builder {
    let Some(workers) = workers else { return Builder::new_multi_thread() };
    if workers == 1 {
        return Builder::new_current_thread();
    }
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(workers);
    runtime
}
