//! What a client asks for in its hi and a server grants in the third place of its welcome. What
//! does not read is as if it were absent: it may never end a connection.

use crate::{
    cid::Cid,
    session::token::Token,
    wire::payload::{Format, Payload},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a hi asks for in its field `session`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A new session.
    New,
    /// The one that was begun before.
    Resume {
        /// What it was given to come back with.
        token: Token,
        /// How many envelopes of the server have been taken in.
        seen: u64,
    },
}

#[derive(Default, Serialize, Deserialize)]
struct Asked<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resume: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<u64>,
}

impl Wanted {
    /// Reads the value of the field; `None` when it asks for nothing.
    pub fn read(value: &Payload<'_>) -> Option<Self> {
        if !value.is_object() {
            return None;
        }
        // What cannot be resumed is a new one.
        let asked: Asked<'static> = value.decode().unwrap_or_default();
        let token = asked.resume.and_then(|token| Token::read(&token));
        Some(match (token, asked.seen) {
            (Some(token), Some(seen)) => Wanted::Resume { token, seen },
            _ => Wanted::New,
        })
    }

    /// The value that asks for this.
    pub fn write(&self, format: Format) -> Payload<'static> {
        let asked = match self {
            Wanted::New => Asked::default(),
            Wanted::Resume { token, seen } => Asked { resume: Some(token.as_str().into()), seen: Some(*seen) },
        };
        Payload::encode(format, &asked).unwrap_or_else(|_| Payload::null(format)) // text and a number encode
    }
}

/// What a welcome grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// What to come back with.
    pub token: Token,
    /// Whose session it is.
    pub cid: Cid,
    /// How many envelopes of the client have been taken in.
    pub seen: u64,
    /// Whether it is the session that was asked for, and not a new one.
    pub resumed: bool,
    /// The server says something at least so often; zero: it does not.
    pub beat: Duration,
    /// How long the session is kept after its connection was lost.
    pub window: Duration,
}

#[derive(Serialize, Deserialize)]
struct Said<'a> {
    session: std::borrow::Cow<'a, str>,
    cid: std::borrow::Cow<'a, str>,
    seen: u64,
    resumed: bool,
    #[serde(default)]
    beat: u64,
    window: u64,
}

impl Granted {
    /// The grant as JSON without white space, as it stands in the third place of a welcome.
    pub fn write(&self) -> String {
        let said = Said {
            session: self.token.as_str().into(),
            cid: self.cid.as_str().into(),
            seen: self.seen,
            resumed: self.resumed,
            beat: millis(self.beat),
            window: millis(self.window),
        };
        // Text, numbers and truth encode. A blank can only stand in the cid.
        serde_json::to_string(&said).unwrap_or_default().replace(' ', "\\u0020")
    }

    /// Reads a grant; `None` when it is none.
    pub fn read(json: &str) -> Option<Self> {
        let said: Said<'_> = serde_json::from_str(json).ok()?;
        Some(Self {
            token: Token::read(&said.session)?,
            cid: Cid::from(&*said.cid),
            seen: said.seen,
            resumed: said.resumed,
            beat: Duration::from_millis(said.beat),
            window: Duration::from_millis(said.window),
        })
    }
}

/// At most what a timer of a browser counts, which fires at once beyond: 24.8 days.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min((1 << 31) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(json: &str) -> Option<Wanted> {
        Wanted::read(&Payload::json(json).unwrap())
    }

    #[test]
    fn a_wish_is_read_as_it_is_written_and_whatever_it_holds() {
        let resume = Wanted::Resume { token: Token::new(7), seen: 9 };
        for wish in [Wanted::New, resume] {
            for format in [Format::Json, Format::MessagePack] {
                assert_eq!(Wanted::read(&wish.write(format)), Some(wish.clone()));
            }
        }
        assert_eq!(Wanted::New.write(Format::Json).as_bytes(), b"{}");
        for nothing in ["null", "true", "[]", "\"x\"", "3"] {
            assert_eq!(wanted(nothing), None, "{nothing}");
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
            assert_eq!(wanted(new), Some(Wanted::New), "{new}");
        }
    }

    #[test]
    fn a_grant_is_read_as_it_is_written() {
        let granted = Granted {
            token: Token::new(1),
            cid: Cid::from("ann \"b\" lee"),
            seen: 3,
            resumed: true,
            beat: Duration::from_secs(25),
            window: Duration::MAX,
        };
        let written = granted.write();
        assert!(!written.contains(' '), "{written}");
        assert_eq!(Granted::read(&written), Some(Granted { window: Duration::from_millis((1 << 31) - 1), ..granted }));
        for none in ["", "{}", "5", r#"{"session":"","cid":"a","seen":0,"resumed":false,"window":1}"#] {
            assert_eq!(Granted::read(none), None, "{none}");
        }
    }
}
