//! What a client says of itself in its first frame, and the question to the application about it. It
//! carries secrets, so it must not be printed.

use crate::{
    features::Features,
    session::grant::SessionRequest,
    wire::{
        error::ProtocolError,
        payload::{Format, Payload},
    },
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The payload of `~wse:hi`: what a client says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What it proves its identity with: any value, null when absent.
    pub identity: Payload<'static>,
    /// What it says of its device: an empty object when absent or null.
    pub meta: Payload<'static>,
}

#[derive(Serialize, Deserialize)]
struct HiFields<T> {
    #[serde(default = "none")]
    identity: Option<T>,
    #[serde(default = "none")]
    meta: Option<T>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    session: Option<T>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    can: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

impl Hello {
    /// Reads the payload of a hi, the session that it asks for, and what its client can. Unknown fields are
    /// ignored.
    ///
    /// # Errors
    /// When it is not an object, or has a field twice.
    pub fn read(payload: &Payload<'_>) -> Result<(Self, Option<SessionRequest>, Features), ProtocolError> {
        if !payload.is_object() {
            return Err(ProtocolError::of_envelope("the payload of a hi is not an object"));
        }
        let twice = |_| ProtocolError::of_envelope("a hi has a field twice");
        let fields: HiFields<Payload<'static>> = payload.decode().map_err(twice)?;
        let format = payload.format();
        let hello = Hello {
            identity: fields.identity.unwrap_or_else(|| Payload::null(format)),
            meta: fields.meta.unwrap_or_else(|| Self::no_meta(format)),
        };
        let features = fields.can.map_or(Features::NONE, |_| Features::read(payload));
        Ok((hello, fields.session.as_ref().and_then(SessionRequest::read), features))
    }

    /// The payload of the hi that says this, asks for that session, and names those features.
    pub fn write(&self, session: Option<&SessionRequest>, features: Features, format: Format) -> Payload<'static> {
        let (session, can) = (session.map(|wanted| wanted.write(format)), features.write(format));
        let (identity, meta) = (Some(&self.identity), Some(&self.meta));
        let fields = HiFields { identity, meta, session: session.as_ref(), can: can.as_ref() };
        Payload::encode(format, &fields).unwrap_or_else(|_| Payload::null(format)) // values encode
    }

    /// The meta of a device that says nothing of itself: an empty object.
    pub fn no_meta(format: Format) -> Payload<'static> {
        Payload::empty_object(format)
    }
}

/// What the application is asked about a client: its hello, and the solved challenge if there was one.
#[derive(Clone, Debug)]
pub struct Question {
    /// What the client said first.
    pub hello: Arc<Hello>,
    /// The challenge that it was given, with its answer.
    pub solution: Option<Solution>,
    /// The session that its hi asks for.
    pub session: Option<SessionRequest>,
}

/// A challenge with the client's answer.
#[derive(Clone, Debug)]
pub struct Solution {
    /// What the server asked.
    pub quest: Payload<'static>,
    /// What the client answered.
    pub answer: Payload<'static>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Payload<'_> {
        Payload::json(text).unwrap()
    }

    fn read(text: &str) -> Result<(Hello, Option<SessionRequest>, Features), ProtocolError> {
        Hello::read(&json(text))
    }

    #[test]
    fn what_is_absent_has_a_meaning() {
        let hello = read(r#"{"identity":"me"}"#).unwrap();
        assert_eq!(hello, (Hello { identity: json(r#""me""#), meta: json("{}") }, None, Features::NONE));
        let hello = read(r#"{"meta":null,"session":{}}"#).unwrap();
        assert_eq!(
            hello,
            (Hello { identity: json("null"), meta: json("{}") }, Some(SessionRequest::New), Features::NONE)
        );
        assert_eq!(read(r#"{"session":true}"#).unwrap().1, None);
    }

    #[test]
    fn a_hi_that_is_no_object_is_refused() {
        for text in ["null", "1", "\"me\""] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let hello = Hello { identity: json(r#"{"a":[1]}"#), meta: json(r#"{"b":2}"#) };
        let plain = hello.write(None, Features::NONE, Format::Json);
        assert_eq!(plain.as_bytes(), br#"{"identity":{"a":[1]},"meta":{"b":2}}"#);
        for (session, features) in [(None, Features::ALL), (Some(SessionRequest::New), Features::CANCEL)] {
            let written = hello.write(session.as_ref(), features, Format::Json);
            assert_eq!(Hello::read(&written).unwrap(), (hello.clone(), session, features));
        }
    }
}
