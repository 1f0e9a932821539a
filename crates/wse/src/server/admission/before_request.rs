//! The connections whose request has not come yet. There may never be more than so many: whoever has
//! stood there longest goes, so that those who say nothing keep nobody out.

use crate::sync::{Mutex, MutexGuard};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Doorstep(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    /// By the order in which they came.
    waiting: BTreeMap<u64, Arc<Notify>>,
    next: u64,
}

/// One that waits there, until this is dropped or it goes in.
#[derive(Debug)]
pub(crate) struct Waiting {
    doorstep: Arc<Doorstep>,
    number: u64,
    pushed: Arc<Notify>,
}

impl Doorstep {
    /// One more comes; the oldest goes where there are more than `most`.
    pub(crate) fn enter(self: &Arc<Self>, most: usize) -> Waiting {
        let pushed = Arc::new(Notify::new());
        let mut queue = self.lock();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, pushed.clone());
        let oldest = if queue.waiting.len() > most { queue.waiting.pop_first() } else { None };
        drop(queue);
        if let Some((_, oldest)) = oldest {
            oldest.notify_one();
        }
        Waiting { doorstep: self.clone(), number, pushed }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Its request has come.
    pub(crate) fn goes_in(&self) {
        self.doorstep.lock().waiting.remove(&self.number);
    }

    /// Resolves when it has to go; never once it went in.
    pub(crate) async fn pushed_out(&self) {
        self.pushed.notified().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.goes_in();
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
                let doorstep = Arc::new(Doorstep::default());
                let [first, second, third] = [(); 3].map(|()| doorstep.enter(3));
                first.goes_in();
                let fourth = doorstep.enter(3);
                assert_eq!(second.pushed_out().now_or_never(), None, "there are three");
                let _fifth = doorstep.enter(3);
                assert_eq!(second.pushed_out().now_or_never(), Some(()));
                assert_eq!((first.pushed_out().now_or_never(), third.pushed_out().now_or_never()), (None, None));
                drop(fourth);
                let _sixth = doorstep.enter(3);
                assert_eq!(third.pushed_out().now_or_never(), None, "a place was given back");
            },
            1,
        );
    }
}
