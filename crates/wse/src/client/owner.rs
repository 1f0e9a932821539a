//! What a client does with its connection: it solves challenges, takes the welcome, and reports to
//! the client's task. It must never read or write the socket.

use crate::{
    app::erased::{BoxFuture, CallRun, caught},
    client::{
        Client, ClientInner,
        event::{ClientEvent, QueuedEvent},
        link::Disconnect,
        state::{ClientState, Identity},
    },
    connection::{
        handle::Handle,
        owner::{Asked, Env, Life, Opened, Owner, Report},
        parked::Resumption,
    },
    error::ConnectError,
};
use std::{
    future::ready,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use wse_proto::{AnyClientMachine, Closed, Code, Payload, Reason, Received, RpError, Token, Welcome};

/// What the client's task learns from a welcome.
pub(crate) struct Established {
    /// Lets the server's messages and calls through.
    pub(crate) release: oneshot::Sender<()>,
    /// Whether the previous session was resumed.
    pub(crate) resumed: bool,
    /// Envelopes of the previous session whose arrival was not confirmed, if it was not resumed.
    pub(crate) lost: u64,
}

/// The owner of a client's connection: what the connection needs from the client.
pub(crate) struct ClientOwner {
    pub(crate) state: Arc<ClientState>,
    pub(crate) client: Weak<ClientInner>,
    pub(crate) events: mpsc::UnboundedSender<QueuedEvent>,
    /// The token that resumes the session.
    pub(crate) token: Option<Token>,
    /// Takes the welcome, or why there is none. Used once.
    pub(crate) verdict: Option<oneshot::Sender<Result<Established, ConnectError>>>,
    /// The connection, after the welcome.
    pub(crate) handle: Option<Arc<Handle>>,
    /// The previous connection, until the welcome.
    pub(crate) previous: Option<Arc<Handle>>,
    /// Why a challenge was not solved.
    pub(crate) challenge_error: Arc<Mutex<Option<RpError>>>,
    /// Makes the identity for the server, also when it asks for another one.
    pub(crate) identity: Identity,
    /// Held while that runs.
    pub(crate) renewing: Arc<()>,
    /// Takes every loss of the stream, until the connection has ended.
    pub(crate) disconnect: Option<mpsc::UnboundedSender<Disconnect>>,
    /// Dropped when the connection has ended and no message waits for its handler any more.
    pub(crate) drain: Option<oneshot::Sender<()>>,
}

impl Owner for ClientOwner {
    type Machine = AnyClientMachine;
    type Who = Client;

    fn who(&self) -> Option<Client> {
        self.client.upgrade().map(Client)
    }

    fn env(&self) -> &Env<Client> {
        &self.state.env
    }

    fn ask(&mut self, quest: Payload<'static>) -> Asked<Payload<'static>> {
        let challenge_error = self.challenge_error.clone();
        let solving = match (&self.state.options.challenge, self.who()) {
            (Some(challenge), Some(client)) => Ok(challenge(client, &quest)),
            _ => Err(RpError::new(wse_proto::Code::INVALID_CRA_HANDLER).message("no challenge handler")),
        };
        Box::pin(async move {
            let solved = match solving {
                Ok(solving) => solving.await.map_err(|error| *error),
                Err(error) => Err(error),
            };
            let solution = solved.map_err(|error| {
                *challenge_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Closed::normal(Reason::BY_CLIENT)
            });
            (solution, None)
        })
    }

    fn open(&mut self, welcome: Welcome, handle: &Arc<Handle>) -> Result<Opened, Closed> {
        let Welcome { payload, session, features } = welcome;
        let previous = self.previous.take();
        let (release, ready) = oneshot::channel();
        let resumed = session.as_ref().filter(|granted| granted.resumed).zip(previous.clone());
        if let Some((granted, before)) = &resumed {
            if !before.is_open() {
                // The previous session ended during this attempt. The next attempt asks for a new one.
                return Err(Closed { code: 4000, reason: Reason::from("wse.session-over") });
            }
            if !before.session(|session| session.covers(granted.seen)).unwrap_or(false) {
                return Err(Closed::protocol_error());
            }
        }
        let lost = if resumed.is_some() { 0 } else { previous.map_or(0, |before| end_session(&before)) };
        let established = Established { release, resumed: resumed.is_some(), lost };
        // The client's task may have cancelled this attempt a moment ago.
        let verdict = self.verdict.take();
        if verdict.is_some_and(|verdict| verdict.send(Ok(established)).is_err()) {
            return Err(Closed::broken(Reason::default()));
        }
        let token = session.as_ref().map(|granted| granted.token.clone());
        if let Some((granted, before)) = resumed {
            before.bound_messages(granted.message_bytes.unwrap_or(u64::MAX));
            self.state.set_connection(before.clone(), payload);
            let (seen, ready) = (granted.seen, Some(ready));
            let resumption = Resumption { seen, features, welcome: None, token, ready };
            return Ok(Opened::Resumed(before, resumption));
        }
        handle.set_features(features);
        let received = session.map(|granted| {
            handle.begin_session(None, self.state.env.limits.session_bytes);
            handle.bound_messages(granted.message_bytes.unwrap_or(u64::MAX));
            Received::new(granted.beat, granted.window, Instant::now().into_std())
        });
        (self.handle, self.token) = (Some(handle.clone()), token);
        self.state.set_connection(handle.clone(), payload);
        Ok(Opened::New { ready: Some(ready), received, provisional: false })
    }

    fn renew(&mut self) -> Option<CallRun> {
        let renewing = self.renewing.clone();
        if Arc::strong_count(&renewing) > 2 {
            return Some(Box::pin(ready(Err(RpError::new(Code::RP_BUSY).into()))));
        }
        let (identity, format) = (self.identity.clone(), self.state.options.spoken.codec.format());
        let within = self.state.env.limits.connect_timeout;
        Some(Box::pin(async move {
            let _renewing = renewing;
            let made = caught(async { identity(format).await }, |panic| Err(ConnectError::Identity(panic)));
            let made = tokio::time::timeout(within, made)
                .await
                .unwrap_or_else(|late| Err(ConnectError::Identity(late.into())));
            made.map_err(|error| {
                let error = match error {
                    ConnectError::Identity(error) => error,
                    other => other.into(),
                };
                if error.source().is_none() {
                    tracing::info!(%error, "identity not renewed"); // any other is reported as a failed handler
                }
                Box::new(error)
            })
        }))
    }

    fn unable(&self) -> Closed {
        Closed::not_authorized()
    }

    fn on(&mut self, life: Life<'_>) {
        match life {
            Life::Parked { closed, taken } => {
                if let (Some(disconnect), Some(token)) = (&self.disconnect, &self.token) {
                    // The client's task may have ended.
                    let _ = disconnect.send(Disconnect::Parked(closed.clone(), token.clone(), taken));
                }
            }
            Life::Resumed(token) => self.token = token.or(self.token.take()),
            Life::Ended(closed) => self.ended(closed),
            Life::StreamGone { closed, drained } => {
                if let Some(disconnect) = self.disconnect.take() {
                    // After a failed attempt nothing waits for this.
                    let _ = disconnect.send(Disconnect::Ended(closed.clone()));
                }
                if drained {
                    self.drain = None;
                }
            }
            Life::Waiting { .. } | Life::Confirmed => {} // only a server bounds its parked sessions
            Life::Unsettled { .. } | Life::Uncancelled(_) | Life::Left => {} // nor moves a client's session
        }
    }

    fn report(&self, report: Report<'_>) -> Option<BoxFuture<()>> {
        let event = match report {
            Report::Ignored { .. } if self.state.listeners.is_empty() => return None, // before the payload is copied
            Report::Ignored { name, payload } => {
                ClientEvent::Ignored { name: name.into(), payload: payload.borrowed().into_owned() }
            }
            Report::Failed { code, name, error } => {
                tracing::warn!(code, name, %error, "handler failed");
                ClientEvent::Error { code, name: name.map(Arc::from), error: Arc::new(error) }
            }
            // Before the welcome the attempt fails with it.
            Report::Rejected(_) | Report::Garbage(_) if self.handle.is_none() => return None,
            Report::Rejected(error) | Report::Garbage(error) => {
                tracing::debug!(%error, "protocol error");
                return None;
            }
            Report::Late => return None, // only a server asks for a verdict
        };
        let event = self.state.listeners.happened(event)?;
        // It waits in the queue of the client's events, and takes the place of a handler meanwhile.
        let (release, handled) = oneshot::channel();
        let _ = self.events.send((event, Some(release))); // its receiver lives as long as this task
        Some(Box::pin(async move { _ = handled.await }))
    }
}

impl ClientOwner {
    fn ended(&mut self, closed: &Closed) {
        if let Some(handle) = self.handle.take() {
            self.state.clear_connection(&handle);
        }
        if let Some(verdict) = self.verdict.take() {
            let challenge_error = self.challenge_error.lock().unwrap_or_else(PoisonError::into_inner).take();
            let error = match challenge_error {
                Some(error) => ConnectError::Challenge(error),
                None if self.state.options.spoken.codec.is_refusal(closed) => ConnectError::Refused(closed.clone()),
                None => ConnectError::Closed(closed.clone()),
            };
            let _ = verdict.send(Err(error));
        }
    }
}

/// Ends a session that was not resumed, before the next one is announced. Returns how many of its
/// envelopes were not confirmed to have arrived.
fn end_session(previous: &Handle) -> u64 {
    previous.close(Closed::broken(Reason::default()));
    previous.calls().disconnect();
    previous.session(|session| session.unconfirmed()).unwrap_or(0)
}
