//! How much all parked sessions of a server may take together. The session that was lost first is
//! evicted first.

use crate::places::{Place, Places, Taken, Total};
use std::{
    fmt,
    sync::{Arc, Weak},
};

/// What a parked session takes besides what it keeps: its task, its connection's state, its slot.
const PARKED: usize = 4 << 10;

/// A session that can be ended while it is parked.
pub(crate) trait ParkedSession: Send + Sync {
    /// Ends it, because there is no room for it any more.
    fn evict(&self);
}

/// All parked sessions of a server. Its references to them are weak, so a slot keeps no session.
pub(crate) struct Parking {
    limit: usize,
    sessions: Arc<Places<Session, ParkedBytes>>,
}

/// The slot of one parked session. Dropping it frees its bytes.
#[derive(Debug)]
pub(crate) struct Slot {
    limit: usize,
    /// What the session takes besides the frames that it keeps.
    fixed: usize,
    place: Place<Session, ParkedBytes>,
}

/// Sessions that no longer fit.
#[must_use = "evicted sessions have to be ended"]
pub(crate) struct Evicted(Vec<Weak<dyn ParkedSession>>);

/// A parked session and its bytes.
struct Session {
    session: Weak<dyn ParkedSession>,
    bytes: usize,
}

/// The bytes of all parked sessions.
#[derive(Default)]
struct ParkedBytes(usize);

impl Total<Session> for ParkedBytes {
    fn add(&mut self, session: &Session) {
        self.0 += session.bytes;
    }

    fn remove(&mut self, session: &Session) {
        self.0 -= session.bytes;
    }
}

impl Parking {
    /// Room for `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, sessions: Places::new(ParkedBytes::default()) }
    }

    /// Takes a slot for a session in whose inbox so many bytes wait. The frames that it keeps are
    /// [counted](Slot::keeps) afterwards. Returns also the sessions that no longer fit.
    pub(crate) fn enter(&self, session: Weak<dyn ParkedSession>, inbox_bytes: usize) -> (Slot, Evicted) {
        let mut taken = self.sessions.lock();
        let fixed = PARKED + inbox_bytes;
        let place = self.sessions.take(&mut taken, Session { session, bytes: fixed });
        let evicted = evict(&mut taken, self.limit);
        drop(taken);
        (Slot { limit: self.limit, fixed, place }, evicted)
    }

    /// Whether a session of so many bytes fits without another that has to go.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.sessions.lock().total().0.saturating_add(PARKED + bytes) <= self.limit
    }

    /// ParkedBytes of all parked sessions.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.sessions.lock().total().0
    }
}

impl Evicted {
    /// Ends them. No lock may be held.
    pub(crate) fn end(self) {
        for session in self.0 {
            if let Some(session) = session.upgrade() {
                session.evict();
            }
        }
    }
}

impl Slot {
    /// Notes that the session keeps frames of so many bytes. Returns the sessions that no longer fit.
    pub(crate) fn keeps(&self, bytes: usize) -> Evicted {
        let mut taken = self.place.update(|session| session.bytes = self.fixed + bytes);
        evict(&mut taken, self.limit)
    }
}

fn evict(taken: &mut Taken<Session, ParkedBytes>, limit: usize) -> Evicted {
    let mut evicted = Vec::new();
    while taken.total().0 > limit
        && let Some(session) = taken.evict_oldest()
    {
        evicted.push(session.session);
    }
    Evicted(evicted)
}

impl fmt::Debug for Parking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parking").field("limit", &self.limit).finish_non_exhaustive()
    }
}
