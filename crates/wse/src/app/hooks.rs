//! What the application has look at every message and call: before its handlers, before it leaves.
//! A hook may stop what it sees, and never change it.

use crate::{
    app::run::caught,
    connection::{handle::Handle, owner::Task},
    error::{CallError, SendError},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{future::Future, sync::Arc, time::Duration};
use wse_proto::{Envelope, Payload, RpError};

/// The hooks of a server (`W` is its `Conn`) or a client (`W` is the `Client`).
pub(crate) struct Hooks<W> {
    pub(crate) receive: Option<ReceiveHook<W>>,
    pub(crate) send: Option<SendHook<W>>,
}

type ReceiveHook<W> = Arc<dyn Fn(W, Envelope<'static>) -> Task<Result<(), RpError>> + Send + Sync>;
type SendHook<W> = Arc<dyn Fn(&W, &Envelope<'_>) -> Result<(), RpError> + Send + Sync>;

impl<W> Default for Hooks<W> {
    fn default() -> Self {
        Self { receive: None, send: None }
    }
}

impl<W: Send + 'static> Hooks<W> {
    pub(crate) fn on_receive<F, Fut>(&mut self, hook: F)
    where
        F: FnOnce(W, Envelope<'static>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.receive = Some(Arc::new(move |who, envelope| {
            let hook = hook.clone();
            Box::pin(caught(async move { hook(who, envelope).await }, Err))
        }));
    }

    pub(crate) fn on_send(&mut self, hook: impl Fn(&W, &Envelope<'_>) -> Result<(), RpError> + Send + Sync + 'static) {
        self.send = Some(Arc::new(hook));
    }

    /// Queues a message that the hook lets through.
    pub(crate) fn send<P>(&self, who: &W, handle: &Handle, name: &str, payload: &P) -> Result<Option<u64>, SendError>
    where
        P: Serialize + ?Sized,
    {
        match self.look(who, handle, name, payload, None)? {
            None => handle.send(name, payload, None),
            Some(encoded) => handle.send(name, &encoded, None),
        }
    }

    /// Sends a call that the hook lets through, and waits for its answer.
    pub(crate) async fn call<P, R>(
        &self,
        who: &W,
        handle: &Handle,
        name: &str,
        payload: &P,
        timeout: Duration,
    ) -> Result<R, CallError>
    where
        P: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        // A call is shown with an empty stamp: it has none yet.
        match self.look(who, handle, name, payload, Some(""))? {
            None => handle.call(name, payload, timeout)?.await,
            Some(encoded) => handle.call(name, &encoded, timeout)?.await,
        }
    }

    /// Shows what is to leave to the hook, and gives it as it was shown; nothing without a hook.
    fn look<P>(
        &self,
        who: &W,
        handle: &Handle,
        name: &str,
        payload: &P,
        stamp: Option<&str>,
    ) -> Result<Option<Payload<'static>>, SendError>
    where
        P: Serialize + ?Sized,
    {
        let Some(hook) = &self.send else { return Ok(None) };
        if !handle.outbox.is_open() {
            return Err(SendError::NotReady); // it sees what leaves, not what cannot
        }
        handle.codec().can_name(name)?;
        let payload = Payload::encode(handle.codec().format(), payload)?;
        let envelope = Envelope { name: name.into(), payload: payload.borrowed(), stamp: stamp.map(Into::into) };
        hook(who, &envelope).map_err(SendError::Stopped)?;
        Ok(Some(payload))
    }

    /// Shows a message that was encoded before.
    pub(crate) fn look_again(
        &self,
        who: &W,
        handle: &Handle,
        name: &str,
        payload: Option<&Payload<'_>>,
    ) -> Result<(), SendError> {
        let (Some(hook), Some(payload)) = (&self.send, payload) else { return Ok(()) };
        if !handle.outbox.is_open() {
            return Err(SendError::NotReady);
        }
        let envelope = Envelope { name: name.into(), payload: payload.borrowed(), stamp: None };
        hook(who, &envelope).map_err(SendError::Stopped)
    }
}
