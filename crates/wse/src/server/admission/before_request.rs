//! The connections whose request has not come yet. There may never be more than so many: whoever has
//! stood there longest goes, so that those who say nothing keep nobody out.

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
    /// By the order in which they came.
    waiting: BTreeMap<u64, Arc<Notify>>,
    next: u64,
}

/// One that waits there, until this is dropped or it goes in.
#[derive(Debug)]
pub(crate) struct PendingRequest {
    before_request: Arc<BeforeRequest>,
    number: u64,
    evicted: Arc<Notify>,
}

impl BeforeRequest {
    /// One more comes; the oldest goes where there are more than `most`.
    pub(crate) fn enter(self: &Arc<Self>, most: usize) -> PendingRequest {
        let evicted = Arc::new(Notify::new());
        let mut queue = self.lock();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, evicted.clone());
        let oldest = if queue.waiting.len() > most { queue.waiting.pop_first() } else { None };
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
    /// Its request has come.
    pub(crate) fn arrived(&self) {
        self.before_request.lock().waiting.remove(&self.number);
    }

    /// Resolves when it has to go; never once it went in.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for PendingRequest {
    fn drop(&mut self) {
        self.arrived();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn the_oldest_goes_and_whoever_went_in_does_not() {
        shuttle::check_random(
            || {
                let before_request = Arc::new(BeforeRequest::default());
                let [first, second, third] = [(); 3].map(|()| before_request.enter(3));
                first.arrived();
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
