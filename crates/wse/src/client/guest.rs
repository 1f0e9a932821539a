//! The client's side of a connection: solves challenges, takes the welcome, tells the client.
//! It may never read or write the socket.

use super::{Client, ClientEvent, Handle, Shared, driver::Told};
use crate::{
    error::ConnectError,
    handlers::Handlers,
    hook::Hooks,
    peer::Peer,
    side::{Asked, Report, Side, Task},
};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{mpsc, oneshot};
use wse_proto::{AnyClientSession, Closed, Limits, Payload, Reason, RpError};

pub(crate) struct Guest {
    pub(crate) shared: Arc<Shared>,
    pub(crate) client: Weak<Handle>,
    pub(crate) events: mpsc::UnboundedSender<Told>,
    /// Told once: welcomed, with what lets the server's messages through; or why not.
    pub(crate) verdict: Option<oneshot::Sender<Result<oneshot::Sender<()>, ConnectError>>>,
    /// The connection, once welcomed.
    pub(crate) peer: Option<Arc<Peer>>,
    /// Why a challenge was not solved.
    pub(crate) unsolved: Arc<Mutex<Option<RpError>>>,
    /// Told once: the stream is gone.
    pub(crate) hang_up: Option<oneshot::Sender<Closed>>,
    /// Gone when nothing waits for its handler after that.
    pub(crate) drain: Option<oneshot::Sender<()>>,
}

impl Side for Guest {
    type Session = AnyClientSession;
    type Who = Client;

    fn who(&self) -> Option<Client> {
        self.client.upgrade().map(Client)
    }

    fn handlers(&self) -> &Handlers<Client> {
        &self.shared.handlers
    }

    fn hooks(&self) -> &Hooks<Client> {
        &self.shared.options.hooks
    }

    fn limits(&self) -> &Limits {
        &self.shared.options.limits
    }

    fn expose_errors(&self) -> bool {
        self.shared.options.expose_errors
    }

    fn ask(&mut self, quest: Payload<'static>) -> Asked<Payload<'static>> {
        let unsolved = self.unsolved.clone();
        let solving = match (&self.shared.options.challenge, self.who()) {
            (Some(challenge), Some(client)) => Ok(challenge(client, &quest)),
            _ => Err(RpError::new(wse_proto::Code::INVALID_CRA_HANDLER).message("no challenge handler")),
        };
        Box::pin(async move {
            let solved = match solving {
                Ok(solving) => solving.await.map_err(|mut errors| errors.remove(0)),
                Err(error) => Err(error),
            };
            let solution = solved.map_err(|error| {
                *unsolved.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Closed::normal(Reason::BY_CLIENT)
            });
            (solution, None)
        })
    }

    fn open(&mut self, welcome: Payload<'static>, peer: &Arc<Peer>) -> Result<Option<oneshot::Receiver<()>>, Closed> {
        self.peer = Some(peer.clone());
        self.shared.welcomed(peer.clone(), welcome);
        let (release, ready) = oneshot::channel();
        if let Some(verdict) = self.verdict.take() {
            // The client may have given this attempt up a moment ago; then the end follows.
            let _ = verdict.send(Ok(release));
        }
        Ok(Some(ready))
    }

    fn report(&self, report: Report<'_>) -> Option<Task<()>> {
        let event = match report {
            Report::Ignored { name, payload } => {
                ClientEvent::Ignored { name: name.into(), payload: payload.borrowed().into_owned() }
            }
            Report::Failed { code, error } => {
                tracing::warn!(code, %error, "failed");
                ClientEvent::Error { code, error: Arc::new(error) }
            }
        };
        if self.shared.whens.is_empty() {
            return None;
        }
        // In line with the client's other events; what waits meanwhile takes a handler's place.
        let (release, handled) = oneshot::channel();
        let _ = self.events.send((event, Some(release))); // its task lives as long as this one
        Some(Box::pin(async move { _ = handled.await }))
    }

    fn ended(&mut self, closed: &Closed) {
        if let Some(peer) = self.peer.take() {
            self.shared.parted(&peer);
        }
        if let Some(verdict) = self.verdict.take() {
            let unsolved = self.unsolved.lock().unwrap_or_else(PoisonError::into_inner).take();
            let error = match unsolved {
                Some(error) => ConnectError::Challenge(error),
                None if self.shared.options.protocol.client_codec().is_refusal(closed) => {
                    ConnectError::Refused(closed.clone())
                }
                None => ConnectError::Closed(closed.clone()),
            };
            let _ = verdict.send(Err(error));
        }
    }

    fn hung_up(&mut self, closed: &Closed, drained: bool) {
        if let Some(hang_up) = self.hang_up.take() {
            let _ = hang_up.send(closed.clone()); // an attempt that failed has nobody waiting
        }
        if drained {
            self.drain = None;
        }
    }
}
