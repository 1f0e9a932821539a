//! Counts what the queue of a connection holds beyond its limit, with those of all connections of a server.

use crate::connection::{
    backlog::{Account, Backlogs, LateQueue},
    handle::Handle,
    spoken::Spoken,
};
use std::sync::{Arc, Weak};
use wse_proto::Limits;

impl Handle {
    /// A handle of a server: what its queue holds beyond its limit counts with those of all connections.
    pub(crate) fn of_server(spoken: Arc<Spoken>, limits: &Limits, backlogs: &Arc<Backlogs>) -> Arc<Self> {
        Arc::new_cyclic(|handle: &Weak<Self>| {
            let mut new = Self::new(spoken, limits, false);
            new.account = Some(Account::new(backlogs, handle.clone()));
            new
        })
    }

    /// Counts what the queue holds beyond its limit. This connection, or others, may end.
    #[cold]
    pub(super) fn count_excess(&self) {
        if let Some(account) = &self.account {
            account.count(|| self.outbox.excess());
        }
    }

    /// Notes that the stream is gone, and the queue with it.
    pub(super) fn forget_queue(&self) {
        if let Some(account) = &self.account {
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
