//! What the application's handles and the client's task share. It must never wait, nor print an
//! identity.

use crate::{
    app::{
        erased::{BoxFuture, StartCall},
        listeners::Listeners,
    },
    client::{
        Client,
        dial::{Dial, WrapTls},
        event::ClientEvent,
        status::Status,
    },
    connection::{handle::Handle, owner::Env, spoken::Spoken},
};
use http::HeaderMap;
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use wse_proto::{Backoff, Format, Payload, RpError};

/// What the application's handles and the client's task share.
pub(crate) struct ClientState {
    pub(crate) options: ClientOptions,
    pub(crate) env: Env<Client>,
    pub(crate) listeners: Arc<Listeners<ClientEvent>>,
    pub(crate) status: watch::Sender<Status>,
    connected: Mutex<Connected>,
    url: Mutex<String>,
}

/// What the builder has set. It does not change any more.
pub(crate) struct ClientOptions {
    pub(crate) reconnect: Option<Backoff>,
    pub(crate) resume: bool,
    pub(crate) spoken: Arc<Spoken>,
    pub(crate) headers: HeaderMap,
    pub(crate) challenge: Option<StartCall<Client>>,
    pub(crate) dial: Option<Dial>,
    pub(crate) wrap_tls: WrapTls,
    /// What is invalid in the configuration. Every attempt to connect fails with it.
    pub(crate) setup_error: Option<String>,
}

/// The server to connect to, and what to say there about the user and the device.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) identity: Identity,
    pub(crate) meta: Payload<'static>,
}

/// Makes the identity for the next connection.
pub(crate) type Identity = Arc<dyn Fn(Format) -> BoxFuture<Result<Payload<'static>, RpError>> + Send + Sync>;

#[derive(Default)]
struct Connected {
    /// The connection, while the client is ready or has a session.
    handle: Option<Arc<Handle>>,
    /// The payload of the last welcome.
    welcome: Option<Payload<'static>>,
}

/// The same identity for every connection.
pub(crate) fn encode_identity<T: Serialize + ?Sized>(identity: &T, format: Format) -> Identity {
    fixed_identity(Payload::encode(format, identity).map_err(|error| error.to_string()))
}

/// The same, encoded already; or why it cannot be encoded.
pub(crate) fn fixed_identity(identity: Result<Payload<'static>, String>) -> Identity {
    Arc::new(move |_| {
        let identity = identity.clone().map_err(|error| RpError::from(std::io::Error::other(error)));
        Box::pin(std::future::ready(identity))
    })
}

impl ClientState {
    /// The state of a client for that address that has not connected yet.
    pub(crate) fn new(options: ClientOptions, env: Env<Client>, listeners: Listeners<ClientEvent>, url: &str) -> Self {
        let (connected, url) = (Mutex::default(), Mutex::new(url.to_owned()));
        Self { options, env, listeners: Arc::new(listeners), status: watch::Sender::new(Status::Idle), connected, url }
    }

    /// The connection, while the client is ready or has a session.
    pub(crate) fn handle(&self) -> Option<Arc<Handle>> {
        self.connected().handle.clone()
    }

    fn connected(&self) -> MutexGuard<'_, Connected> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends over this connection from now on.
    pub(crate) fn set_connection(&self, handle: Arc<Handle>, welcome: Payload<'static>) {
        *self.connected() = Connected { handle: Some(handle), welcome: Some(welcome) };
    }

    /// Sends no more over this connection, unless another one has taken its place already.
    pub(crate) fn clear_connection(&self, handle: &Arc<Handle>) {
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
