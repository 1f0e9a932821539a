//! One attempt to connect: the dial, the upgrade, the hi, the challenge, the welcome. It may never
//! leave a connection behind when it is given up.

use super::{Handle, Shared, Target, dial, driver::Told, guest::Guest};
use crate::{error::ConnectError, peer::Peer, pump::Pump, run::caught};
use std::{
    io,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use wse_frame::Role;
use wse_proto::{Closed, Hello, Kind, Reason, RpError};

/// A connection, whose task runs by itself; cut when dropped, unless it ends by itself.
pub(crate) struct Connection {
    peer: Option<Arc<Peer>>,
    hung_up: oneshot::Receiver<Closed>,
    /// How it ended, once known, and until when its messages may wait for a handler.
    closed: Option<(Closed, Instant)>,
    /// Gone when nothing of the server's waits for its handler any more.
    drained: oneshot::Receiver<()>,
    /// How long that is waited for.
    patience: Duration,
}

impl Connection {
    /// Resolves when the connection has ended by itself and all that came before has its handler,
    /// or has waited for one long enough.
    pub(crate) async fn ended(&mut self) -> Closed {
        let (closed, deadline) = self.gone().await;
        let _ = tokio::time::timeout_at(deadline, &mut self.drained).await;
        closed
    }

    /// Resolves when the stream is gone. It may not wait for any handler: one of them may be what
    /// waits for this.
    async fn gone(&mut self) -> (Closed, Instant) {
        if let Some(gone) = &self.closed {
            return gone.clone();
        }
        let closed = (&mut self.hung_up).await.unwrap_or_else(|_| Closed::broken(Reason::default()));
        self.peer = None;
        self.closed.insert((closed, Instant::now() + self.patience)).clone()
    }

    /// Ends the connection: what is queued is still sent.
    pub(crate) async fn close(mut self, closed: Closed) -> Closed {
        if let Some(peer) = self.peer.take() {
            peer.close(closed);
        }
        self.gone().await.0
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(peer) = &self.peer {
            peer.outbox.cut();
        }
    }
}

/// Connects and waits for the welcome. Gives also what lets the server's messages through.
pub(crate) async fn attempt(
    shared: Arc<Shared>,
    client: Weak<Handle>,
    events: mpsc::UnboundedSender<Told>,
    target: Target,
) -> Result<(Connection, oneshot::Sender<()>), ConnectError> {
    let options = &shared.options;
    let timeout = options.limits.connect_timeout.saturating_add(options.protocol.welcome_timeout());
    match tokio::time::timeout(timeout, untimed(shared, client, events, target)).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::Unreachable(io::ErrorKind::TimedOut.into())),
    }
}

async fn untimed(
    shared: Arc<Shared>,
    client: Weak<Handle>,
    events: mpsc::UnboundedSender<Told>,
    target: Target,
) -> Result<(Connection, oneshot::Sender<()>), ConnectError> {
    let options = &shared.options;
    if let Some(mistake) = &options.mistake {
        return Err(ConnectError::Setup(mistake.clone()));
    }
    let uri = dial::parse(&target.url)?;
    let codec = options.protocol.client_codec();
    let format = codec.format();
    let identity = caught(async move { (target.identity)(format).await }, Err).await.map_err(ConnectError::Identity)?;
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

    let peer = Arc::new(Peer::new(codec, &options.limits, true));
    let (session, hi) = options.protocol.client_session(&hello, &options.limits, Instant::now().into_std());
    peer.send_own(Kind::Hi, &hi).map_err(|error| ConnectError::Identity(RpError::from(error)))?;
    let (verdict, welcomed) = oneshot::channel();
    let (hang_up, hung_up) = oneshot::channel();
    let (drain, drained) = oneshot::channel();
    let guest = Guest {
        shared: shared.clone(),
        client,
        events,
        verdict: Some(verdict),
        peer: None,
        unsolved: Arc::default(),
        hang_up: Some(hang_up),
        drain: Some(drain),
    };
    tokio::spawn(Pump::new(stream, ahead, Role::Client, session, guest, peer.clone()));
    let patience = options.limits.close_timeout;
    let mut connection = Connection { peer: Some(peer), hung_up, closed: None, drained, patience };
    let refused = match welcomed.await {
        Ok(Ok(release)) => return Ok((connection, release)),
        Ok(Err(error)) => error,
        Err(_) => ConnectError::Closed(Closed::broken(Reason::default())),
    };
    connection.peer = None; // it is saying goodbye already
    Err(refused)
}
