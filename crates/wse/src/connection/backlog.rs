//! How much the queues of all connections of a server may hold beyond their limits. The largest goes first.

use crate::{
    places::{Place, Places, Total},
    sync::Mutex,
};
use std::{
    fmt,
    sync::{Arc, PoisonError, Weak},
};

/// A connection whose queue can be dropped.
pub(crate) trait LateQueue: Send + Sync {
    /// Closes the connection as slow.
    fn shed(&self);
}

/// The queues of a server that hold more than their limit.
pub(crate) struct Backlogs {
    /// Bytes beyond the limits, of all together.
    limit: usize,
    queues: Arc<Places<Backlog, BacklogBytes>>,
}

/// A queue and its bytes beyond the limit.
struct Backlog {
    queue: Weak<dyn LateQueue>,
    bytes: usize,
}

/// The bytes of all of them.
#[derive(Default)]
struct BacklogBytes(usize);

impl Total<Backlog> for BacklogBytes {
    fn add(&mut self, backlog: &Backlog) {
        self.0 += backlog.bytes;
    }

    fn remove(&mut self, backlog: &Backlog) {
        self.0 -= backlog.bytes;
    }
}

/// The account of one queue with all of a server. It has a place among them while it holds too much.
pub(super) struct Account {
    backlogs: Arc<Backlogs>,
    queue: Weak<dyn LateQueue>,
    /// In a box, since few have one at a time.
    place: Mutex<Option<Box<Place<Backlog, BacklogBytes>>>>,
}

impl Backlogs {
    /// Room for `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, queues: Places::new(BacklogBytes::default()) }
    }
}

impl Account {
    pub(super) fn new(backlogs: &Arc<Backlogs>, queue: Weak<dyn LateQueue>) -> Self {
        Self { backlogs: backlogs.clone(), queue, place: Mutex::new(None) }
    }

    /// Counts what the queue holds beyond its limit, and closes the largest queues if all hold too much.
    ///
    /// It is measured under the lock, so that the last of several threads to count sees what all of them
    /// have done. `measure` may lock the outbox, which never locks this.
    pub(super) fn count(&self, measure: impl FnOnce() -> usize) {
        let Backlogs { limit, queues } = &*self.backlogs;
        let mut own = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = measure();
        if bytes == 0 {
            let free = own.take();
            drop(own);
            return drop(free); // after the lock, as it takes another
        }
        let place = own.get_or_insert_with(|| {
            let backlog = Backlog { queue: self.queue.clone(), bytes: 0 };
            Box::new(queues.take(&mut queues.lock(), backlog))
        });
        let mut slow = Vec::new();
        let mut taken = place.update(|backlog| backlog.bytes = bytes);
        while taken.total().0 > *limit
            && let Some(largest) = taken.evict_greatest(|backlog| backlog.bytes)
        {
            slow.push(largest.queue);
        }
        drop(taken);
        drop(own);
        for queue in slow.iter().filter_map(Weak::upgrade) {
            queue.shed();
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}
