//! The server as a tower service: one HTTP request in, an upgraded connection out. It may never
//! keep anything of the HTTP side after the upgrade.

use crate::server::{
    Server,
    admission::{
        before_verdict::Permit,
        remote_addr::{RemoteAddr, remote_addr},
        upgrade::{self, Answer},
    },
};
use http::{Request, StatusCode, request::Parts};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::{rt::TokioIo, server::conn::auto};
use std::{
    convert::Infallible,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// A [`Server`] as a service for `hyper`, `tower` and `axum`: answers every request by upgrading
/// it or by a status that says why not. Made by [`Server::service`]; cheap to clone.
///
/// The connection itself runs in a task of its own. An HTTP server in front has to allow upgrades
/// and, for the limit per address and `remote_addr`, to set [`RemoteAddr`].
///
/// | status | when |
/// |---|---|
/// | 101 | the connection is upgraded |
/// | 400 | the key is bad, or no subprotocol offered is spoken here |
/// | 403 | the origin is not on the list |
/// | 405, 426 | it is no WebSocket upgrade of version 13 |
/// | 503 | too many strangers, with Retry-After; or the server shuts down |
/// | any | the [upgrade hook](crate::ServerBuilder::upgrade) says so |
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
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let server = self.0.clone();
        let upgrade = hyper::upgrade::on(&mut request);
        let (request, _) = request.into_parts();
        Box::pin(async move { Ok(server.answer_upgrade(request, upgrade, run_tcp).await) })
    }
}

impl Server {
    /// Answers an upgrade request; the connection follows in its own task, started by `run`.
    pub(crate) async fn answer_upgrade(
        &self,
        request: Parts,
        upgrade: OnUpgrade,
        run: fn(&Server, Upgraded, UpgradedRequest),
    ) -> Answer {
        let inner = &self.0;
        if inner.connections.is_down() {
            return upgrade::full("the server is shutting down");
        }
        let agreed = match upgrade::negotiate(&request, &inner.protocols, &inner.origins) {
            Ok(agreed) => agreed,
            Err(answer) => return *answer,
        };
        let addr = self.remote_addr(&request);
        let Some(permit) = inner.strangers.enter(addr, &inner.limits) else {
            return upgrade::full("too many connections wait to be identified");
        };
        let request = Arc::new(request);
        if let Some(hook) = &inner.upgrade
            && let Err(status) = hook(request.clone()).await
        {
            // An informational status would leave the client waiting for another answer.
            let status = if status.is_informational() { StatusCode::FORBIDDEN } else { status };
            return upgrade::refuse(status, status.canonical_reason().unwrap_or("refused"));
        }
        let answer = agreed.answer(&inner.protocols);
        let request = UpgradedRequest { protocol: agreed.protocol, remote_addr: addr, request, permit: Some(permit) };
        let server = self.clone();
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => run(&server, upgraded, request),
                Err(error) => tracing::debug!(%error, "the upgrade failed"),
            }
        });
        answer
    }

    /// Whose request it is, as far as trusted proxies tell it.
    pub(crate) fn remote_addr(&self, request: &Parts) -> Option<IpAddr> {
        let RemoteAddr(peer) = request.extensions.get()?;
        Some(remote_addr(*peer, &request.headers, &self.0.trusted_proxies))
    }
}

/// A connection whose upgrade was granted.
pub(crate) struct UpgradedRequest {
    /// The place of its protocol among the server's; `None` when the client offered nothing.
    pub(crate) protocol: Option<usize>,
    pub(crate) remote_addr: Option<IpAddr>,
    pub(crate) request: Arc<Parts>,
    /// Its place among the strangers, where it was counted.
    pub(crate) permit: Option<Permit>,
}

/// Runs a connection accepted by whoever mounts the service: most likely plain TCP.
fn run_tcp(server: &Server, upgraded: Upgraded, request: UpgradedRequest) {
    match take::<TcpStream>(upgraded) {
        Ok((tcp, ahead)) => {
            // Small frames must not wait for one another. Fails only on a socket that is gone already.
            let _ = tcp.set_nodelay(true);
            server.run(tcp, ahead, request)
        }
        Err(upgraded) => server.run(TokioIo::new(upgraded), Vec::new(), request),
    };
}

/// Runs a connection; where its stream is an `IO`, hyper's part in it is taken off.
pub(crate) fn run_as<IO>(server: &Server, upgraded: Upgraded, request: UpgradedRequest)
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    match take::<IO>(upgraded) {
        Ok((io, ahead)) => server.run(io, ahead, request),
        Err(upgraded) => server.run(TokioIo::new(upgraded), Vec::new(), request),
    };
}

/// The stream below an upgraded connection and what was read of it already: a copy, as even an empty
/// slice of hyper's buffer would keep its 8 KiB.
fn take<IO>(upgraded: Upgraded) -> Result<(IO, Vec<u8>), Upgraded>
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let upgraded = match upgraded.downcast::<TokioIo<IO>>() {
        Ok(parts) => return Ok((parts.io.into_inner(), parts.read_buf.to_vec())),
        Err(upgraded) => upgraded,
    };
    let parts = auto::upgrade::downcast::<TokioIo<IO>>(upgraded)?;
    Ok((parts.io.into_inner(), parts.read_buf.to_vec()))
}
