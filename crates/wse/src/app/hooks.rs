//! The application's hooks: `on_receive` sees every message and call before its handlers do, `on_send`
//! before it is sent. A hook may stop what it sees, and never change it.

use crate::{
    app::erased::{BoxFuture, caught},
    error::SendError,
};
use std::{future::Future, sync::Arc};
use wse_proto::{Envelope, RpError};

/// The hooks of a server (`W` is its `Conn`) or a client (`W` is the `Client`).
pub(crate) struct Hooks<W> {
    pub(crate) receive: Option<ReceiveHook<W>>,
    pub(crate) send: Option<SendHook<W>>,
}

type ReceiveHook<W> = Arc<dyn Fn(W, Envelope<'static>) -> BoxFuture<Result<(), RpError>> + Send + Sync>;
type SendHook<W> = Arc<dyn Fn(&W, &Envelope<'_>) -> Result<(), RpError> + Send + Sync>;

impl<W> Default for Hooks<W> {
    fn default() -> Self {
        Self { receive: None, send: None }
    }
}

impl<W: Clone + Send + 'static> Hooks<W> {
    /// Adds a hook behind the others. It sees what they let through.
    pub(crate) fn on_receive<F, Fut>(&mut self, hook: F)
    where
        F: FnOnce(W, Envelope<'static>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        let hook: ReceiveHook<W> = Arc::new(move |who, envelope| {
            let hook = hook.clone();
            Box::pin(caught(async move { hook(who, envelope).await }, Err))
        });
        self.receive = Some(match self.receive.take() {
            None => hook,
            Some(before) => Arc::new(move |who, envelope| {
                let (before, hook) = (before(who.clone(), envelope.clone()), hook.clone());
                Box::pin(async move {
                    before.await?;
                    hook(who, envelope).await
                })
            }),
        });
    }
}

impl<W: Send + 'static> Hooks<W> {
    /// Adds a hook behind the others. It sees what they let through.
    pub(crate) fn on_send(&mut self, hook: impl Fn(&W, &Envelope<'_>) -> Result<(), RpError> + Send + Sync + 'static) {
        self.send = Some(match self.send.take() {
            None => Arc::new(hook),
            Some(before) => Arc::new(move |who, envelope| before(who, envelope).and_then(|()| hook(who, envelope))),
        });
    }

    /// Whether there is a hook that sees what is sent. Only then a payload has to be encoded for it.
    pub(crate) fn sees_outgoing(&self) -> bool {
        self.send.is_some()
    }

    /// Asks the hook whether this may be sent.
    pub(crate) fn outgoing(&self, who: &W, envelope: &Envelope<'_>) -> Result<(), SendError> {
        self.send.as_ref().map_or(Ok(()), |hook| hook(who, envelope).map_err(SendError::Stopped))
    }
}
