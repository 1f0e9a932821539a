//! What was revoked while identify runs for someone: kept until no identify runs any more that began before. So
//! who is just coming in is not missed.

use crate::{
    server::{Server, users::conn::Conn},
    sync::{Mutex, MutexGuard},
};
use std::{
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError},
};
use wse_proto::{Closed, Reason};

type Revoked = Arc<dyn Fn(&Conn) -> bool + Send + Sync>;

#[derive(Default)]
pub(crate) struct Revocations(Mutex<State>);

#[derive(Default)]
struct State {
    /// How many there were.
    count: u64,
    /// The last of them.
    kept: VecDeque<Revoked>,
    /// How many decisions are open that began when there were so many.
    deciding: BTreeMap<u64, usize>,
}

/// A decision about one device, from before identify is asked until it has opened.
pub(crate) struct Deciding {
    server: Server,
    /// How many revocations there were when it began.
    since: u64,
}

impl Server {
    /// Ends every device for which `revoked` is true with 1000 `wse.revoked`, on the subprotocol
    /// `ws-messaging` with 4003. Returns how many there were. A device whose session waits for a connection
    /// cannot be told: if it comes back, `identify` decides about it anew.
    ///
    /// It is asked about the devices that are there, and later about those for which `identify` runs at this
    /// moment, once they are accepted: also for another identity. So change what `identify` reads first, then
    /// revoke. It must return at once. One that panics later has revoked that device.
    ///
    /// ```
    /// # fn example(server: wse::Server) {
    /// struct Claims { login: u64 }
    ///
    /// let login = 17;
    /// server.revoke(move |conn| conn.state::<Claims>().is_some_and(|claims| claims.login == login));
    /// # }
    /// ```
    pub fn revoke(&self, revoked: impl Fn(&Conn) -> bool + Send + Sync + 'static) -> usize {
        let revoked: Revoked = Arc::new(revoked);
        self.0.revocations.add(&revoked);
        // Who joins from here on sees what was added.
        let mut ended = self.0.registry.everyone();
        ended.retain(|conn| conn.is_open() && revoked(conn));
        ended.iter().for_each(|conn| conn.close(Closed::normal(Reason::REVOKED)));
        ended.len()
    }
}

impl Revocations {
    fn add(&self, revoked: &Revoked) {
        let mut state = self.lock();
        state.count += 1;
        if !state.deciding.is_empty() {
            state.kept.push_back(revoked.clone());
        }
    }

    /// Those after the first `since`.
    fn after(&self, since: u64) -> Vec<Revoked> {
        let state = self.lock();
        let later = state.count.saturating_sub(since) as usize;
        state.kept.iter().rev().take(later).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deciding {
    pub(crate) fn begin(server: &Server) -> Self {
        let mut state = server.0.revocations.lock();
        let since = state.count;
        *state.deciding.entry(since).or_default() += 1;
        drop(state);
        Self { server: server.clone(), since }
    }

    /// Whether the device was revoked since this began.
    pub(crate) fn revokes(&self, conn: &Conn) -> bool {
        let of = |revoked: &Revoked| catch_unwind(AssertUnwindSafe(|| revoked(conn))).unwrap_or(true);
        self.server.0.revocations.after(self.since).iter().any(of)
    }
}

impl Drop for Deciding {
    fn drop(&mut self) {
        let mut state = self.server.0.revocations.lock();
        if let Some(count) = state.deciding.get_mut(&self.since) {
            *count -= 1;
            if *count == 0 {
                state.deciding.remove(&self.since);
            }
        }
        let needed = state.deciding.first_key_value().map_or(0, |(oldest, _)| state.count - oldest) as usize;
        let old = state.kept.len().saturating_sub(needed);
        let dropped: Vec<_> = state.kept.drain(..old).collect();
        drop(state);
        drop(dropped); // after the lock: what a closure holds is the application's
    }
}
