//! The caller of a handler, as the handler sees it: whether it still waits for the result.

use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// The caller of code that runs for a connection.
#[derive(Default)]
pub(super) struct Caller {
    gone: AtomicBool,
    told: Notify,
}

impl Caller {
    /// Notes that it does not wait any more.
    pub(super) fn give_up(&self) {
        self.gone.store(true, Ordering::Release);
        self.told.notify_waiters();
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Resolves when it does not wait any more.
    pub(super) async fn gone(&self) {
        let told = self.told.notified(); // it counts from here, so that no wake-up is missed in between
        if !self.is_gone() {
            told.await;
        }
    }
}
