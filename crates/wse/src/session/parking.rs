//! How much all parked sessions of a server may take together. The session that was lost first is
//! evicted first.

use crate::places::{Place, Places, Taken, Total};
use std::{fmt, sync::Arc};

/// What a parked session takes besides what it keeps: its task, its connection's state, its slot.
const PARKED: usize = 4 << 10;

/// All parked sessions of a server. `S` is what the caller ends an evicted one by.
pub(crate) struct Parking<S> {
    limit: usize,
    sessions: Arc<Places<Session<S>, Bytes>>,
}

/// The slot of one parked session. Dropping it frees its bytes.
#[derive(Debug)]
pub(crate) struct Slot<S> {
    limit: usize,
    place: Place<Session<S>, Bytes>,
}

/// Sessions that no longer fit. The caller ends them, without a lock held.
#[must_use = "evicted sessions have to be ended"]
pub(crate) struct Evicted<S>(pub(crate) Vec<S>);

/// A parked session and its bytes.
struct Session<S> {
    end_by: S,
    bytes: usize,
}

/// The bytes of all parked sessions.
#[derive(Default)]
struct Bytes(usize);

impl<S> Total<Session<S>> for Bytes {
    fn add(&mut self, session: &Session<S>) {
        self.0 += session.bytes;
    }

    fn remove(&mut self, session: &Session<S>) {
        self.0 -= session.bytes;
    }
}

impl<S> Parking<S> {
    /// Room for `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, sessions: Places::new(Bytes::default()) }
    }

    /// Takes a slot for a session that keeps so many bytes.
    pub(crate) fn enter(&self, end_by: S, bytes: usize) -> (Slot<S>, Evicted<S>) {
        let mut taken = self.sessions.lock();
        let place = self.sessions.take(&mut taken, Session { end_by, bytes: PARKED + bytes });
        let evicted = evict(&mut taken, self.limit);
        drop(taken);
        (Slot { limit: self.limit, place }, evicted)
    }

    /// Bytes of all parked sessions.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.sessions.lock().total().0
    }
}

impl<S> Slot<S> {
    /// The session keeps so many bytes more.
    pub(crate) fn grow(&self, bytes: usize) -> Evicted<S> {
        let mut taken = self.place.update(|session| session.bytes += bytes);
        evict(&mut taken, self.limit)
    }
}

fn evict<S>(taken: &mut Taken<Session<S>, Bytes>, limit: usize) -> Evicted<S> {
    let mut evicted = Vec::new();
    while taken.total().0 > limit
        && let Some(session) = taken.evict_oldest()
    {
        evicted.push(session.end_by);
    }
    Evicted(evicted)
}

impl<S> fmt::Debug for Parking<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parking").field("limit", &self.limit).finish_non_exhaustive()
    }
}
