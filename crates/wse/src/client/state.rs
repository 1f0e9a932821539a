//! What the application's handles and the client's task share. It must never wait, nor print an
//! identity.

use crate::{
    app::{
        erased::{BoxFuture, StartCall, caught},
        listeners::Listeners,
    },
    client::{
        Client,
        cookies::Jar,
        dial::{Dial, WrapTls},
        event::ClientEvent,
        status::Status,
    },
    connection::{handle::Handle, owner::Env, spoken::Spoken},
    error::ConnectError,
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use serde::Serialize;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};
use tokio::sync::watch;
use wse_proto::{Backoff, Closed, Format, Payload, Reason, RpError};

/// What the application's handles and the client's task share.
pub(crate) struct ClientState {
    pub(crate) options: ClientOptions,
    pub(crate) env: Env<Client>,
    pub(crate) listeners: Arc<Listeners<ClientEvent>>,
    pub(crate) status: watch::Sender<Status>,
    connected: Mutex<Connected>,
    url: Mutex<String>,
    cookies: Mutex<Jar>,
}

/// What the builder has set. It does not change any more.
pub(crate) struct ClientOptions {
    pub(crate) reconnect: Option<Backoff>,
    pub(crate) give_up_on: Option<GiveUpOn>,
    pub(crate) resume: bool,
    pub(crate) spoken: Arc<Spoken>,
    pub(crate) headers: HeaderMap,
    pub(crate) make_headers: Option<MakeHeaders>,
    pub(crate) cookies: bool,
    pub(crate) proxy_from_env: bool,
    pub(crate) challenge: Option<StartCall<Client>>,
    pub(crate) dial: Option<Dial>,
    pub(crate) wrap_tls: WrapTls,
    /// What is invalid in the configuration. Every attempt to connect fails with it.
    pub(crate) setup_error: Option<String>,
}

/// Says whether a client that reconnects stays away after this.
pub(crate) type GiveUpOn = Arc<dyn Fn(&ConnectError) -> bool + Send + Sync>;

/// The server to connect to, and what to say there about the user and the device.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) identity: Identity,
    pub(crate) meta: Payload<'static>,
}

/// Makes the identity for the next connection.
pub(crate) type Identity = Arc<dyn Fn(Format) -> BoxFuture<Result<Payload<'static>, ConnectError>> + Send + Sync>;

/// Makes headers for the next request.
pub(crate) type MakeHeaders = Arc<dyn Fn() -> BoxFuture<Result<HeaderMap, RpError>> + Send + Sync>;

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
        let identity = identity.clone().map_err(|error| ConnectError::Setup(format!("the identity: {error}")));
        Box::pin(std::future::ready(identity))
    })
}

/// The headers that the application has made.
pub(crate) fn encode_headers<N: AsRef<str>, V: AsRef<str>>(
    made: impl IntoIterator<Item = (N, V)>,
) -> Result<HeaderMap, RpError> {
    let mut headers = HeaderMap::new();
    for (name, value) in made {
        headers.append(HeaderName::try_from(name.as_ref())?, HeaderValue::try_from(value.as_ref())?);
    }
    Ok(headers)
}

impl ClientState {
    /// The state of a client for that address that has not connected yet.
    pub(crate) fn new(options: ClientOptions, env: Env<Client>, listeners: Listeners<ClientEvent>, url: &str) -> Self {
        let (connected, url, cookies) = (Mutex::default(), Mutex::new(url.to_owned()), Mutex::default());
        let (listeners, status) = (Arc::new(listeners), watch::Sender::new(Status::Idle));
        Self { options, env, listeners, status, connected, url, cookies }
    }

    /// The headers of the next request besides those of the upgrade.
    pub(crate) async fn headers(&self, uri: &Uri) -> Result<HeaderMap, ConnectError> {
        let mut headers = self.options.headers.clone();
        if let Some(make_headers) = &self.options.make_headers {
            let making = async { make_headers().await };
            headers.extend(caught(making, Err).await.map_err(ConnectError::Headers)?);
        }
        if self.options.cookies {
            let own: Vec<&str> = headers.get_all(header::COOKIE).iter().filter_map(|own| own.to_str().ok()).collect();
            let all = self.jar().header(uri, &own, SystemTime::now()).map(HeaderValue::try_from);
            if let Some(Ok(mut all)) = all {
                all.set_sensitive(true);
                headers.insert(header::COOKIE, all);
            }
        }
        Ok(headers)
    }

    /// Keeps the cookies of an answer, if the application wants that.
    pub(crate) fn keep_cookies(&self, uri: &Uri, answered: &HeaderMap) {
        if self.options.cookies {
            let lines = answered.get_all(header::SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
            self.jar().take(uri, lines, SystemTime::now());
        }
    }

    fn jar(&self) -> MutexGuard<'_, Jar> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Ends the connection whose task has ended with its runtime, if there is one.
    pub(crate) fn abandon_connection(&self) {
        let handle = self.connected().handle.take();
        if let Some(handle) = handle {
            handle.close(Closed::broken(Reason::default()));
            handle.calls().disconnect();
        }
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
