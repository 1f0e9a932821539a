//! Accepts sockets and serves each one's HTTP request. One socket never keeps another waiting.

use crate::{
    error::ServeError,
    server::{
        Server,
        admission::{
            before_request::PendingRequest,
            remote_addr::RemoteAddr,
            service::run_as,
            upgrade::{self, HttpAnswer},
        },
    },
};
use http::{HeaderValue, Request, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset},
    net::IpAddr,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, ToSocketAddrs},
};

/// So many connections may always wait for their request, so that even a server that is full can answer
/// requests.
const MIN_PENDING: usize = 64;

/// The pause after an accept that failed for the whole process (no file descriptors left, say).
const PAUSE: Duration = Duration::from_millis(50);

impl Server {
    /// Listens on an address and serves it until the server is [shut down](Server::shutdown).
    ///
    /// # Errors
    /// When the address cannot be bound, or the server was shut down before.
    pub async fn listen(&self, addr: impl ToSocketAddrs) -> Result<(), ServeError> {
        let listener = TcpListener::bind(addr).await.map_err(ServeError::Listen)?;
        self.serve(listener).await
    }

    /// Serves a socket that listens already, until the server is [shut down](Server::shutdown).
    ///
    /// # Errors
    /// When the server was shut down before.
    pub async fn serve(&self, listener: TcpListener) -> Result<(), ServeError> {
        self.accept(listener, async |server: Server, tcp, addr, pending| {
            server.serve_request(tcp, Some(addr), pending).await;
        })
        .await
    }

    /// The only path that [`listen`](Server::listen) and its siblings serve; `None` when they serve
    /// all.
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    /// Accepts connections until the shutdown, and serves each in a task of its own.
    pub(crate) async fn accept<F, Fut>(&self, listener: TcpListener, serve: F) -> Result<(), ServeError>
    where
        F: FnOnce(Server, TcpStream, IpAddr, PendingRequest) -> Fut + Clone,
        Fut: Future<Output = ()> + Send + 'static,
    {
        if self.0.connections.is_down() {
            return Err(ServeError::ShutDown);
        }
        let down = self.0.connections.down();
        let mut down = std::pin::pin!(down);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut down => break,
            };
            match accepted {
                Ok((tcp, addr)) => {
                    // Fails only on a socket that is closed already.
                    let _ = tcp.set_nodelay(true);
                    tokio::spawn(serve.clone()(self.clone(), tcp, addr.ip(), self.pending_request()));
                }
                // That connection is gone again; the next one can be accepted.
                Err(error) if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop(listener); // so that no connection waits in its backlog
        self.0.connections.done().await;
        Ok(())
    }

    /// Enters a connection whose request has not come yet.
    fn pending_request(&self) -> PendingRequest {
        self.0.before_request.enter(self.0.env.limits.strangers.max(MIN_PENDING))
    }

    /// Serves one stream, from its HTTP request on: a Unix socket, TLS of your own, a pipe in a test.
    /// Returns when the request is answered. An upgraded connection runs in its own task.
    pub async fn serve_stream<IO>(&self, io: IO, remote_addr: Option<IpAddr>)
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.serve_request(io, remote_addr, self.pending_request()).await;
    }

    /// Serves one stream that has a place among the pending requests.
    pub(crate) async fn serve_request<IO>(&self, io: IO, remote_addr: Option<IpAddr>, pending: PendingRequest)
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let answer = service_fn(|mut request: Request<Incoming>| {
            let server = self.clone();
            pending.request_arrived();
            async move {
                if server.0.path.as_ref().is_some_and(|path| path != request.uri().path()) {
                    return Ok::<_, Infallible>(last(upgrade::refuse(StatusCode::NOT_FOUND, "nothing here")));
                }
                if let Some(addr) = remote_addr {
                    request.extensions_mut().insert(RemoteAddr(addr));
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
}

/// Says that the connection ends with this answer, unless it is upgraded: there is one request a
/// connection. hyper's own option would say so in the answer 101 too, which some clients take for a
/// refusal.
fn last(mut answer: HttpAnswer) -> HttpAnswer {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer.headers_mut().append(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
