//! What the application's handles and the client's task share. It may never wait, nor print an
//! identity.

use crate::{
    app::{handlers::Handlers, hooks::Hooks, listeners::Listeners, run::Start},
    client::{Client, dial, event::ClientEvent, status::Status},
    connection::{handle::Handle, owner::Task},
};
use http::HeaderMap;
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use wse_proto::{Backoff, Format, Limits, Payload, Protocol, RpError};

/// What the application's handles and the client's task share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) handlers: Handlers<Client>,
    pub(crate) listeners: Listeners<ClientEvent>,
    pub(crate) status: watch::Sender<Status>,
    connected: Mutex<Connected>,
    url: Mutex<String>,
}

pub(crate) struct Options {
    pub(crate) limits: Limits,
    pub(crate) reconnect: Option<Backoff>,
    pub(crate) resume: bool,
    pub(crate) protocol: Protocol,
    pub(crate) hooks: Hooks<Client>,
    pub(crate) headers: HeaderMap,
    pub(crate) challenge: Option<Start<Client>>,
    pub(crate) dial: Option<dial::Dial>,
    pub(crate) wrap: dial::Wrap,
    pub(crate) expose_errors: bool,
    /// What was put together wrong, told when connecting.
    pub(crate) mistake: Option<String>,
}

/// Where to connect, and as whom.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) identity: Identity,
    pub(crate) meta: Payload<'static>,
}

/// Gives the identity for the next connection.
pub(crate) type Identity = Arc<dyn Fn(Format) -> Task<Result<Payload<'static>, RpError>> + Send + Sync>;

#[derive(Default)]
struct Connected {
    /// While ready or within a session.
    handle: Option<Arc<Handle>>,
    /// The last one.
    welcome: Option<Payload<'static>>,
}

/// An identity that is always the same.
pub(crate) fn identity<T: Serialize + ?Sized>(identity: &T, format: Format) -> Identity {
    fixed(Payload::encode(format, identity).map_err(|error| error.to_string()))
}

pub(crate) fn fixed(identity: Result<Payload<'static>, String>) -> Identity {
    Arc::new(move |_| {
        let identity = identity.clone().map_err(|error| RpError::from(std::io::Error::other(error)));
        Box::pin(std::future::ready(identity))
    })
}

impl Shared {
    /// Of a client for that address; nothing is connected.
    pub(crate) fn new(
        options: Options,
        handlers: Handlers<Client>,
        listeners: Listeners<ClientEvent>,
        url: &str,
    ) -> Self {
        let (connected, url) = (Mutex::default(), Mutex::new(url.to_owned()));
        Self { options, handlers, listeners, status: watch::Sender::new(Status::Idle), connected, url }
    }

    /// The connection, while ready or within a session.
    pub(crate) fn handle(&self) -> Option<Arc<Handle>> {
        self.connected().handle.clone()
    }

    fn connected(&self) -> MutexGuard<'_, Connected> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn welcomed(&self, handle: Arc<Handle>, welcome: Payload<'static>) {
        *self.connected() = Connected { handle: Some(handle), welcome: Some(welcome) };
    }

    pub(crate) fn disconnected(&self, handle: &Arc<Handle>) {
        let mut connected = self.connected();
        connected.handle = connected.handle.take().filter(|other| !Arc::ptr_eq(other, handle));
    }

    /// The payload of the last welcome; null before the first.
    pub(crate) fn welcome(&self) -> Payload<'static> {
        self.connected().welcome.clone().unwrap_or_else(|| Payload::null(Format::Json))
    }

    pub(crate) fn url(&self) -> String {
        self.url.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_url(&self, url: &str) {
        url.clone_into(&mut self.url.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
