//! The client's side of a connection: solves challenges, takes the welcome, tells the client.
//! It may never read or write the socket.

use crate::{
    app::{handlers::Handlers, hooks::Hooks},
    client::{Client, ClientInner, event::ClientEvent, link::Gone, reconnect::Told, state::Shared},
    connection::{
        handle::Handle,
        owner::{Asked, Opened, Owner, Report, Task},
        resume::{Claim, Resumption},
    },
    error::ConnectError,
};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use wse_proto::{AnyClientSession, Closed, Ledger, Limits, Payload, Reason, RpError, Token, Welcome};

/// What a welcome means for the client's task.
pub(crate) struct Welcomed {
    /// Lets the server's messages through.
    pub(crate) release: oneshot::Sender<()>,
    /// The session before goes on.
    pub(crate) resumed: bool,
    /// Envelopes of the session before, if it does not, of which nobody said that they arrived.
    pub(crate) lost: u64,
}

pub(crate) struct ClientOwner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) client: Weak<ClientInner>,
    pub(crate) events: mpsc::UnboundedSender<Told>,
    /// What to come back with.
    pub(crate) token: Option<Token>,
    /// Told once: welcomed, or why not.
    pub(crate) verdict: Option<oneshot::Sender<Result<Welcomed, ConnectError>>>,
    /// The connection, once welcomed.
    pub(crate) handle: Option<Arc<Handle>>,
    /// The one before, if it had a session, until the welcome.
    pub(crate) left: Option<Arc<Handle>>,
    /// Why a challenge was not solved.
    pub(crate) unsolved: Arc<Mutex<Option<RpError>>>,
    /// Until the stream is gone for good.
    pub(crate) gone: Option<mpsc::UnboundedSender<Gone>>,
    /// Gone when nothing waits for its handler after that.
    pub(crate) drain: Option<oneshot::Sender<()>>,
}

impl Owner for ClientOwner {
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

    fn open(&mut self, welcome: Welcome, handle: &Arc<Handle>) -> Result<Opened, Closed> {
        let Welcome { payload, session } = welcome;
        let left = self.left.take();
        let (release, ready) = oneshot::channel();
        let resumed = session.as_ref().filter(|granted| granted.resumed).zip(left.clone());
        if let Some((granted, before)) = &resumed {
            if !before.outbox.is_open() {
                // It has ended while this attempt was under way: another one asks for a new one.
                return Err(Closed { code: 4000, reason: Reason::from("wse.session-over") });
            }
            if !before.outbox.covers(granted.seen) {
                return Err(Closed::protocol_error());
            }
        }
        let lost = if resumed.is_some() { 0 } else { left.map_or(0, |before| over(&before)) };
        let welcomed = Welcomed { release, resumed: resumed.is_some(), lost };
        // Whoever made this attempt has given it up a moment ago.
        let verdict = self.verdict.take();
        if verdict.is_some_and(|verdict| verdict.send(Ok(welcomed)).is_err()) {
            return Err(Closed::broken(Reason::default()));
        }
        let token = session.as_ref().map(|granted| granted.token.clone());
        if let Some((granted, before)) = resumed {
            self.shared.welcomed(before.clone(), payload);
            let (seen, ready) = (granted.seen, Some(ready));
            let resumption = Resumption { seen, welcome: None, token, ready };
            return Ok(Opened::Resumed(Claim { handle: before, resumption }));
        }
        let ledger = session.map(|granted| {
            handle.outbox.keep(None, self.shared.options.limits.session_bytes);
            Ledger::new(granted.beat, granted.window, Instant::now().into_std())
        });
        (self.handle, self.token) = (Some(handle.clone()), token);
        self.shared.welcomed(handle.clone(), payload);
        Ok(Opened::New { ready: Some(ready), ledger, on_trial: false })
    }

    fn parked(&mut self, closed: &Closed, taken: u64) {
        if let (Some(gone), Some(token)) = (&self.gone, &self.token) {
            let _ = gone.send(Gone::Parked(closed.clone(), token.clone(), taken)); // who is told may have gone
        }
    }

    fn resumed(&mut self, token: Option<Token>) {
        self.token = token.or(self.token.take());
    }

    fn report(&self, report: Report<'_>) -> Option<Task<()>> {
        let event = match report {
            Report::Ignored { name, payload } => {
                ClientEvent::Ignored { name: name.into(), payload: payload.borrowed().into_owned() }
            }
            Report::Failed { code, name, error } => {
                tracing::warn!(code, name, %error, "failed");
                ClientEvent::Error { code, name: name.map(Arc::from), error: Arc::new(error) }
            }
        };
        if self.shared.listeners.is_empty() {
            return None;
        }
        // In line with the client's other events; what waits meanwhile takes a handler's place.
        let (release, handled) = oneshot::channel();
        let _ = self.events.send((event, Some(release))); // its task lives as long as this one
        Some(Box::pin(async move { _ = handled.await }))
    }

    fn ended(&mut self, closed: &Closed) {
        if let Some(handle) = self.handle.take() {
            self.shared.disconnected(&handle);
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

    fn stream_gone(&mut self, closed: &Closed, drained: bool) {
        if let Some(gone) = self.gone.take() {
            let _ = gone.send(Gone::Ended(closed.clone())); // an attempt that failed has nobody waiting
        }
        if drained {
            self.drain = None;
        }
    }
}

/// Ends a session that was not resumed, before anybody hears of the next. Gives how much of it
/// nobody said to have arrived.
fn over(left: &Handle) -> u64 {
    left.close(Closed::broken(Reason::default()));
    left.disconnect();
    left.outbox.unconfirmed()
}
