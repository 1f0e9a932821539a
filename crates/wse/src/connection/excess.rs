//! Counts what the queue of a connection holds beyond its limit, with those of all connections of a server.

use crate::connection::{
    backlog::{Account, Backlogs, LateQueue},
    handle::Handle,
};
use std::sync::Arc;

impl Handle {
    /// Counts with all connections of a server what the queue holds beyond its limit.
    pub(crate) fn count_with(self: &Arc<Self>, backlogs: &Arc<Backlogs>) {
        let queue: Arc<dyn LateQueue> = self.clone();
        let _ = self.account.set(Account::new(backlogs, Arc::downgrade(&queue))); // a new handle has none
    }

    /// Counts what the queue holds beyond its limit. This connection, or others, may end.
    #[cold]
    pub(super) fn count_excess(&self) {
        if let Some(account) = self.account.get() {
            account.count(|| self.outbox.excess());
        }
    }

    /// Notes that the stream is gone, and the queue with it.
    pub(super) fn forget_queue(&self) {
        if let Some(account) = self.account.get() {
            account.count(|| 0);
        }
    }
}

impl LateQueue for Handle {
    fn shed(&self) {
        self.outbox.shed();
        self.parked.free_slot();
    }
}
