//! One attempt to connect: the dial, the upgrade, the hi, the challenge, the welcome. It may never
//! leave a connection behind when it is given up.

use crate::{
    app::run::caught,
    client::{
        ClientInner, dial,
        link::Link,
        owner::{ClientOwner, Welcomed},
        reconnect::Told,
        state::{Shared, Target},
    },
    connection::{handle::Handle, task::Connection},
    error::ConnectError,
};
use std::{
    io,
    sync::{Arc, Weak},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use wse_frame::Role;
use wse_proto::{Closed, Hello, Reason, RpError, Wanted};

/// What an attempt needs.
pub(crate) struct Attempt {
    pub(crate) shared: Arc<Shared>,
    pub(crate) client: Weak<ClientInner>,
    pub(crate) events: mpsc::UnboundedSender<Told>,
    pub(crate) target: Target,
    /// The connection before, if it had a session.
    pub(crate) left: Option<Arc<Handle>>,
    /// The session to ask for.
    pub(crate) wanted: Option<Wanted>,
}

impl Attempt {
    /// Connects and waits for the welcome. Gives no connection where the one before goes on.
    pub(crate) async fn run(self) -> Result<(Option<Link>, Welcomed), ConnectError> {
        let options = &self.shared.options;
        let timeout = options.limits.connect_timeout.saturating_add(options.protocol.welcome_timeout());
        match tokio::time::timeout(timeout, self.untimed()).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError::Unreachable(io::ErrorKind::TimedOut.into())),
        }
    }

    async fn untimed(self) -> Result<(Option<Link>, Welcomed), ConnectError> {
        let Self { shared, client, events, target, left, wanted } = self;
        let options = &shared.options;
        if let Some(mistake) = &options.mistake {
            return Err(ConnectError::Setup(mistake.clone()));
        }
        let uri = dial::parse(&target.url)?;
        let codec = options.protocol.client_codec();
        let format = codec.format();
        let identity = async move { (target.identity)(format).await };
        let identity = caught(identity, Err).await.map_err(ConnectError::Identity)?;
        let hello = Hello { identity, meta: target.meta };
        let stream = match &options.dial {
            Some(dial) => {
                let dialing = async { dial(uri.clone()).await };
                caught(dialing, |panic| Err(io::Error::other(panic.to_string()))).await
            }
            None => dial::tcp(uri.clone(), options.wrap.clone()).await,
        };
        let stream = stream.map_err(ConnectError::Unreachable)?;
        let (stream, ahead) = dial::upgrade(stream, &uri, options.protocol.name(), &options.headers).await?;

        let handle = Arc::new(Handle::new(codec, &options.limits, true));
        let now = Instant::now().into_std();
        let (session, hi) = options.protocol.client_session(&hello, wanted.as_ref(), &options.limits, now);
        handle.hi(hi).map_err(|error| ConnectError::Identity(RpError::from(error)))?;
        let (verdict, welcomed) = oneshot::channel();
        let (lost, gone) = mpsc::unbounded_channel();
        let (drain, drained) = oneshot::channel();
        let connection = Link::new(handle.clone(), gone, drained, options.limits.close_timeout);
        let guest = ClientOwner {
            shared: shared.clone(),
            client,
            events,
            verdict: Some(verdict),
            handle: None,
            token: None,
            left,
            unsolved: Arc::default(),
            gone: Some(lost),
            drain: Some(drain),
        };
        tokio::spawn(Connection::new(stream, ahead, Role::Client, session, guest, handle));
        let refused = match welcomed.await {
            Ok(Ok(welcomed)) if welcomed.resumed => {
                connection.forget();
                return Ok((None, welcomed));
            }
            Ok(Ok(welcomed)) => return Ok((Some(connection), welcomed)),
            Ok(Err(error)) => error,
            Err(_) => ConnectError::Closed(Closed::broken(Reason::default())),
        };
        connection.forget(); // it is saying goodbye already
        Err(refused)
    }
}
