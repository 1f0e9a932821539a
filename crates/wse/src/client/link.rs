//! A connection as the client's task sees it: it runs by itself, gets lost, goes on, ends. It may
//! never be left running by nobody.

use crate::connection::handle::Handle;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use wse_proto::{Closed, Reason, Token};

/// A connection, whose task runs by itself; ended at once when dropped, unless it ends by itself.
pub(crate) struct Link {
    pub(crate) handle: Arc<Handle>,
    gone: mpsc::UnboundedReceiver<Gone>,
    /// How it ended, once known, and until when its messages may wait for a handler.
    ended: Option<(Closed, Instant)>,
    /// Gone when nothing of the server's waits for its handler any more.
    drained: oneshot::Receiver<()>,
    /// How long that is waited for.
    patience: Duration,
    forgotten: bool,
}

/// The stream is gone.
pub(crate) enum Gone {
    /// Its session is not: what to come back with, and how many envelopes have come over it.
    Parked(Closed, Token, u64),
    Ended(Closed),
}

impl Link {
    /// Over `gone` and `drained` its task tells what becomes of it.
    pub(crate) fn new(
        handle: Arc<Handle>,
        gone: mpsc::UnboundedReceiver<Gone>,
        drained: oneshot::Receiver<()>,
        patience: Duration,
    ) -> Self {
        Self { handle, gone, ended: None, drained, patience, forgotten: false }
    }

    /// Resolves when the connection is lost; or has ended by itself and all that came before has
    /// its handler, or has waited for one long enough.
    pub(crate) async fn gone(&mut self) -> Gone {
        if self.ended.is_none() {
            match self.next().await {
                Gone::Ended(closed) => self.ended = Some((closed, Instant::now() + self.patience)),
                parked => return parked,
            }
        }
        let (closed, deadline) = self.ended.clone().unwrap_or_else(|| (broken(), Instant::now()));
        let _ = tokio::time::timeout_at(deadline, &mut self.drained).await;
        Gone::Ended(closed)
    }

    /// What has become of a session since it was left. It is lost first if it has gone on over a
    /// connection whose attempt was given up.
    pub(crate) async fn settle(&mut self) -> Option<Gone> {
        let mut latest = None;
        loop {
            latest = match self.gone.try_recv() {
                Ok(gone) => Some(gone),
                Err(_) if self.handle.outbox.is_open() && !self.handle.outbox.is_parked() => {
                    self.handle.outbox.cut();
                    Some(self.next().await)
                }
                Err(_) => return latest,
            };
            if let Some(Gone::Ended(closed)) = &latest {
                self.ended = Some((closed.clone(), Instant::now()));
            }
        }
    }

    async fn next(&mut self) -> Gone {
        self.gone.recv().await.unwrap_or_else(|| Gone::Ended(broken()))
    }

    /// Ends the connection: what is queued is still sent. It waits for no handler: one of them may
    /// be what waits for this.
    pub(crate) async fn close(&mut self, closed: Closed) -> Closed {
        self.handle.close(closed);
        loop {
            if let Some((closed, _)) = &self.ended {
                return closed.clone();
            }
            if let Gone::Ended(closed) = self.next().await {
                self.ended = Some((closed, Instant::now()));
            }
        }
    }

    /// Whether it, or its session, has not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.handle.outbox.is_open()
    }

    /// Ends it at once, and its session, unless it has ended.
    pub(crate) fn abandon(&self) {
        if self.ended.is_none() && !self.forgotten {
            self.handle.outbox.abort();
        }
    }

    /// Leaves it to its own task.
    pub(crate) fn forget(mut self) {
        self.forgotten = true;
    }
}

fn broken() -> Closed {
    Closed::broken(Reason::default())
}

impl Drop for Link {
    fn drop(&mut self) {
        self.abandon();
    }
}
