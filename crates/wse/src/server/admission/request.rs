//! Serves the HTTP request of one stream. There is one request a connection.

use crate::server::{
    Server,
    admission::{
        before_request::PendingRequest,
        peer::Peer,
        service::run_as,
        tls_handshake::TlsHandshake,
        upgrade::{self, HttpAnswer},
    },
};
use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, net::IpAddr};
use tokio::io::{AsyncRead, AsyncWrite};

/// So many connections may always wait for their request, so that even a server that is full can answer
/// requests.
const MIN_PENDING: usize = 64;

impl Server {
    /// Enters a connection whose request has not come yet.
    pub(crate) fn pending_request(&self) -> PendingRequest {
        self.0.before_request.enter(self.0.env.limits.strangers.max(MIN_PENDING))
    }

    /// Serves one stream, from its HTTP request on: TLS of your own, a pipe in a test. Returns when the
    /// request is answered. An upgraded connection runs in its own task. A PROXY header is not read here:
    /// the address is the one given.
    pub async fn serve_stream<IO>(&self, io: IO, remote_addr: Option<IpAddr>)
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let peer = remote_addr.map_or(Peer::Unknown, Peer::Tcp);
        self.serve_request(io, peer, None, self.pending_request()).await;
    }

    /// Serves one stream that has a place among the pending requests.
    pub(crate) async fn serve_request<IO>(&self, io: IO, peer: Peer, tls: Option<TlsHandshake>, pending: PendingRequest)
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let answer = service_fn(|mut request: Request<Incoming>| {
            let (server, tls) = (self.clone(), tls.clone());
            pending.request_arrived();
            async move {
                let path = request.uri().path();
                if server.0.rules.health.as_deref() == Some(path) {
                    return Ok::<_, Infallible>(last(server.health(request.method())));
                }
                if server.0.rules.path.as_ref().is_some_and(|served| served != path) {
                    return Ok(last(upgrade::one_line(StatusCode::NOT_FOUND, "nothing here")));
                }
                peer.mark(request.extensions_mut());
                if let Some(tls) = tls {
                    request.extensions_mut().insert(tls);
                }
                let upgrade = hyper::upgrade::on(&mut request);
                Ok(last(server.answer_upgrade(request.into_parts().0, upgrade, run_as::<IO>).await))
            }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.0.env.limits.http_timeout)
            .max_buf_size(self.0.env.limits.http_bytes)
            .serve_connection(TokioIo::new(io), answer)
            .with_upgrades();
        tokio::select! {
            served = serving => {
                if let Err(error) = served {
                    tracing::debug!(%error, "HTTP request failed");
                }
            }
            () = pending.evicted() => tracing::debug!("evicted before its HTTP request"),
        }
    }

    /// The answer to a request for the health path.
    fn health(&self, method: &Method) -> HttpAnswer {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return upgrade::one_line(StatusCode::METHOD_NOT_ALLOWED, "health is asked for by GET or HEAD");
        }
        if self.0.connections.is_down() {
            return upgrade::full("the server is shutting down");
        }
        upgrade::one_line(StatusCode::OK, "ok")
    }
}

/// Says that the connection ends with this answer, unless it is upgraded. hyper's own option would say so
/// in the answer 101 too, which some clients take for a refusal.
fn last(mut answer: HttpAnswer) -> HttpAnswer {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer.headers_mut().append(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
