//! What tells the operator of datagrams that the seal has refused: seldom, however many there are.

use crate::{server::cluster::seal::Unopened, sync::Mutex};
use std::{sync::PoisonError, time::Duration};
use tokio::time::Instant;

/// A line of the log tells of all of this time.
const EVERY: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct Refusals(Mutex<Since>);

#[derive(Default)]
struct Since {
    told: Option<Instant>,
    untold: u64,
}

impl Refusals {
    pub(crate) fn add(&self, error: &Unopened) {
        let now = Instant::now();
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.untold += 1;
        if since.told.is_some_and(|told| now < told + EVERY) {
            return;
        }
        let refused = std::mem::take(&mut since.untold);
        since.told = Some(now);
        drop(since);
        tracing::warn!(%error, refused, "cluster datagrams refused");
    }
}
