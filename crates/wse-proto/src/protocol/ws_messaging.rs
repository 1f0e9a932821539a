//! The options of the protocol of npm `ws-messaging` 2.0, and the form that errors and ends have in it.

use crate::{
    calls::{code::Code, error::RpError},
    closing::reason::{Closed, Reason},
    limits::later,
    wire::{
        envelope::Envelope,
        error::ProtocolError,
        payload::{Format, Payload},
        ws_messaging::names::{NO_PROCEDURE, PREPROCESSING_ERROR},
    },
};
use serde::Serialize;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

/// The options of the protocol `ws-messaging`, with the defaults of npm `ws-messaging`.
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

/// Returns `None` when the application's function panics or its value does not encode.
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

    /// A server's time from the upgrade to the verdict, then 4003 with an empty reason, or 1013
    /// `wse.later` where identify is still at work; a client's time from its auth data to the event
    /// `connect`, then 4008 `Auth timeout`: 20 s. Zero: no such end; as no ping comes before the verdict, a
    /// silent client then keeps its place among the strangers until its TCP connection ends. It replaces
    /// [`Limits::auth_timeout`](crate::Limits::auth_timeout), and is added to a client's
    /// [`Limits::connect_timeout`](crate::Limits::connect_timeout).
    pub fn auth_timeout(mut self, timeout: Duration) -> Self {
        self.auth_timeout = timeout;
        self
    }

    /// When the handshake has to be over that begins now. There is no heartbeat before its end.
    pub(crate) fn auth_deadline(&self, now: Instant) -> Instant {
        later(now, if self.auth_timeout.is_zero() { Duration::MAX } else { self.auth_timeout })
    }

    /// The time from the peer's last answer to the next call of its procedure `ping`, 20 s, and the time
    /// that the peer has to answer it, 20 s, then 4008 `Ping timeout`. An interval of zero: no pings.
    pub fn ping(mut self, interval: Duration, timeout: Duration) -> Self {
        (self.ping_interval, self.ping_timeout) = (interval, timeout);
        self
    }

    /// The form of the error of a failed call, of a frame that does not validate, and of a message that
    /// a hook has stopped. By default it is a text: `Error: ` and the error's message, or its code where
    /// it has none; `NoProcedureError` for a procedure that is not registered.
    ///
    /// A function of your own replaces all of these texts. It gets the code
    /// `wse.server.rp.not-registered` for an unknown procedure, which clients then do not recognize
    /// unless the function returns `NoProcedureError`; and `wse.server.protocol-violation` for a frame
    /// that does not validate, whose message names its kind already. It does not decide the reason that
    /// a refused device gets.
    ///
    /// The function also gets errors that were made by `?`: their text is in [`RpError::source`], and the
    /// function decides whether to show it. Where it panics, or returns a value that does not encode,
    /// the default text is sent.
    pub fn error_format<T: Serialize>(mut self, format: impl Fn(&RpError) -> T + Send + Sync + 'static) -> Self {
        self.error_format = Some(Arc::new(move |error, wire| {
            catch_unwind(AssertUnwindSafe(|| Payload::encode(wire, &format(error)).ok())).ok().flatten()
        }));
        self
    }

    /// Accepts frames with fields that the protocol does not have, and events without arguments. A frame
    /// that is neither event, call nor answer is still an error.
    pub fn skip_validation(mut self, skip: bool) -> Self {
        self.skip_validation = skip;
        self
    }

    /// For a client: speaks MessagePack in binary frames instead of JSON. A server answers each client in
    /// the format of the client's first frame.
    pub fn messagepack(mut self) -> Self {
        self.messagepack = true;
        self
    }

    /// The error's form on the wire. Where no format was set, `expose` shows the text of the error's
    /// [`source`](RpError::source).
    pub(crate) fn error(&self, error: &RpError, format: Format, expose: bool) -> Payload<'static> {
        self.formed(error, format, || text(error, expose))
    }

    fn formed(&self, error: &RpError, format: Format, text: impl FnOnce() -> String) -> Payload<'static> {
        let formed = self.error_format.as_ref().and_then(|form| form(error, format));
        formed.unwrap_or_else(|| Payload::encode(format, &text()).unwrap_or_else(|_| Payload::null(format)))
    }

    /// The event that answers a message that a hook has stopped.
    pub(crate) fn stopped(&self, error: &RpError, format: Format, expose: bool) -> Envelope<'static> {
        preprocessing_error(self.error(error, format, expose))
    }

    /// The event that answers bytes that are not a frame.
    pub(crate) fn garbage(&self, error: &ProtocolError, format: Format) -> Envelope<'static> {
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

/// The text of an error, in the form of a thrown JavaScript `Error`.
fn text(error: &RpError, expose: bool) -> String {
    match error.code.as_str() {
        Code::RP_NOT_REGISTERED => NO_PROCEDURE.to_owned(),
        _ => format!("Error: {}", error.shown(expose)),
    }
}

/// The end of a connection in the codes of this protocol. Its clients come back after every code except
/// 4003, so a server sends 4003 where a client has to stay away.
pub(crate) fn end(closed: Closed, client: bool) -> Closed {
    match (closed.code, client) {
        (1000, false) => Closed { code: 4003, ..closed },
        (1000, true) if closed.reason == Reason::BY_CLIENT => Closed::normal("".into()),
        _ => closed,
    }
}

/// The error that the error value of a failed call means: the value becomes its details.
pub(crate) fn read_error(payload: &Payload<'_>) -> RpError {
    match payload.decode::<String>() {
        Ok(text) if text == NO_PROCEDURE => RpError::new(Code::RP_NOT_REGISTERED),
        _ => RpError::of_details(payload),
    }
}

/// The event whose only argument is the error, even where the error is a list.
fn preprocessing_error(error: Payload<'static>) -> Envelope<'static> {
    let payload = if error.is_list() { error.listed() } else { error };
    Envelope { name: PREPROCESSING_ERROR.into(), payload, stamp: None }
}

#[cfg(test)]
mod tests;
