//! A connection as the client's task sees it: its end, its session, what was taken in over it.
//! No connection may outlive its link, unless the link is detached.

use crate::connection::handle::Handle;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use wse_proto::{Closed, Reason, SessionRequest, Token};

/// A connection, which runs in its own task, and the session on it. Dropping the link aborts both,
/// unless they have ended or the link was [detached](Link::detach).
pub(crate) struct Link {
    pub(crate) handle: Arc<Handle>,
    disconnects: mpsc::UnboundedReceiver<Disconnect>,
    /// While the session has no connection: its token, and how many envelopes it has taken in.
    resume: Option<(Token, u64)>,
    /// How it ended, once known, and until when its messages may wait for a handler.
    ended: Option<(Closed, Instant)>,
    /// Resolves when no message of the server waits for its handler any more.
    drained: oneshot::Receiver<()>,
    /// How long messages may wait for their handlers after the end.
    drain_timeout: Duration,
    detached: bool,
}

/// The connection has lost its stream.
pub(crate) enum Disconnect {
    /// Its session waits for another connection: the token to resume it, and how many envelopes it
    /// has taken in.
    Parked(Closed, Token, u64),
    /// Its session, if any, has ended with it.
    Ended(Closed),
}

impl Link {
    /// The connection's task reports over `disconnects` and `drained`.
    pub(crate) fn new(
        handle: Arc<Handle>,
        disconnects: mpsc::UnboundedReceiver<Disconnect>,
        drained: oneshot::Receiver<()>,
        drain_timeout: Duration,
    ) -> Self {
        Self { handle, disconnects, resume: None, ended: None, drained, drain_timeout, detached: false }
    }

    /// Resolves when the stream is lost. If nothing is left to resume, it also waits until every
    /// message that came before has its handler, or has waited for one long enough.
    pub(crate) async fn disconnected(&mut self) -> Closed {
        if self.ended.is_none() {
            let closed = self.next_disconnect(self.drain_timeout).await;
            if self.ended.is_none() {
                return closed;
            }
        }
        let (closed, deadline) = self.ended.clone().unwrap_or_else(|| (broken(), Instant::now()));
        let _ = tokio::time::timeout_at(deadline, &mut self.drained).await;
        closed
    }

    /// Catches up with what the connection's task has reported since the last disconnect. If the
    /// session was resumed over the connection of an attempt that was cancelled, that connection is cut
    /// first.
    pub(crate) async fn catch_up(&mut self) {
        loop {
            match self.disconnects.try_recv() {
                Ok(disconnect) => _ = self.record(disconnect, Duration::ZERO),
                Err(_)
                    if self.handle.is_open()
                        && !self.handle.session(|session| session.is_unclaimed()).unwrap_or(false) =>
                {
                    self.handle.cut();
                    self.next_disconnect(Duration::ZERO).await;
                }
                Err(_) => return,
            }
        }
    }

    async fn next_disconnect(&mut self, drain_timeout: Duration) -> Closed {
        let disconnect = self.disconnects.recv().await.unwrap_or_else(|| Disconnect::Ended(broken()));
        self.record(disconnect, drain_timeout)
    }

    fn record(&mut self, disconnect: Disconnect, drain_timeout: Duration) -> Closed {
        let (closed, resume) = match disconnect {
            Disconnect::Parked(closed, token, taken) => (closed, Some((token, taken))),
            Disconnect::Ended(closed) => {
                self.ended = Some((closed.clone(), Instant::now() + drain_timeout));
                (closed, None)
            }
        };
        self.resume = resume;
        closed
    }

    /// Closes the connection: what is queued is still sent. It must not wait for the handlers, since
    /// one of them may wait for this close.
    pub(crate) async fn close(&mut self, closed: Closed) -> Closed {
        self.handle.close(closed);
        loop {
            if let Some((closed, _)) = &self.ended {
                return closed.clone();
            }
            self.next_disconnect(Duration::ZERO).await;
        }
    }

    /// What asks the server to resume the session, while the session waits for a connection.
    pub(crate) fn resumption(&self) -> Option<SessionRequest> {
        let resume = self.resume.clone().filter(|_| self.handle.is_open());
        resume.map(|(token, seen)| SessionRequest::Resume { token, seen })
    }

    /// How many envelopes the session has taken in, and how many of its own were acknowledged.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let taken = self.resume.as_ref().map_or(0, |(_, taken)| *taken);
        (taken, self.handle.session(|session| session.acknowledged()).unwrap_or(0))
    }

    /// Whether an envelope of this side waits for its acknowledgement.
    pub(crate) fn is_waiting(&self) -> bool {
        self.handle.session(|session| session.unconfirmed()).is_some_and(|unconfirmed| unconfirmed > 0)
    }

    /// Ends the connection and its session at once.
    pub(crate) fn abort(&mut self) {
        self.resume = None;
        if self.ended.is_none() && !self.detached {
            self.handle.abort();
        }
    }

    /// Drops the link without aborting the connection, which ends by itself.
    pub(crate) fn detach(mut self) {
        self.detached = true;
    }
}

fn broken() -> Closed {
    Closed::broken(Reason::default())
}

impl Drop for Link {
    fn drop(&mut self) {
        self.abort();
    }
}
