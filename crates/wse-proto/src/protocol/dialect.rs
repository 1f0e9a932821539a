//! The differences between the protocols besides their bytes: the form of errors, refusals and ends, and
//! what a protocol does not have. It does not look at frames.

use crate::{
    calls::{code::Code, error::RpError},
    closing::reason::Closed,
    protocol::{codec::Codec, ws_messaging},
    wire::{
        envelope::Envelope,
        payload::Payload,
        ws_messaging::names::{PING, PREPROCESSING_ERROR},
    },
};

impl Codec {
    /// Whether each side numbers its calls from 1, instead of stamping them at random.
    pub fn numbers_calls(&self) -> bool {
        matches!(self, Codec::WsMessaging(..))
    }

    /// The payload of the answer to a call of `rp` with `payload` that has failed. With `expose` it has
    /// the text of the error's [`source`](RpError::source) too.
    pub fn error(&self, error: &RpError, rp: &str, payload: &Payload<'_>, expose: bool) -> Payload<'static> {
        match self {
            Codec::WsMessaging(options, format) => options.error(error, *format, expose),
            _ => error.answer(rp, payload, expose),
        }
    }

    /// The payload of the answer to a call of `rp`, which is not registered.
    pub fn not_registered(&self, rp: &str) -> Payload<'static> {
        match self {
            Codec::WsMessaging(options, format) => {
                options.error(&RpError::new(Code::RP_NOT_REGISTERED), *format, false)
            }
            _ => RpError::not_registered(rp),
        }
    }

    /// The error that the payload of a failed call means.
    pub fn read_error(&self, payload: &Payload<'_>) -> RpError {
        match self {
            Codec::WsMessaging(..) => ws_messaging::read_error(payload),
            _ => RpError::read(payload),
        }
    }

    /// The answer to a message that a hook has stopped; `None` where the protocol has no such answer.
    /// Such an answer is not answered itself.
    pub fn stopped(&self, name: &str, error: &RpError, expose: bool) -> Option<Envelope<'static>> {
        match self {
            Codec::WsMessaging(options, format) if name != PREPROCESSING_ERROR => {
                Some(options.stopped(error, *format, expose))
            }
            _ => None,
        }
    }

    /// Whether the protocol has challenges.
    pub fn challenges(&self) -> bool {
        !matches!(self, Codec::WsMessaging(..))
    }

    /// An end that this side has chosen, in the code and reason that the protocol has for it.
    pub fn end(&self, closed: Closed, client: bool) -> Closed {
        match self {
            Codec::WsMessaging(..) => ws_messaging::end(closed, client),
            _ => closed,
        }
    }

    /// Whether a client that reconnects tries again after this end, before its first welcome.
    pub fn is_temporary(&self, closed: &Closed) -> bool {
        match self {
            Codec::WsMessaging(..) => closed.code != 4003,
            _ => closed.is_temporary(),
        }
    }

    /// Whether a client that was welcomed before stays away after this end.
    pub fn is_final(&self, closed: &Closed) -> bool {
        match self {
            Codec::WsMessaging(..) => closed.code == 4003,
            _ => closed.is_final(),
        }
    }

    /// Whether this is the server's refusal of an identity or a solution.
    pub fn is_refusal(&self, closed: &Closed) -> bool {
        match self {
            Codec::WsMessaging(..) => closed.code == 4003,
            _ => closed.is_refusal(),
        }
    }

    /// The procedure that the protocol calls to check that the peer is there; `None` where it sends the
    /// ping of RFC 6455 section 5.5.2.
    pub fn ping(&self) -> Option<&'static str> {
        matches!(self, Codec::WsMessaging(..)).then_some(PING)
    }
}
