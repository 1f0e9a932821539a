//! One attempt to connect: identity, dial, upgrade, hi, challenge, welcome. A cancelled attempt
//! must never leave a connection behind.

use crate::{
    app::erased::caught,
    client::{
        ClientInner,
        addresses::Tried,
        dial,
        event::QueuedEvent,
        link::Link,
        owner::ClientOwner,
        retry::Interruption,
        state::{ClientState, Target},
        upgrade::{Upgraded, upgrade},
    },
    connection::{handle::Handle, task::Connection},
    error::ConnectError,
    watch::Watched,
};
use http::HeaderMap;
use std::{
    io,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use wse_frame::Role;
use wse_proto::{Closed, Hello, Reason, RpError, SessionRequest};

/// Why an attempt failed whose server has granted the upgrade. A server of npm `wse` 2 says nothing then.
const NO_WELCOME: &str = "the upgrade was granted, but no welcome came in time";

/// How an attempt to connect ended.
pub(crate) enum Outcome {
    /// The server has welcomed the client on a new connection.
    Connected {
        link: Link,
        /// Lets the server's messages and calls through.
        release: oneshot::Sender<()>,
        /// Envelopes of the previous session whose arrival was not confirmed.
        lost: u64,
    },
    /// The previous session continues, in the task in which it began.
    Resumed {
        link: Link,
        /// Lets the server's messages and calls through.
        release: oneshot::Sender<()>,
    },
    /// It failed.
    Failed(ConnectError),
    /// A command of the application has cancelled it.
    Interrupted(Interruption),
}

/// What an attempt needs.
pub(crate) struct Attempt<'a> {
    pub(crate) state: Arc<ClientState>,
    pub(crate) client: Weak<ClientInner>,
    pub(crate) events: mpsc::UnboundedSender<QueuedEvent>,
    pub(crate) target: Target,
    /// The previous connection and its session. Its link is taken when the server welcomes the client,
    /// and stays where it is when the attempt fails or is cancelled.
    pub(crate) previous: &'a mut Option<Link>,
}

impl Attempt<'_> {
    /// Connects and waits for the welcome, as long as the limits allow.
    pub(crate) async fn run(self) -> Outcome {
        let options = &self.state.options;
        let timeout = self.state.env.limits.connect_timeout.saturating_add(options.spoken.protocol.welcome_timeout());
        let (upgraded, tried) = (AtomicBool::new(false), Tried::default());
        match tokio::time::timeout(timeout, self.connect(&upgraded, &tried)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::Failed(error),
            Err(_) => {
                let granted = upgraded.load(Ordering::Relaxed);
                Outcome::Failed(ConnectError::Unreachable(late(granted, tried.list())))
            }
        }
    }

    /// Sets `upgraded` once the server has granted the upgrade, and notes the addresses it has tried.
    async fn connect(self, upgraded: &AtomicBool, tried: &Tried) -> Result<Outcome, ConnectError> {
        let Self { state, client, events, target, previous } = self;
        let options = &state.options;
        if let Some(error) = &options.setup_error {
            return Err(ConnectError::Setup(error.clone()));
        }
        let wants_session = options.resume && options.reconnect.is_some();
        let resumption = previous.as_ref().and_then(Link::resumption);
        let wanted = wants_session.then(|| resumption.unwrap_or(SessionRequest::New));
        let uri = dial::parse(&target.url)?;
        let format = options.spoken.codec.format();
        let make_identity = target.identity.clone();
        let identity = async move { (target.identity)(format).await };
        let identity = caught(identity, |panic| Err(ConnectError::Identity(panic))).await?;
        let headers = state.headers(&uri).await?;
        let hello = Hello { identity, meta: target.meta };
        let stream = match &options.dial {
            Some(dial) => {
                let dialing = async { dial(uri.clone()).await };
                let dialed = caught(dialing, |panic| Err(io::Error::other(panic.to_string()))).await;
                dialed.map_err(ConnectError::Unreachable)
            }
            None => dial::open(&uri, options.proxy_from_env, &options.wrap_tls, tried).await,
        };
        let heard = |answered: &HeaderMap| state.keep_cookies(&uri, answered);
        let compresses = state.env.compress_from.is_some();
        let upgrading = upgrade(stream?, &uri, options.spoken.protocol.name(), headers, compresses, heard);
        let Upgraded { io, ahead, deflate } = upgrading.await?;
        upgraded.store(true, Ordering::Relaxed);

        let handle = Arc::new(Handle::new(options.spoken.clone(), &state.env.limits, true));
        handle.agree(deflate);
        let now = Instant::now().into_std();
        let (machine, hi) = options.spoken.protocol.client_machine(&hello, wanted.as_ref(), &state.env.limits, now);
        handle.hi(hi).map_err(|error| ConnectError::Identity(RpError::from(error)))?;
        let (verdict, welcomed) = oneshot::channel();
        let (disconnect, disconnects) = mpsc::unbounded_channel();
        let (drain, drained) = oneshot::channel();
        let link = Link::new(handle.clone(), disconnects, drained, state.env.limits.close_timeout);
        let owner = ClientOwner {
            state: state.clone(),
            client,
            events,
            verdict: Some(verdict),
            handle: None,
            token: None,
            previous: previous.as_ref().map(|previous| previous.handle.clone()),
            challenge_error: Arc::default(),
            identity: make_identity,
            renewing: Arc::default(),
            disconnect: Some(disconnect),
            drain: Some(drain),
        };
        tokio::spawn(Watched(Connection::new(io, ahead, Role::Client, machine, owner, handle)));
        let welcomed = welcomed.await.unwrap_or_else(|_| Err(ConnectError::Closed(Closed::broken(Reason::default()))));
        let established = match welcomed {
            Ok(established) => established,
            Err(error) => {
                link.detach(); // its task sends the close frame
                return Err(error);
            }
        };
        let (release, lost) = (established.release, established.lost);
        match previous.take() {
            Some(previous) if established.resumed => {
                link.detach(); // its task has handed the stream over to the previous one
                Ok(Outcome::Resumed { link: previous, release })
            }
            _ => Ok(Outcome::Connected { link, release, lost }),
        }
    }
}

/// The error of an attempt that took too long.
fn late(granted: bool, tried: Option<String>) -> io::Error {
    let late = io::ErrorKind::TimedOut;
    match tried {
        _ if granted => io::Error::new(late, NO_WELCOME),
        Some(tried) => io::Error::new(late, format!("no answer in time, tried {tried}")),
        None => late.into(),
    }
}
