//! The application's event handlers. They may never be called while a lock is held.

use super::Event;
use crate::side::Task;
use std::{
    future::Future,
    sync::{Arc, OnceLock},
};
use tokio::runtime::Handle;

#[derive(Clone, Default)]
pub(crate) struct Whens {
    handlers: Vec<Arc<dyn Fn(Event) -> Task<()> + Send + Sync>>,
    /// Where events are handled that come from outside of a runtime.
    runtime: Arc<OnceLock<Handle>>,
}

impl Whens {
    pub(crate) fn add<F, Fut>(&mut self, handler: F)
    where
        F: FnOnce(Event) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.handlers.push(Arc::new(move |event| Box::pin(handler.clone()(event))));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.handlers.is_empty()
    }

    /// Runs every handler, in the order they were added.
    pub(crate) fn tell(&self, event: Event) -> impl Future<Output = ()> + Send + 'static {
        let handlers = self.handlers.clone();
        async move {
            for handler in handlers {
                handler(event.clone()).await;
            }
        }
    }

    /// Remembers the runtime that connections run in.
    pub(crate) fn run_in(&self, runtime: Handle) {
        self.runtime.get_or_init(|| runtime);
    }

    pub(crate) fn runtime(&self) -> Option<Handle> {
        self.runtime.get().cloned()
    }
}
