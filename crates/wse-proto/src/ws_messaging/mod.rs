//! The wire of npm `ws-messaging` 2.0, subprotocol `ws-messaging`: its options, its frames, its two
//! machines. It may never say what that system's own peers would not understand.

mod client;
mod frame;
pub(crate) mod json;
pub(crate) mod msgpack;
mod server;

pub use client::ClientSession;
pub use server::ServerSession;

pub(crate) use frame::own;

use crate::{
    Closed, Code, Envelope, Format, Kind, Payload, ProtocolError, Reason, RpError, Step, rp_error::NO_PROCEDURE,
};
use serde::Serialize;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

/// The event by which a server accepts a client.
const CONNECT: &str = "connect";

/// The procedure that each side calls to see whether the other is alive.
pub(crate) const PING: &str = "ping";

/// The event that answers what does not decode or validate.
pub(crate) const PREPROCESSING_ERROR: &str = "preprocessingError";

/// Names that mean something to a `ws-messaging` peer itself: nothing is sent under them, and what
/// comes is ignored, but for the one `connect` that a client waits for.
const RESERVED: [&str; 6] = ["close", "open", "error", "pong", "retry", CONNECT];

/// The options of the subprotocol `ws-messaging`, with that system's defaults.
///
/// ```
/// use std::time::Duration;
/// use wse_proto::WsMessaging;
///
/// let options = WsMessaging::new()
///     .auth_timeout(Duration::from_secs(5))
///     .ping(Duration::from_secs(30), Duration::from_secs(10))
///     .error_format(|error| error.code.clone());
/// ```
#[derive(Clone)]
pub struct WsMessaging {
    pub(crate) auth_timeout: Duration,
    pub(crate) ping_interval: Duration,
    pub(crate) ping_timeout: Duration,
    pub(crate) skip_validation: bool,
    pub(crate) messagepack: bool,
    error_format: Option<ErrorFormat>,
}

/// Nothing when it panics, or what it gives does not encode.
type ErrorFormat = Arc<dyn Fn(&RpError, Format) -> Option<Payload<'static>> + Send + Sync>;

impl Default for WsMessaging {
    fn default() -> Self {
        Self {
            auth_timeout: Duration::from_secs(20),
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(20),
            skip_validation: false,
            messagepack: false,
            error_format: None,
        }
    }
}

impl WsMessaging {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// A server's time from the upgrade to the verdict, then 4003 with an empty reason; a client's
    /// time from its auth data to the event `connect`, then 4008 `Auth timeout`: 20 s. It stands in
    /// place of [`Limits::auth_timeout`](crate::Limits::auth_timeout), and is added to a client's
    /// [`Limits::connect_timeout`](crate::Limits::connect_timeout).
    pub fn auth_timeout(mut self, timeout: Duration) -> Self {
        self.auth_timeout = timeout;
        self
    }

    /// Calls the peer's procedure `ping` so long after its last answer, 20 s, and closes with 4008
    /// `Ping timeout` when no answer has come in time, 20 s. An interval of zero: never.
    pub fn ping(mut self, interval: Duration, timeout: Duration) -> Self {
        (self.ping_interval, self.ping_timeout) = (interval, timeout);
        self
    }

    /// What is sent as the error of a failed call, of a frame that does not validate, and of a
    /// message that a hook has stopped. By default it is a text: `Error: ` and the error's message,
    /// or its code where it has none; `NoProcedureError` for a procedure that nobody has registered.
    ///
    /// A function of your own replaces all of that. It gets the code `wse.server.rp.not-registered` for
    /// an unknown procedure, which clients then cannot tell by `NoProcedureError` unless it gives
    /// that, and `wse.server.protocol-violation` for what does not validate, whose message names its
    /// kind already. What a refused device reads is not its business.
    ///
    /// The function sees errors that were not made on purpose too: their text is in
    /// [`RpError::source`], and is the application's to show or to hide. Where it panics, or gives
    /// what does not encode, the text is sent.
    pub fn error_format<T: Serialize>(mut self, format: impl Fn(&RpError) -> T + Send + Sync + 'static) -> Self {
        self.error_format = Some(Arc::new(move |error, wire| {
            catch_unwind(AssertUnwindSafe(|| Payload::encode(wire, &format(error)).ok())).ok().flatten()
        }));
        self
    }

