//! The application's listeners of events, which can be added and removed while running. No lock is
//! held while one of them runs.

use crate::app::{
    erased::{BoxFuture, caught},
    handler_id::{HandlerId, next_number},
};
use std::{
    future::Future,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// All listeners of a server or a client.
pub(crate) struct Listeners<E> {
    listeners: RwLock<Arc<[Listener<E>]>>,
    /// Whether there are any, to be read without the lock.
    any: AtomicBool,
}

struct Listener<E> {
    number: u64,
    start: Arc<dyn Fn(E) -> BoxFuture<()> + Send + Sync>,
}

/// An event that has happened, and that its listeners have not heard yet.
pub(crate) struct Happened<E> {
    pub(crate) event: E,
    /// Listeners with this number or a greater one were added after the event.
    before: u64,
}

impl<E> Clone for Listener<E> {
    fn clone(&self) -> Self {
        Self { number: self.number, start: self.start.clone() }
    }
}

impl<E> Default for Listeners<E> {
    fn default() -> Self {
        Self { listeners: RwLock::default(), any: AtomicBool::new(false) }
    }
}

impl<E: Clone + Send + 'static> Listeners<E> {
    /// Adds a listener behind the others. It hears the events that happen from now on.
    pub(crate) fn add<F, Fut>(&self, listener: F) -> HandlerId
    where
        F: FnOnce(E) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let start = Arc::new(move |event| -> BoxFuture<()> { Box::pin(listener.clone()(event)) });
        let added = HandlerId::of_listener();
        let listener = Listener { number: added.number, start };
        self.change(|listeners| listeners.iter().cloned().chain([listener]).collect());
        added
    }

    /// Removes a listener. False when it is not there.
    pub(crate) fn off(&self, id: &HandlerId) -> bool {
        if id.message.is_some() {
            return false; // it names a handler of messages
        }
        let before = self
            .change(|listeners| listeners.iter().filter(|listener| listener.number != id.number).cloned().collect());
        before.iter().any(|listener| listener.number == id.number)
    }

    /// Replaces the listeners. Returns those before, so that a listener is dropped after unlocking.
    fn change(&self, change: impl FnOnce(&[Listener<E>]) -> Arc<[Listener<E>]>) -> Arc<[Listener<E>]> {
        let mut listeners = self.listeners.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&listeners);
        self.any.store(!changed.is_empty(), Ordering::Relaxed);
        std::mem::replace(&mut *listeners, changed)
    }

    /// Whether there are no listeners: then no event needs to be kept. Takes no lock.
    pub(crate) fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Relaxed)
    }

    /// Notes that an event happens now. `None` without listeners.
    pub(crate) fn happened(&self, event: E) -> Option<Happened<E>> {
        (!self.is_empty()).then(|| Happened { event, before: next_number() })
    }

    /// Runs the listeners that were there when the event happened and are there now, one after the
    /// other, in the order they were added; `None` when there are none. A panic in one is logged and
    /// ends only that one.
    pub(crate) fn tell(&self, Happened { event, before }: Happened<E>) -> Option<BoxFuture<()>> {
        let listeners = self.listeners.read().unwrap_or_else(PoisonError::into_inner).clone();
        if !listeners.iter().any(|listener| listener.number < before) {
            return None;
        }
        Some(Box::pin(async move {
            for Listener { start, .. } in listeners.iter().filter(|listener| listener.number < before) {
                let event = event.clone();
                let told = async move { start(event).await };
                caught(told, |panic| tracing::error!(%panic, "event listener panicked")).await;
            }
        }))
    }
}
