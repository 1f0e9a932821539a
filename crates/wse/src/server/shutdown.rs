//! Every connection that has a task, and the end of all of them. Nothing may enter after the
//! shutdown began.

use crate::connection::handle::Peer;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
    vec,
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use wse_proto::{Restart, Turn};

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

/// A shutdown under way. It is over when this is dropped; whose turn has not come by then goes at once.
pub(crate) struct Shutdown {
    alive: Arc<Alive>,
    began: Instant,
    turns: vec::IntoIter<(Arc<Peer>, Turn)>,
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

    /// Begins the shutdown: nobody enters any more, and whoever is there gets a turn to go, the
    /// oldest first.
    pub(crate) fn shut_down(self: &Arc<Self>, returns_per_second: u32, grace: Duration) -> Shutdown {
        let mut peers: Vec<(u64, Arc<Peer>)> = {
            let peers = self.lock();
            self.down.send_replace(true);
            peers.iter().map(|(conn_id, peer)| (*conn_id, peer.clone())).collect()
        };
        peers.sort_unstable_by_key(|(conn_id, _)| *conn_id);
        let turns = Restart::new(peers.len(), returns_per_second, grace).turns();
        let turns: Vec<(Arc<Peer>, Turn)> = peers.into_iter().map(|(_, peer)| peer).zip(turns).collect();
        Shutdown { alive: self.clone(), began: Instant::now(), turns: turns.into_iter() }
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

impl Shutdown {
    /// Has every connection let its handlers finish and close, each when its turn comes.
    pub(crate) async fn drain(&mut self) {
        while let Some((_, turn)) = self.turns.as_slice().first() {
            let due = self.began + turn.at;
            if due > Instant::now() {
                tokio::time::sleep_until(due).await;
            }
            self.next();
        }
    }

    /// Closes the next one. False when none is left.
    fn next(&mut self) -> bool {
        let next = self.turns.next();
        next.map(|(peer, turn)| peer.outbox.drain(turn.end)).is_some()
    }
}

impl Drop for Shutdown {
    fn drop(&mut self) {
        while self.next() {}
        self.alive.done.send_replace(true);
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
