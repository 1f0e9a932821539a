//! Serves the HTTP request of one stream. There is one request a connection.

use crate::server::{
    Server,
    admission::{
        admitting::ServerConnection,
        before_request::PendingRequest,
        http1::{self, Unread},
        peer::Peer,
        service::UpgradedRequest,
        tls_handshake::TlsHandshake,
        upgrade::{self, HttpAnswer},
    },
};
use http::{Method, StatusCode, request::Parts};
use std::{
    io::{self, ErrorKind},
    net::IpAddr,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use wse_proto::Limits;

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
        if let Some(connection) = self.serve_request(io, peer, None, self.pending_request()).await {
            tokio::spawn(connection);
        }
    }

    /// Serves one stream that has a place among the pending requests. Returns the connection, if the
    /// request was upgraded.
    pub(crate) async fn serve_request<IO>(
        &self,
        mut io: IO,
        peer: Peer,
        tls: Option<TlsHandshake>,
        pending: PendingRequest,
    ) -> Option<ServerConnection>
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Limits { http_timeout, http_bytes, .. } = self.0.env.limits;
        let read = tokio::select! {
            read = timeout(http_timeout, http1::read(&mut io, http_bytes)) => read,
            () = pending.evicted() => {
                tracing::debug!("evicted before its HTTP request");
                return None;
            }
        };
        pending.request_arrived();
        let served = match read.unwrap_or_else(|_| Err(io::Error::from(ErrorKind::TimedOut).into())) {
            Ok((mut head, read_ahead)) => {
                peer.mark(&mut head.extensions);
                tls.map(|tls| head.extensions.insert(tls));
                let method = head.method.clone();
                let (answer, granted) = self.answer(head).await;
                let written = in_time(http_timeout, http1::write(&mut io, &method, answer)).await;
                written.map(|()| granted.map(|request| (read_ahead, request)))
            }
            Err(Unread::Refused(status)) => {
                tracing::debug!(%status, "HTTP request refused");
                let refusal = http1::write(&mut io, &Method::GET, upgrade::refused_by(status));
                in_time(http_timeout, refusal).await.map(|()| None)
            }
            Err(Unread::Stream(error)) => Err(error),
        };
        match served {
            Ok(Some((read_ahead, request))) => return self.connection(io, read_ahead, request),
            Ok(None) => _ = in_time(http_timeout, io.shutdown()).await, // fails only where the stream is gone already
            Err(error) => tracing::debug!(%error, "HTTP request failed"),
        }
        None
    }

    /// The answer to a request, and with it the request if it is upgraded.
    async fn answer(&self, request: Parts) -> (HttpAnswer, Option<UpgradedRequest>) {
        let path = request.uri.path();
        if self.0.rules.health.as_deref() == Some(path) {
            return (self.health(&request.method), None);
        }
        if self.0.rules.path.as_ref().is_some_and(|served| served != path) {
            return (upgrade::one_line(StatusCode::NOT_FOUND, "nothing here"), None);
        }
        self.answer_upgrade(request).await
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

/// Whoever does not take the answer in time is gone.
async fn in_time<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}
