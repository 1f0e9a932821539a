//! Every connection that has a task, and the end of all of them. Nothing may enter after the
//! shutdown began.

use crate::peer::Peer;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, watch};

pub(crate) struct Alive {
    peers: Mutex<HashMap<u64, Arc<Peer>>>,
    down: watch::Sender<bool>,
    /// The shutdown is over.
    done: watch::Sender<bool>,
    /// Told when the last one has gone.
    gone: Notify,
}

/// A connection's entry; gone when dropped.
pub(crate) struct Entry {
    alive: Arc<Alive>,
    conn_id: u64,
}

impl Alive {
    pub(crate) fn new() -> Self {
        Self {
            peers: Mutex::default(),
            down: watch::Sender::new(false),
            done: watch::Sender::new(false),
            gone: Notify::new(),
        }
    }

    /// Enters a connection; `None` after the shutdown began.
    pub(crate) fn enter(self: &Arc<Self>, conn_id: u64, peer: &Arc<Peer>) -> Option<Entry> {
        let mut peers = self.lock();
        if self.is_down() {
            return None;
        }
        peers.insert(conn_id, peer.clone());
        Some(Entry { alive: self.clone(), conn_id })
    }

    pub(crate) fn is_down(&self) -> bool {
        *self.down.borrow()
    }

    /// Resolves when the shutdown begins.
    pub(crate) async fn down(&self) {
        // Fails only without a sender, and this is it.
        let _ = self.down.subscribe().wait_for(|down| *down).await;
    }

    /// Resolves when the shutdown is over, or was given up.
    pub(crate) async fn done(&self) {
        let _ = self.done.subscribe().wait_for(|done| *done).await; // fails only without a sender
    }

    /// The shutdown is over when this is dropped.
    pub(crate) fn shutting_down(self: &Arc<Self>) -> impl Drop + use<> {
        struct Done(Arc<Alive>);
        impl Drop for Done {
            fn drop(&mut self) {
                self.0.done.send_replace(true);
            }
        }
        Done(self.clone())
    }

    /// Begins the shutdown: every connection lets its handlers finish, then closes.
    pub(crate) fn drain(&self) {
        let peers = self.lock();
        self.down.send_replace(true);
        for peer in peers.values() {
            peer.outbox.drain();
        }
    }

    /// Resolves when no connection is left.
    pub(crate) async fn empty(&self) {
        loop {
            let gone = self.gone.notified();
            if self.lock().is_empty() {
                return;
            }
            gone.await;
        }
    }

    /// Ends every connection that is left, at once.
    pub(crate) fn abort(&self) {
        for peer in self.lock().values() {
            peer.outbox.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Peer>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut peers = self.alive.lock();
        peers.remove(&self.conn_id);
        if peers.is_empty() {
            self.alive.gone.notify_waiters();
        }
    }
}
