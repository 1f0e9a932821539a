//! The connections whose HTTP request has not come yet. Their number is bounded: where there are too
//! many, the oldest is evicted, so that silent connections keep nobody out.

use crate::sync::{Mutex, MutexGuard};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct BeforeRequest(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    /// In the order in which they came.
    pending: BTreeMap<u64, Arc<Notify>>,
    next: u64,
}

/// A connection's place, until its request arrives or this is dropped.
#[derive(Debug)]
pub(crate) struct PendingRequest {
    before_request: Arc<BeforeRequest>,
    number: u64,
    evicted: Arc<Notify>,
}

impl BeforeRequest {
    /// Enters a connection, and evicts the oldest where there are more than `most`.
    pub(crate) fn enter(self: &Arc<Self>, most: usize) -> PendingRequest {
        let evicted = Arc::new(Notify::new());
        let mut queue = self.lock();
        let number = queue.next;
        queue.next += 1;
        queue.pending.insert(number, evicted.clone());
        let oldest = if queue.pending.len() > most { queue.pending.pop_first() } else { None };
        drop(queue);
        if let Some((_, oldest)) = oldest {
            oldest.notify_one();
        }
        PendingRequest { before_request: self.clone(), number, evicted }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingRequest {
    /// Gives the place back: the request has arrived.
    pub(crate) fn request_arrived(&self) {
        self.before_request.lock().pending.remove(&self.number);
    }

    /// Resolves when the connection is evicted; never after its request has arrived.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for PendingRequest {
    fn drop(&mut self) {
        self.request_arrived();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn the_oldest_is_evicted_unless_its_request_has_arrived() {
        shuttle::check_random(
            || {
                let before_request = Arc::new(BeforeRequest::default());
                let [first, second, third] = [(); 3].map(|()| before_request.enter(3));
                first.request_arrived();
                let fourth = before_request.enter(3);
                assert_eq!(second.evicted().now_or_never(), None, "there are three");
                let _fifth = before_request.enter(3);
                assert_eq!(second.evicted().now_or_never(), Some(()));
                assert_eq!((first.evicted().now_or_never(), third.evicted().now_or_never()), (None, None));
                drop(fourth);
                let _sixth = before_request.enter(3);
                assert_eq!(third.evicted().now_or_never(), None, "a place was given back");
            },
            1,
        );
    }
}
