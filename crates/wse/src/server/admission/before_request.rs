//! The connections whose HTTP request has not come yet. Their number is bounded: where there are too
//! many, the oldest is evicted, so that silent connections do not keep others out.

use crate::places::{Place, Places};
use std::sync::Arc;
use tokio::sync::Notify;

#[derive(Debug)]
pub(crate) struct BeforeRequest(Arc<Places<Arc<Notify>>>);

/// A connection's place, until its request arrives or this is dropped.
#[derive(Debug)]
pub(crate) struct PendingRequest {
    place: Place<Arc<Notify>>,
    evicted: Arc<Notify>,
}

impl Default for BeforeRequest {
    fn default() -> Self {
        BeforeRequest(Places::new(()))
    }
}

impl BeforeRequest {
    /// Enters a connection, and evicts the oldest where there are more than `most`.
    pub(crate) fn enter(&self, most: usize) -> PendingRequest {
        let evicted = Arc::new(Notify::new());
        let mut taken = self.0.lock();
        let place = self.0.take(&mut taken, evicted.clone());
        let oldest = if taken.len() > most { taken.evict_oldest() } else { None };
        drop(taken);
        if let Some(oldest) = oldest {
            oldest.notify_one();
        }
        PendingRequest { place, evicted }
    }
}

impl PendingRequest {
    /// Frees the place, because the request has arrived.
    pub(crate) fn request_arrived(&self) {
        self.place.free();
    }

    /// Resolves when the connection is evicted; never after its request has arrived.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
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
                let before_request = BeforeRequest::default();
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