    /// Takes frames with more fields than the wire has, and events without arguments. What is not
    /// a frame at all is an error still.
    pub fn skip_validation(mut self, skip: bool) -> Self {
        self.skip_validation = skip;
        self
    }

    /// For a client: speaks MessagePack in binary frames instead of JSON. A server answers each
    /// client in the format of its first frame.
    pub fn messagepack(mut self) -> Self {
        self.messagepack = true;
        self
    }

    /// The error's form on the wire. `expose` shows the text of an error that was not made on
    /// purpose, where no format was set.
    pub(crate) fn error(&self, error: &RpError, format: Format, expose: bool) -> Payload<'static> {
        self.formed(error, format, || text(error, expose))
    }

    fn formed(&self, error: &RpError, format: Format, text: impl FnOnce() -> String) -> Payload<'static> {
        let formed = self.error_format.as_ref().and_then(|form| form(error, format));
        formed.unwrap_or_else(|| Payload::encode(format, &text()).unwrap_or_else(|_| Payload::null(format)))
    }

    /// The event that answers what a hook has stopped.
    pub(crate) fn stopped(&self, error: &RpError, format: Format, expose: bool) -> Envelope<'static> {
        preprocessing_error(self.error(error, format, expose))
    }

    /// The event that answers what is no frame.
    fn garbage(&self, error: &ProtocolError, format: Format) -> Envelope<'static> {
        let violation = RpError::new(Code::PROTOCOL_VIOLATION).message(error.why());
        preprocessing_error(self.formed(&violation, format, || error.why().to_owned()))
    }
}

impl fmt::Debug for WsMessaging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsMessaging")
            .field("auth_timeout", &self.auth_timeout)
            .field("ping_interval", &self.ping_interval)
            .field("ping_timeout", &self.ping_timeout)
            .field("skip_validation", &self.skip_validation)
            .field("messagepack", &self.messagepack)
            .finish_non_exhaustive()
    }
}

/// The text of an error, as a thrown `Error` has it.
fn text(error: &RpError, expose: bool) -> String {
    match error.code.as_str() {
        Code::RP_NOT_REGISTERED => NO_PROCEDURE.to_owned(),
        _ => format!("Error: {}", error.shown(expose)),
    }
}

/// What a refusal for that error says: its text, unless it was not meant for the peer.
pub(crate) fn refusal(error: &RpError, expose: bool) -> Reason {
    let meant = error.source().is_none() || error.message.is_some() || expose;
    if meant { text(error, expose).into() } else { Reason::NOT_AUTHORIZED }
}

/// The end of a connection as this wire says it. Its clients come back after every code but 4003,
/// so that is what a server says to one that shall stay away.
pub(crate) fn end(closed: Closed, client: bool) -> Closed {
    match (closed.code, client) {
        (1000 | 1008, false) => Closed { code: 4003, ..closed },
        (1000, true) if closed.reason == Reason::BY_CLIENT => Closed::normal("".into()),
        _ => closed,
    }
}

/// What a frame means once the conversation is open; the same for both sides.
fn converse<'a, Q, O>(envelope: Envelope<'a>) -> Step<'a, Q, O> {
    match (&*envelope.name, &envelope.stamp) {
        (name, _) if is_reserved(name) => Step::Wait,
        (PING, Some(id)) => {
            let nothing = Payload::null(envelope.payload.format());
            Step::Send(frame::answer(Kind::Response, id.clone().into_owned().into(), nothing))
        }
        _ => crate::session::converse(envelope),
    }
}

/// The end of a peer that has not answered its ping.
fn no_pong() -> Closed {
    Closed { code: 4008, reason: "Ping timeout".into() }
}

/// Whether what comes too early is held: what a machine would deal with itself once open is dropped.
fn can_wait(envelope: &Envelope<'_>) -> bool {
    let ping = envelope.name == PING && envelope.is_call();
    !ping && !is_reserved(&envelope.name) && Kind::of(&envelope.name).is_none()
}

pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// An event whose one argument is the error, a list too.
fn preprocessing_error(error: Payload<'static>) -> Envelope<'static> {
    let payload = if error.is_list() { error.listed() } else { error };
    Envelope { name: PREPROCESSING_ERROR.into(), payload, stamp: None }
}

#[cfg(test)]
mod tests;
