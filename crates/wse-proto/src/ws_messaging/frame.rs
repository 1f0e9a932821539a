//! What the frames of `ws-messaging` are, whatever their format: an event, a call, or an answer.
//! Here is decided which fields make one; nothing else may.

use crate::{EncodeError, Envelope, Format, Kind, Payload, ProtocolError};
use std::borrow::Cow;

/// The fields of a frame, as far as they were there; of several of one name the last holds.
#[derive(Default)]
pub(crate) struct Fields<'a> {
    pub(crate) name: Field<Cow<'a, str>>,
    pub(crate) args: Field<Payload<'a>>,
    pub(crate) id: Field<Cow<'a, str>>,
    pub(crate) result: Option<Payload<'a>>,
    pub(crate) error: Option<Payload<'a>>,
    /// There was a field that has no place in any frame.
    pub(crate) odd: bool,
}

/// A field that may be missing, or there and of a wrong type.
type Field<T> = Option<Option<T>>;

/// What does not validate.
pub(crate) fn invalid() -> ProtocolError {
    ProtocolError::new("Error: Validation error")
}

impl<'a> Fields<'a> {
    /// The envelope that the frame is: two or three fields, no more, unless validation is skipped.
    pub(crate) fn envelope(self, format: Format, skip_validation: bool) -> Result<Envelope<'a>, ProtocolError> {
        let Fields { name, args, id, result, error, odd } = self;
        let (no_name, no_args) = (matches!(name, Some(None)), matches!(args, Some(None)));
        if no_name || no_args || !skip_validation && (odd || matches!(id, Some(None))) {
            return Err(invalid());
        }
        match (name.flatten(), args.flatten(), id.flatten(), result, error) {
            // A name that only the other wire knows is none here.
            (Some(name), ..) if name.is_empty() || Kind::of(&name).is_some() => Err(invalid()),
            (Some(name), Some(args), stamp, None, None) => Ok(Envelope { name, payload: args.of_arguments(), stamp }),
            (None, None, Some(id), Some(result), None) => Ok(answer(Kind::Response, id, result)),
            (None, None, Some(id), None, Some(error)) => Ok(answer(Kind::ResponseErr, id, error)),
            (Some(name), args, stamp, ..) if skip_validation => {
                let payload = args.unwrap_or_else(|| Payload::constant(format, "[]", &[0x90]));
                Ok(Envelope { name, payload: payload.of_arguments(), stamp })
            }
            (None, _, Some(id), _, Some(error)) if skip_validation => Ok(answer(Kind::ResponseErr, id, error)),
            (None, _, Some(id), Some(result), _) if skip_validation => Ok(answer(Kind::Response, id, result)),
            _ => Err(invalid()),
        }
    }
}

pub(super) fn answer<'a>(kind: Kind, id: Cow<'a, str>, payload: Payload<'a>) -> Envelope<'a> {
    Envelope { name: kind.as_str().into(), payload, stamp: Some(id) }
}

/// An id in the form that a number has in decimal: `1.0` and `1` are one. A positive integer only.
pub(crate) fn id(number: &str) -> Option<Cow<'_, str>> {
    if number.parse::<u64>().is_ok_and(|id| id > 0) {
        return Some(Cow::Borrowed(number));
    }
    /// Up to here a double counts in ones.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let value: f64 = number.parse().ok()?;
    let positive_integer = value.is_finite() && value > 0.0 && value.fract() == 0.0;
    let form = if value <= EXACT { Cow::Owned((value as u64).to_string()) } else { Cow::Borrowed(number) };
    positive_integer.then_some(form)
}

/// The number that an id is written as.
pub(crate) fn number(text: &str) -> Result<serde_json::Number, EncodeError> {
    let form = id(text);
    let number = form.and_then(|form| match form.parse::<u64>() {
        Ok(number) => Some(number.into()),
        Err(_) => serde_json::Number::from_f64(form.parse().ok()?),
    });
    number.ok_or_else(|| EncodeError::new("an id of ws-messaging is a positive integer"))
}

/// What an own envelope of the protocol is on this wire.
pub(crate) enum Own {
    /// The payload alone.
    Auth,
    /// The event `connect` with the payload as its one argument.
    Connect,
    /// An answer, with the name of the field that holds the payload.
    Answer(&'static str),
}

/// What the protocol's own types are here; `None` for a name of the application's.
pub(crate) fn own(name: &str) -> Option<Result<Own, EncodeError>> {
    Some(match Kind::of(name)? {
        Kind::Hi => Ok(Own::Auth),
        Kind::Welcome => Ok(Own::Connect),
        Kind::Response => Ok(Own::Answer("result")),
        Kind::ResponseErr => Ok(Own::Answer("error")),
        Kind::Challenge | Kind::Ack | Kind::Call => Err(EncodeError::new("ws-messaging has no such frame")),
    })
}
