//! The server as a tower service: takes an upgrade request and starts a connection. Nothing of the
//! HTTP side is kept after the upgrade.

use crate::server::{
    Server,
    admission::{
        admitting::{Admitting, ServerConnection},
        before_verdict::Permit,
        open_connections::OpenConnection,
        remote_addr::{self, OverUnixSocket, RemoteAddr},
        upgrade::{self, Agreed, HttpAnswer},
    },
};
use http::{Request, StatusCode, request::Parts};
use hyper::upgrade::Upgraded;
use hyper_util::{rt::TokioIo, server::conn::auto};
use std::{
    convert::Infallible,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::net::TcpStream;
use wse_frame::deflate::Deflate;
use wse_proto::Limits;

/// A [`Server`] as a service for `hyper`, `tower` and `axum`. It upgrades a request, or answers with
/// a status that says why not. Made by [`Server::service`]; cheap to clone.
///
/// The connection runs in a task of its own. The HTTP server in front has to allow upgrades, and to
/// set [`RemoteAddr`] for `remote_addr` and the limit per address. Over HTTP/2 a WebSocket is an extended
/// CONNECT (RFC 8441), which that server has to allow: browsers that agree on HTTP/2 open a connection of
/// HTTP/1.1 for a WebSocket where it is not allowed.
///
/// | status | when |
/// |---|---|
/// | 101 | the connection is upgraded; over HTTP/2 the status is 200 |
/// | 400 | the request has a body, the key is invalid, there are two origins, or the server speaks none of the subprotocols offered |
/// | 403 | the origin is not on the list |
/// | 405, 426, 501 | the request is not a WebSocket upgrade of version 13 |
/// | 503 | too many connections or strangers, the hook is late, or the server shuts down; with Retry-After |
/// | any | the [upgrade hook](crate::ServerBuilder::upgrade) returned it |
///
/// ```
/// use axum::Router;
///
/// # fn example(chat: wse::Server, news: wse::Server) {
/// let router: Router = Router::new()
///     .route_service("/chat", chat.service())
///     .route_service("/news", news.service());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ServerService(pub(crate) Server);

impl<B> tower_service::Service<Request<B>> for ServerService
where
    B: Send + 'static,
{
    type Response = HttpAnswer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<HttpAnswer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let server = self.0.clone();
        let upgrade = hyper::upgrade::on(&mut request);
        let (request, _) = request.into_parts();
        Box::pin(async move {
            let (answer, granted) = server.answer_upgrade(request).await;
            if let Some(request) = granted {
                tokio::spawn(Admitting::new(async move { upgraded(&server, upgrade.await, request) }));
            }
            Ok(answer)
        })
    }
}

impl Server {
    /// Answers an upgrade request. Where it is granted, the connection can begin after the answer.
    pub(crate) async fn answer_upgrade(&self, request: Parts) -> (HttpAnswer, Option<UpgradedRequest>) {
        match self.grant_upgrade(request).await {
            Ok((answer, granted)) => (answer, Some(granted)),
            Err(answer) => (*answer, None),
        }
    }

    async fn grant_upgrade(&self, request: Parts) -> Result<(HttpAnswer, UpgradedRequest), Box<HttpAnswer>> {
        let inner = &self.0;
        self.start_cluster();
        if inner.connections.is_down() {
            return Err(upgrade::full("the server is shutting down").into());
        }
        let compresses = inner.env.compress_from.is_some();
        let agreed = upgrade::negotiate(&request, &inner.protocols, &inner.rules.origins, compresses)?;
        let Limits { connections, http_timeout, .. } = inner.env.limits;
        let Some(open) = inner.open_connections.enter(connections) else {
            return Err(upgrade::full("too many connections").into());
        };
        let addr = self.remote_addr(&request);
        let Some(permit) = inner.before_verdict.enter(addr, &inner.env.limits) else {
            return Err(upgrade::full("too many connections wait to be identified").into());
        };
        let request = Arc::new(request);
        if let Some(hook) = &inner.rules.upgrade {
            match tokio::time::timeout(http_timeout, hook(request.clone())).await {
                Ok(Ok(())) => {}
                // An informational status would leave the client waiting for another answer.
                Ok(Err(status)) if status.is_informational() => {
                    return Err(upgrade::refused_by(StatusCode::FORBIDDEN).into());
                }
                Ok(Err(status)) => return Err(upgrade::refused_by(status).into()),
                Err(_) => {
                    tracing::warn!(
                        remote_addr = addr.map(tracing::field::display),
                        "upgrade hook was late, request refused"
                    );
                    return Err(upgrade::full("the server is busy").into());
                }
            }
        }
        let answer = agreed.answer(&inner.protocols, &inner.rules.headers);
        let Agreed { protocol, deflate, .. } = agreed;
        let request = UpgradedRequest { protocol, deflate, remote_addr: addr, request, permit: Some(permit), open };
        Ok((answer, request))
    }

    /// The address that a request comes from, behind trusted proxies the one they name.
    pub(crate) fn remote_addr(&self, request: &Parts) -> Option<IpAddr> {
        let peer = request.extensions.get().map(|RemoteAddr(peer)| *peer);
        if peer.is_none() && request.extensions.get::<OverUnixSocket>().is_none() {
            return None;
        }
        let found = remote_addr::find(peer, &request.headers, &self.0.rules.trusted_proxies);
        if let Some(header) = found.unreadable {
            self.0.unreadable.tell(header, peer);
        }
        found.addr
    }
}

/// A request whose upgrade was granted.
pub(crate) struct UpgradedRequest {
    /// The protocol's place among the server's; `None` when none was agreed on, which ends the
    /// connection with a protocol error.
    pub(crate) protocol: Option<usize>,
    /// Compression, where it was agreed on.
    pub(crate) deflate: Option<Deflate>,
    pub(crate) remote_addr: Option<IpAddr>,
    pub(crate) request: Arc<Parts>,
    /// Counts the connection until its verdict; `None` for a stream that was attached.
    pub(crate) permit: Option<Permit>,
    /// Counts the stream.
    pub(crate) open: OpenConnection,
}

/// The connection over a stream that another server has accepted: most likely plain TCP.
fn upgraded(
    server: &Server,
    upgraded: Result<Upgraded, hyper::Error>,
    request: UpgradedRequest,
) -> Option<ServerConnection> {
    let upgraded = upgraded.inspect_err(|error| tracing::debug!(%error, "upgrade failed")).ok()?;
    match take_tcp(upgraded) {
        Ok((tcp, read_ahead)) => {
            // Small frames must not wait for one another. Fails only on a socket that is closed already.
            let _ = tcp.set_nodelay(true);
            server.connection(tcp, read_ahead, request)
        }
        Err(upgraded) => server.connection(TokioIo::new(upgraded), Vec::new(), request),
    }
}

/// The socket below an upgraded connection, and what was read of it already: as a copy, since even an
/// empty slice would keep hyper's buffer of 8 KiB.
fn take_tcp(upgraded: Upgraded) -> Result<(TcpStream, Vec<u8>), Upgraded> {
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => return Ok((parts.io.into_inner(), parts.read_buf.to_vec())),
        Err(upgraded) => upgraded,
    };
    let parts = auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded)?;
    Ok((parts.io.into_inner(), parts.read_buf.to_vec()))
}
