//! A request from outside, as it is read.

use serde::Deserialize;
use std::time::Duration;
use wse_cluster::{Recipients, Scope};
use wse_proto::{Cid, Closed, Code, Format, Payload, Reason, RpError};

/// The longest that a call from outside may wait for its answers.
const LONGEST: Duration = Duration::from_secs(60);

/// A request, and for whom it is. Of users there is one of each.
pub(crate) struct Request {
    pub(crate) to: Vec<Recipients>,
    pub(crate) asked: Asked,
}

pub(crate) enum Asked {
    Send { name: String, payload: Payload<'static> },
    Drop(Closed),
    Call { name: String, payload: Payload<'static>, within: Option<Duration> },
}

/// All fields of all requests: which of them are there says what is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    to: Option<Whom>,
    call: Option<Whom>,
    drop: Option<Name>,
    #[serde(rename = "type")]
    name: Option<String>,
    rp: Option<String>,
    payload: Option<Payload<'static>>,
    reason: Option<String>,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Whom {
    Everyone,
    User(Name),
    Users(Vec<Name>),
    Room(String),
    Device(String),
}

/// A cid, which may be written as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Number(i64),
}

impl From<Name> for Cid {
    fn from(name: Name) -> Self {
        match name {
            Name::Text(text) => Cid::from(text),
            Name::Number(number) => Cid::from(number),
        }
    }
}

impl Whom {
    fn recipients(self) -> Result<Vec<Recipients>, RpError> {
        let user = |name: Name| Recipients::from(Scope::User(name.into()));
        Ok(match self {
            Whom::Everyone => vec![Scope::Everyone.into()],
            Whom::User(name) => vec![user(name)],
            Whom::Users(names) => {
                let mut users: Vec<Cid> = names.into_iter().map(Cid::from).collect();
                users.sort();
                users.dedup();
                users.into_iter().map(|cid| Scope::User(cid).into()).collect()
            }
            Whom::Room(name) => vec![Scope::Room(name.into()).into()],
            Whom::Device(id) => vec![Scope::Device(id.parse().map_err(|_| invalid("no id of a device"))?).into()],
        })
    }
}

fn invalid(why: impl Into<String>) -> RpError {
    RpError::new(Code::RP_INVALID).message(why)
}

/// Reads a request.
///
/// # Errors
/// When it is larger than a message may be, or none. The text says what is wrong with it, without what it carries.
pub(crate) fn read(bytes: &[u8], most: usize) -> Result<Request, RpError> {
    if bytes.len() > most {
        return Err(invalid("larger than a message may be"));
    }
    let fields: Fields = serde_json::from_slice(bytes)
        .map_err(|error| invalid(format!("no request, line {} column {}", error.line(), error.column())))?;
    let payload = |payload: Option<Payload<'static>>| payload.unwrap_or_else(|| Payload::null(Format::Json));
    Ok(match fields {
        Fields {
            to: Some(to),
            name: Some(name),
            payload: carried,
            call: None,
            drop: None,
            rp: None,
            reason: None,
            timeout_ms: None,
        } => Request { to: to.recipients()?, asked: Asked::Send { name, payload: payload(carried) } },
        Fields {
            call: Some(to),
            rp: Some(name),
            payload: carried,
            timeout_ms,
            to: None,
            drop: None,
            name: None,
            reason: None,
        } => {
            let within = timeout_ms.map(|ms| Duration::from_millis(ms).min(LONGEST));
            Request { to: to.recipients()?, asked: Asked::Call { name, payload: payload(carried), within } }
        }
        Fields {
            drop: Some(user),
            reason,
            to: None,
            call: None,
            name: None,
            rp: None,
            payload: None,
            timeout_ms: None,
        } => {
            let reason = reason.map(Reason::from).unwrap_or_default().or(Reason::BY_SERVER);
            Request { to: Whom::User(user).recipients()?, asked: Asked::Drop(Closed::normal(reason)) }
        }
        _ => return Err(invalid("a request has `to` and `type`, `call` and `rp`, or `drop`, and nothing of another")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(request: &str) -> String {
        read(request.as_bytes(), 1000).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn every_kind_of_request_is_read() {
        let request = |text: &str| read(text.as_bytes(), 1000).unwrap();
        let sent = request(r#"{"to": {"users": ["bob", 7, "7", "ann"]}, "type": "news", "payload": {"x": 1.50}}"#);
        let of = |cid: &str| Recipients::from(Scope::User(cid.into()));
        assert_eq!(sent.to, [of("7"), of("ann"), of("bob")], "each once");
        let Asked::Send { name, payload } = sent.asked else { panic!() };
        assert_eq!((&*name, payload.as_bytes()), ("news", &br#"{"x": 1.50}"#[..]));

        let sent = request(r#"{"to": "everyone", "type": "stop"}"#);
        assert_eq!(sent.to, [Scope::Everyone.into()]);
        assert!(matches!(sent.asked, Asked::Send { payload, .. } if payload.as_bytes() == b"null"));

        let call = request(r#"{"call": {"room": "tea"}, "rp": "whoami", "timeout_ms": 99999999}"#);
        assert_eq!(call.to, [Scope::Room("tea".into()).into()]);
        assert!(matches!(call.asked, Asked::Call { within: Some(LONGEST), .. }));

        let dropped = request(r#"{"drop": "ann", "reason": "paid by nobody"}"#);
        assert!(matches!(dropped.asked, Asked::Drop(closed) if closed.reason.as_str() == "paid by nobody"));
        let device = DeviceText::of(1).to_string();
        let sent = request(&format!(r#"{{"to": {{"device": "{device}"}}, "type": "x"}}"#));
        assert_eq!(sent.to, [Scope::Device(DeviceText::of(1)).into()]);
    }

    /// Ids of devices for the tests.
    struct DeviceText;

    impl DeviceText {
        fn of(number: u64) -> wse_cluster::DeviceId {
            wse_cluster::DeviceId::new(wse_cluster::NodeId::new(5), number)
        }
    }

    #[test]
    fn what_is_no_request_is_an_error_that_does_not_repeat_it() {
        for bad in [
            "",
            "[]",
            "null",
            r#"{"to": "secret", "type": "x"}"#,
            r#"{"to": "everyone"}"#,
            r#"{"type": "secret"}"#,
            r#"{"to": "everyone", "type": "x", "drop": "secret"}"#,
            r#"{"call": "everyone", "rp": "x", "to": "everyone"}"#,
            r#"{"to": {"device": "secret"}, "type": "x"}"#,
            r#"{"drop": "ann", "payload": "secret"}"#,
            r#"{"to": "everyone", "type": "x", "secret": 1}"#,
            r#"{"to": "everyone", "type": "x", "payload": }"#,
        ] {
            let error = error(bad);
            assert!(!error.is_empty(), "{bad}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert_eq!(
            error(&format!(r#"{{"to": "everyone", "type": "{}"}}"#, "x".repeat(1000))),
            "wse.client.rp.invalid: larger than a message may be"
        );
    }
}
