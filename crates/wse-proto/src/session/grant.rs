//! What a client's hi asks of a session, and what the third element of a server's welcome grants. A value
//! that does not read counts as absent, and does not end the connection.

use crate::{
    cid::Cid,
    features::Features,
    session::token::Token,
    wire::payload::{Format, Payload},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a client asks for in the field `session` of its hi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionRequest {
    /// A new session.
    New,
    /// A session that began on another connection.
    Resume {
        /// The token that the last welcome brought.
        token: Token,
        /// How many envelopes of the server the client has received.
        seen: u64,
    },
}

#[derive(Default, Serialize, Deserialize)]
struct RequestFields<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resume: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<u64>,
}

impl SessionRequest {
    /// What a client says that it can. One that asks for no session says nothing: its hi is that of npm `wse`.
    pub(crate) fn features(asked: Option<&Self>) -> Features {
        asked.map_or(Features::NONE, |_| Features::ALL)
    }

    /// Reads the value of the field; `None` when it asks for no session.
    pub fn read(value: &Payload<'_>) -> Option<Self> {
        if !value.is_object() {
            return None;
        }
        // A request to resume that does not read asks for a new session.
        let fields: RequestFields<'static> = value.decode().unwrap_or_default();
        let token = fields.resume.and_then(|token| Token::read(&token));
        Some(match (token, fields.seen) {
            (Some(token), Some(seen)) => SessionRequest::Resume { token, seen },
            _ => SessionRequest::New,
        })
    }

    /// The value that asks for this.
    pub fn write(&self, format: Format) -> Payload<'static> {
        let fields = match self {
            SessionRequest::New => RequestFields::default(),
            SessionRequest::Resume { token, seen } => {
                RequestFields { resume: Some(token.as_str().into()), seen: Some(*seen) }
            }
        };
        Payload::encode(format, &fields).unwrap_or_else(|_| Payload::null(format)) // text and a number encode
    }
}

/// What a welcome grants to a client that asked for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionGrant {
    /// The token that resumes the session.
    pub token: Token,
    /// Whose session it is.
    pub cid: Cid,
    /// How many envelopes of the client the server has received.
    pub seen: u64,
    /// Whether this is the session that the client asked to resume, and not a new one.
    pub resumed: bool,
    /// The server sends something at least so often; zero: it does not.
    pub beat: Duration,
    /// How long the session is kept after its connection was lost.
    pub window: Duration,
    /// The bytes of the largest message that the server takes; `None` where it does not say.
    pub message_bytes: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct GrantFields<'a> {
    session: std::borrow::Cow<'a, str>,
    cid: std::borrow::Cow<'a, str>,
    seen: u64,
    resumed: bool,
    #[serde(default)]
    beat: u64,
    window: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", skip_deserializing)]
    can: Vec<&'static str>,
}

impl SessionGrant {
    /// The grant as JSON without white space, with what the server can: the third element of a welcome.
    pub fn write(&self, features: Features) -> String {
        let fields = GrantFields {
            session: self.token.as_str().into(),
            cid: self.cid.as_str().into(),
            seen: self.seen,
            resumed: self.resumed,
            beat: millis(self.beat),
            window: millis(self.window),
            message_bytes: self.message_bytes,
            can: features.words().collect(),
        };
        // Text, numbers and bools encode. Only the cid can hold a space.
        serde_json::to_string(&fields).unwrap_or_default().replace(' ', "\\u0020")
    }

    /// Reads a grant; `None` when the text is not one.
    pub fn read(json: &str) -> Option<Self> {
        let fields: GrantFields<'_> = serde_json::from_str(json).ok()?;
        Some(Self {
            token: Token::read(&fields.session)?,
            cid: Cid::from(&*fields.cid),
            seen: fields.seen,
            resumed: fields.resumed,
            beat: Duration::from_millis(fields.beat),
            window: Duration::from_millis(fields.window),
            message_bytes: fields.message_bytes,
        })
    }
}

/// Milliseconds, at most 24.8 days: a longer timer of a browser fires at once.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min((1 << 31) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Option<SessionRequest> {
        SessionRequest::read(&Payload::json(json).unwrap())
    }

    #[test]
    fn a_request_is_read_as_it_is_written_and_whatever_it_holds() {
        let resume = SessionRequest::Resume { token: Token::new(0, 1, 7), seen: 9 };
        for request in [SessionRequest::New, resume] {
            for format in [Format::Json, Format::MessagePack] {
                assert_eq!(SessionRequest::read(&request.write(format)), Some(request.clone()));
            }
        }
        assert_eq!(SessionRequest::New.write(Format::Json).as_bytes(), b"{}");
        for nothing in ["null", "true", "[]", "\"x\"", "3"] {
            assert_eq!(request(nothing), None, "{nothing}");
        }
        for new in [
            "{}",
            r#"{"resume":"x"}"#,
            r#"{"seen":1}"#,
            r#"{"resume":"x","seen":-1}"#,
            r#"{"resume":5,"seen":1}"#,
            r#"{"resume":"a b","seen":1}"#,
            r#"{"resume":"x","seen":"1"}"#,
        ] {
            assert_eq!(request(new), Some(SessionRequest::New), "{new}");
        }
    }

    #[test]
    fn a_grant_is_read_as_it_is_written() {
        let grant = SessionGrant {
            token: Token::new(0, 1, 1),
            cid: Cid::from("ann \"b\" lee"),
            seen: 3,
            resumed: true,
            beat: Duration::from_secs(25),
            window: Duration::MAX,
            message_bytes: Some(1 << 20),
        };
        let written = grant.write(Features::NONE);
        assert!(!written.contains(' '), "{written}");
        assert_eq!(
            SessionGrant::read(&written),
            Some(SessionGrant { window: Duration::from_millis((1 << 31) - 1), ..grant.clone() })
        );
        let older = SessionGrant { message_bytes: None, ..grant };
        assert!(!older.write(Features::NONE).contains("message_bytes"), "an older server does not say it");
        assert_eq!(SessionGrant::read(&older.write(Features::NONE)).map(|grant| grant.message_bytes), Some(None));
        for none in ["", "{}", "5", r#"{"session":"","cid":"a","seen":0,"resumed":false,"window":1}"#] {
            assert_eq!(SessionGrant::read(none), None, "{none}");
        }
    }
}
