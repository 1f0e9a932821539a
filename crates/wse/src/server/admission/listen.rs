//! The server on its own: accepts sockets and hands each to HTTP. It may never let one socket
//! keep another waiting.

use crate::{
    error::ServeError,
    server::{
        Server,
        admission::{
            before_request::PendingRequest,
            remote_addr::RemoteAddr,
            service::run_as,
            upgrade::{self, Answer},
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

/// However few strangers are let in, so many may wait to be told so.
const WAITING: usize = 64;

/// After an accept that failed for the whole process (no file descriptors left, say).
const PAUSE: Duration = Duration::from_millis(50);

impl Server {
    /// Listens on an address and serves it until the server was [shut down](Server::shutdown).
    ///
    /// # Errors
    /// When the address cannot be bound, or the server was shut down before.
    pub async fn listen(&self, addr: impl ToSocketAddrs) -> Result<(), ServeError> {
        let listener = TcpListener::bind(addr).await.map_err(ServeError::Listen)?;
        self.serve(listener).await
    }

    /// Serves a socket that listens already until the server was [shut down](Server::shutdown).
    ///
    /// # Errors
    /// When the server was shut down before.
    pub async fn serve(&self, listener: TcpListener) -> Result<(), ServeError> {
        self.accept(listener, async |server: Server, tcp, addr, waiting| {
            server.serve_request(tcp, Some(addr), waiting).await;
        })
        .await
    }

    /// The only path that [`listen`](Server::listen) and its siblings serve; `None` when they serve
    /// all.
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    /// Accepts until the shutdown; what is accepted is served in a task of its own.
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
                    // Fails only on a socket that is gone already.
                    let _ = tcp.set_nodelay(true);
                    tokio::spawn(serve.clone()(self.clone(), tcp, addr.ip(), self.wait()));
                }
                // One connection that is gone again is no reason to wait.
                Err(error) if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop(listener); // nobody may wait in its backlog
        self.0.connections.done().await;
        Ok(())
    }

    /// A place for a connection whose request has not come yet.
    fn wait(&self) -> PendingRequest {
        self.0.before_request.enter(self.0.limits.strangers.max(WAITING))
    }

    /// Serves one stream from its HTTP request on: a Unix socket, TLS of your own, a pipe in a
    /// test. Returns when the request is answered; an upgraded connection goes on in its own task.
    pub async fn serve_stream<IO>(&self, io: IO, remote_addr: Option<IpAddr>)
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.serve_request(io, remote_addr, self.wait()).await;
    }

    /// The same for a connection that waits already.
    pub(crate) async fn serve_request<IO>(&self, io: IO, remote_addr: Option<IpAddr>, waiting: PendingRequest)
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let answer = service_fn(|mut request: Request<Incoming>| {
            let server = self.clone();
            waiting.arrived();
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
            .header_read_timeout(self.0.limits.http_timeout)
            .max_buf_size(self.0.limits.http_bytes)
            .serve_connection(TokioIo::new(io), answer)
            .with_upgrades();
        tokio::select! {
            served = serving => {
                if let Err(error) = served {
                    tracing::debug!(%error, "no request");
                }
            }
            () = waiting.evicted() => tracing::debug!("no request, and others wait"),
        }
    }
}

/// One request a connection: what is not upgraded ends with its answer. hyper's own way of saying
/// so would say it in the answer 101 too, which some clients take for a refusal.
fn last(mut answer: Answer) -> Answer {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer.headers_mut().append(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
