//! Where the wires differ in more than bytes: how errors, refusals and ends are said, and what one
//! of them cannot say at all. It may never look at a frame.

use crate::{Closed, Code, Codec, Envelope, Payload, Reason, RpError, ws_messaging};

impl Codec {
    /// Whether calls are numbered from 1 by each side, instead of stamped at random.
    pub fn numbers_calls(&self) -> bool {
        matches!(self, Codec::WsMessaging(..))
    }

    /// The payload that answers a call of `rp` with `payload` that failed. `expose` sends the text
    /// of an error that was not made on purpose.
    pub fn error(&self, error: &RpError, rp: &str, payload: &Payload<'_>, expose: bool) -> Payload<'static> {
        match self {
            Codec::WsMessaging(options, format) => options.error(error, *format, expose),
            _ => error.answer(rp, payload, expose),
        }
    }

    /// The payload that answers a call of a procedure that nobody has registered.
    pub fn not_registered(&self) -> Payload<'static> {
        match self {
            Codec::WsMessaging(options, format) => {
                options.error(&RpError::new(Code::RP_NOT_REGISTERED), *format, false)
            }
            _ => RpError::not_registered(),
        }
    }

    /// The error that the payload of a failed call means.
    pub fn read_error(&self, payload: &Payload<'_>) -> RpError {
        match self {
            Codec::WsMessaging(..) => RpError::of_value(payload),
            _ => RpError::read(payload),
        }
    }

    /// What answers a message that a hook has stopped; `None` where that is not told to the peer.
    /// An answer of that kind is never answered itself.
    pub fn stopped(&self, name: &str, error: &RpError, expose: bool) -> Option<Envelope<'static>> {
        match self {
            Codec::WsMessaging(options, format) if name != ws_messaging::PREPROCESSING_ERROR => {
                Some(options.stopped(error, *format, expose))
            }
            _ => None,
        }
    }

    /// Whether a peer would take that name for something of its own, so that nothing can be sent
    /// under it.
    pub fn reserves(&self, name: &str) -> bool {
        matches!(self, Codec::WsMessaging(..)) && ws_messaging::is_reserved(name)
    }

    /// Whether a device can be challenged on this wire.
    pub fn challenges(&self) -> bool {
        !matches!(self, Codec::WsMessaging(..))
    }

    /// What a device is told that identify has failed for.
    pub fn refusal(&self, error: &RpError, expose: bool) -> Reason {
        match self {
            Codec::WsMessaging(..) => ws_messaging::refusal(error, expose),
            _ => Reason::NOT_AUTHORIZED,
        }
    }

    /// An end that this side has chosen, in the code and reason that this wire has for it.
    pub fn end(&self, closed: Closed, client: bool) -> Closed {
        match self {
            Codec::WsMessaging(..) => ws_messaging::end(closed, client),
            _ => closed,
        }
    }

    /// Whether a client that reconnects tries again after this end.
    pub fn is_temporary(&self, closed: &Closed) -> bool {
        match self {
            Codec::WsMessaging(..) => closed.code != 4003,
            _ => closed.is_temporary(),
        }
    }

    /// Whether this is the server's refusal of an identity or a solution.
    pub fn is_refusal(&self, closed: &Closed) -> bool {
        match self {
            Codec::WsMessaging(..) => closed.code == 4003,
            _ => closed.is_refusal(),
        }
    }

    /// The procedure by which this wire finds out whether the peer is alive; `None` where it is the
    /// ping of RFC 6455 section 5.5.2.
    pub fn ping(&self) -> Option<&'static str> {
        matches!(self, Codec::WsMessaging(..)).then_some(ws_messaging::PING)
    }
}
