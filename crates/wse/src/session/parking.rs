//! The parking lot: all sessions of a server whose connections are lost, and the bytes they keep.
//! It may never lock an outbox while it is locked itself.

use crate::{
    connection::handle::Handle,
    sync::{Mutex, MutexGuard},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};
use wse_proto::Closed;

/// What a parked session takes besides what it keeps: its task, its connection's state, its place.
const PARKED: usize = 4 << 10;

pub(crate) struct Parking {
    limit: usize,
    parked: Mutex<Parked>,
}

#[derive(Default)]
struct Parked {
    bytes: usize,
    /// How many there were ever.
    count: u64,
    /// The one that was lost first comes first.
    sessions: BTreeMap<u64, (Arc<Handle>, usize)>,
}

/// A session's place; free again when dropped.
pub(crate) struct Slot {
    parking: Arc<Parking>,
    number: u64,
}

/// Sessions for which there is no room any more.
#[derive(Default)]
#[must_use = "they have to be ended"]
pub(crate) struct Evicted(Vec<Arc<Handle>>);

impl Evicted {
    /// Ends them. No lock may be held.
    pub(crate) fn end(self) {
        for handle in self.0 {
            handle.close(Closed::slow());
        }
    }
}

impl Parking {
    /// Room for so many bytes.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, parked: Mutex::default() })
    }

    /// A place for one more session that keeps so much.
    pub(crate) fn enter(self: &Arc<Self>, handle: Arc<Handle>, bytes: usize) -> (Slot, Evicted) {
        let mut parked = self.lock();
        parked.count += 1;
        let number = parked.count;
        parked.bytes += PARKED + bytes;
        parked.sessions.insert(number, (handle, PARKED + bytes));
        let evicted = parked.evict(self.limit);
        (Slot { parking: self.clone(), number }, evicted)
    }

    /// Bytes that all of them take.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Parked> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parked {
    fn evict(&mut self, limit: usize) -> Evicted {
        let mut evicted = Evicted::default();
        while self.bytes > limit
            && let Some((_, (handle, bytes))) = self.sessions.pop_first()
        {
            self.bytes -= bytes;
            evicted.0.push(handle);
        }
        evicted
    }
}

impl Slot {
    /// The session keeps so much more.
    pub(crate) fn grow(&self, bytes: usize) -> Evicted {
        let mut parked = self.parking.lock();
        let Some((_, kept)) = parked.sessions.get_mut(&self.number) else { return Evicted::default() };
        *kept += bytes;
        parked.bytes += bytes;
        parked.evict(self.parking.limit)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut parked = self.parking.lock();
        let gone = parked.sessions.remove(&self.number);
        parked.bytes -= gone.as_ref().map_or(0, |(_, bytes)| *bytes);
        drop(parked);
        drop(gone); // the last handle to it, perhaps
    }
}
