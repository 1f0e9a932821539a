//! Accepts sockets and serves each in a task of its own. One socket never keeps another waiting.

use crate::{
    error::ServeError,
    server::{
        Server,
        admission::{
            accept_failures::{AcceptFailures, is_out_of_files},
            admitting::{Admitting, ServerConnection},
            before_request::PendingRequest,
            cores::Cores,
            peer::Peer,
            proxy_protocol,
            sockets::Sockets,
        },
    },
};
use std::{
    io::{self, ErrorKind},
    pin::pin,
    time::Duration,
};
use tokio::{
    io::AsyncRead,
    time::{Instant, timeout},
};

/// The pause after an accept that failed for the whole process.
const PAUSE: Duration = Duration::from_millis(50);

impl Server {
    /// Accepts connections until the shutdown, and serves each in a task of its own. With a health path
    /// it accepts until the shutdown is over, to say that it is under way.
    pub(crate) async fn accept<S, F, Fut>(&self, mut sockets: S, serve: F) -> Result<(), ServeError>
    where
        S: Sockets,
        F: FnOnce(Server, S::Io, Peer, PendingRequest) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Option<ServerConnection>> + Send + 'static,
    {
        let connections = &self.0.connections;
        if connections.is_down() {
            return Err(ServeError::ShutDown);
        }
        self.start_cluster();
        let mut cores = Cores::start(self)?;
        let mut end = pin!(async {
            match self.0.rules.health {
                Some(_) => connections.done().await,
                None => connections.down().await,
            }
        });
        let mut failures = AcceptFailures::default();
        loop {
            let accepted = tokio::select! {
                accepted = cores.accept(&mut sockets) => accepted,
                () = &mut end => break,
            };
            match accepted {
                Ok((io, peer)) => {
                    if failures.accepted(Instant::now()) {
                        tracing::warn!("connections accepted again");
                    }
                    let (server, pending, serve) = (self.clone(), self.pending_request(), serve.clone());
                    let introduce = move |io, under_way| {
                        Admitting::new(async move {
                            let connection = server.introduce(io, peer, pending, serve).await;
                            drop(under_way);
                            connection
                        })
                    };
                    cores.serve::<S, _>(io, introduce);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if failures.failed(Instant::now()) {
                        match is_out_of_files(&error) {
                            true => tracing::warn!(%error, "out of file descriptors, raise the limit of the process"),
                            false => tracing::warn!(%error, "cannot accept a connection"),
                        }
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop(sockets); // so that no connection waits in their backlog
        connections.done().await;
        Ok(())
    }

    /// Serves a connection, after its PROXY header where its peer has to send one.
    async fn introduce<IO, F, Fut>(
        self,
        mut io: IO,
        peer: Peer,
        pending: PendingRequest,
        serve: F,
    ) -> Option<ServerConnection>
    where
        IO: AsyncRead + Unpin,
        F: FnOnce(Server, IO, Peer, PendingRequest) -> Fut,
        Fut: Future<Output = Option<ServerConnection>>,
    {
        if !self.0.rules.proxy_protocol || !peer.is_trusted(&self.0.rules.trusted_proxies) {
            return serve(self, io, peer, pending).await;
        }
        let read = timeout(self.0.env.limits.http_timeout, proxy_protocol::read(&mut io));
        let read = tokio::select! {
            read = read => read,
            () = pending.evicted() => {
                tracing::debug!("evicted before its PROXY header");
                return None;
            }
        };
        match read {
            Ok(Ok(source)) => return serve(self, io, source.map_or(peer, Peer::Tcp), pending).await,
            Ok(Err(error)) if error.kind() == ErrorKind::InvalidData => {
                self.0.unreadable.tell("PROXY protocol", peer.addr());
            }
            Ok(Err(error)) => tracing::debug!(%error, "PROXY header failed"),
            Err(_) => tracing::debug!("PROXY header timed out"),
        }
        None
    }
}

/// Whether only that connection is gone again, and the next one can be accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
