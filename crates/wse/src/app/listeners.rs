//! The application's event handlers. They may never be called while a lock is held.

use crate::{app::run::caught, connection::owner::Task};
use std::{future::Future, sync::Arc};

pub(crate) struct Listeners<E> {
    handlers: Arc<[Listener<E>]>,
}

type Listener<E> = Arc<dyn Fn(E) -> Task<()> + Send + Sync>;

impl<E> Clone for Listeners<E> {
    fn clone(&self) -> Self {
        Self { handlers: self.handlers.clone() }
    }
}

impl<E> Default for Listeners<E> {
    fn default() -> Self {
        Self { handlers: [].into() }
    }
}

impl<E: Clone + Send + 'static> Listeners<E> {
    pub(crate) fn add<F, Fut>(&mut self, handler: F)
    where
        F: FnOnce(E) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler: Listener<E> = Arc::new(move |event| Box::pin(handler.clone()(event)));
        self.handlers = self.handlers.iter().cloned().chain([handler]).collect();
    }

    /// Runs every handler, in the order they were added; `None` when there are none. A panic in one
    /// is logged and ends only that one.
    pub(crate) fn tell(&self, event: E) -> Option<Task<()>> {
        if self.handlers.is_empty() {
            return None;
        }
        let handlers = self.handlers.clone();
        Some(Box::pin(async move {
            for handler in handlers.iter() {
                let event = event.clone();
                let told = async move { handler(event).await };
                caught(told, |panic| tracing::error!(%panic, "an event handler failed")).await;
            }
        }))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.handlers.is_empty()
    }
}
