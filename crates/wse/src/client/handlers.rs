//! The handlers, procedures and listeners of a client, added and removed while it runs.

use crate::{
    app::{
        handler_id::HandlerId,
        names::{Message, Procedure},
    },
    client::{Client, ClientEvent},
    error::RegisterError,
};
use serde::{Serialize, de::DeserializeOwned};
use wse_proto::RpError;

impl Client {
    /// Adds a handler, as [`ClientBuilder::on`](crate::ClientBuilder::on) does.
    pub fn on<P, F, Fut>(&self, message: impl Message<P>, handler: F) -> HandlerId
    where
        P: DeserializeOwned + Send + 'static,
        F: FnOnce(Client, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.0.state.env.handlers.add(message, handler)
    }

    /// Adds a handler for the next message of a type.
    pub fn once<P, F, Fut>(&self, message: impl Message<P>, handler: F) -> HandlerId
    where
        P: DeserializeOwned + Send + 'static,
        F: FnOnce(Client, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.0.state.env.handlers.add_once(message, handler)
    }

    /// Removes a handler or a listener of events. False when it is not there: removed before, or a
    /// `once` that has run. What is being handled at that moment may still reach it.
    pub fn off(&self, handler: &HandlerId) -> bool {
        self.0.state.env.handlers.off(handler) || self.0.state.listeners.off(handler)
    }

    /// Removes all handlers of a message, those of the builder too. Returns how many there were.
    pub fn off_all(&self, name: &str) -> usize {
        self.0.state.env.handlers.off_all(name)
    }

    /// Registers a procedure.
    ///
    /// # Errors
    /// When a procedure has that name already, or the name is one of the protocol's own (`~wse:ping`).
    pub fn register<P, R, F, Fut>(&self, rp: impl Procedure<P, R>, handler: F) -> Result<(), RegisterError>
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: FnOnce(Client, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R, RpError>> + Send + 'static,
    {
        self.0.state.env.handlers.try_register(rp, handler)
    }

    /// Removes a procedure.
    ///
    /// # Errors
    /// When no procedure has that name.
    pub fn unregister(&self, name: &str) -> Result<(), RegisterError> {
        self.0.state.env.handlers.unregister(name)
    }

    /// Adds a listener of events: `async |event|`. It hears what happens from now on, each event
    /// after the listeners that were there before it. [`off`](Self::off) removes it.
    ///
    /// ```
    /// # fn example(client: wse::Client) {
    /// let id = client.when(async |event| println!("{event:?}"));
    /// assert!(client.off(&id));
    /// # }
    /// ```
    pub fn when<F, Fut>(&self, listener: F) -> HandlerId
    where
        F: FnOnce(ClientEvent) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.state.listeners.add(listener)
    }
}
