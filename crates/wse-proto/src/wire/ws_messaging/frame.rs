//! The fields that make a frame of `ws-messaging`: an event, a call, or an answer. Both formats decide it
//! here.

use crate::wire::{
    envelope::{Envelope, Kind},
    error::{EncodeError, ProtocolError},
    payload::{Format, Payload},
};
use std::borrow::Cow;

/// The fields of a frame that were there. Of several fields of one name the last one counts.
#[derive(Default)]
pub(crate) struct FrameFields<'a> {
    pub(crate) name: Field<Cow<'a, str>>,
    pub(crate) args: Field<Payload<'a>>,
    pub(crate) id: Field<Cow<'a, str>>,
    pub(crate) result: Option<Payload<'a>>,
    pub(crate) error: Option<Payload<'a>>,
    /// There was a field that no frame has.
    pub(crate) unknown: bool,
}

/// `None` where the field is missing, `Some(None)` where it is of a wrong type.
type Field<T> = Option<Option<T>>;

/// The error of a frame that does not validate.
pub(crate) fn invalid() -> ProtocolError {
    ProtocolError::new("Error: Validation error")
}

impl<'a> FrameFields<'a> {
    /// The envelope that the fields make. Unless validation is skipped, a frame has two or three fields.
    pub(crate) fn envelope(self, format: Format, skip_validation: bool) -> Result<Envelope<'a>, ProtocolError> {
        let FrameFields { name, args, id, result, error, unknown } = self;
        let (no_name, no_args) = (matches!(name, Some(None)), matches!(args, Some(None)));
        if no_name || no_args || !skip_validation && (unknown || matches!(id, Some(None))) {
            return Err(invalid());
        }
        match (name.flatten(), args.flatten(), id.flatten(), result, error) {
            // The names of wse's own types are not allowed here.
            (Some(name), ..) if name.is_empty() || Kind::of(&name).is_some() => Err(invalid()),
            (Some(name), Some(args), stamp, None, None) => Ok(Envelope { name, payload: args.of_arguments(), stamp }),
            (None, None, Some(id), Some(result), None) => Ok(answer(Kind::Response, id, result)),
            (None, None, Some(id), None, Some(error)) => Ok(answer(Kind::ResponseErr, id, error)),
            (Some(name), args, stamp, ..) if skip_validation => {
                let payload = args.unwrap_or_else(|| Payload::constant(format, "[]", &[0x90], 1));
                Ok(Envelope { name, payload: payload.of_arguments(), stamp })
            }
            (None, _, Some(id), _, Some(error)) if skip_validation => Ok(answer(Kind::ResponseErr, id, error)),
            (None, _, Some(id), Some(result), _) if skip_validation => Ok(answer(Kind::Response, id, result)),
            _ => Err(invalid()),
        }
    }
}

fn answer<'a>(kind: Kind, id: Cow<'a, str>, payload: Payload<'a>) -> Envelope<'a> {
    Envelope { name: kind.as_str().into(), payload, stamp: Some(id) }
}

/// The id as a decimal integer, so that `1.0` and `1` are one id; `None` unless it is a positive integer.
pub(crate) fn id(number: &str) -> Option<Cow<'_, str>> {
    if number.parse::<u64>().is_ok_and(|id| id > 0) {
        return Some(Cow::Borrowed(number));
    }
    /// Up to this number a double holds every integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let value: f64 = number.parse().ok()?;
    let positive_integer = value.is_finite() && value > 0.0 && value.fract() == 0.0;
    let form = if value <= EXACT { Cow::Owned((value as u64).to_string()) } else { Cow::Borrowed(number) };
    positive_integer.then_some(form)
}

/// The number that an id is written as. One beyond 64 bits keeps its text, as a double may not hold it.
///
/// # Errors
/// When it is not a positive integer.
pub(crate) fn number(text: &str) -> Result<Cow<'_, str>, EncodeError> {
    let number = id(text).and_then(|form| match form.parse::<u64>() {
        Ok(number) => Some(Cow::Owned(number.to_string())),
        Err(_) => serde_json::from_str::<serde_json::Number>(&form).is_ok().then_some(form),
    });
    number.ok_or_else(|| EncodeError::new("an id of ws-messaging is a positive integer"))
}

/// What an envelope of the protocol's own becomes on this wire.
pub(crate) enum OwnFrame {
    /// The payload alone, without a frame around it.
    Auth,
    /// The event `connect` with the payload as its one argument.
    Connect,
    /// An answer; the payload is in the field of that name.
    Answer(&'static str),
}

impl OwnFrame {
    /// How many arrays and objects are around the payload.
    pub(crate) fn levels(&self) -> u8 {
        match self {
            OwnFrame::Auth => 0,
            OwnFrame::Connect => 2,
            OwnFrame::Answer(_) => 1,
        }
    }
}

/// What an envelope of that type becomes; `None` for a name of the application's.
///
/// # Errors
/// For a type that this wire does not have.
pub(crate) fn own_frame(name: &str) -> Option<Result<OwnFrame, EncodeError>> {
    Some(match Kind::of(name)? {
        Kind::Hi => Ok(OwnFrame::Auth),
        Kind::Welcome => Ok(OwnFrame::Connect),
        Kind::Response => Ok(OwnFrame::Answer("result")),
        Kind::ResponseErr => Ok(OwnFrame::Answer("error")),
        Kind::Challenge | Kind::Ack | Kind::Skip | Kind::Ping | Kind::Cancel | Kind::Identity | Kind::Call => {
            Err(EncodeError::new("ws-messaging has no such frame"))
        }
    })
}
