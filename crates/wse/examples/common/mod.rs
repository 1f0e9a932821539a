//! What the testbed and the test client share: how options are written, and the ways to fail.

mod custom;

use serde_json::{Value, json};
use std::time::Duration;
use wse::{CallError, Closed, Protocol, RpError};

/// `500ms`, `20s`, `2m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(60 * number)),
        _ => Err(format!("{text:?}: a duration is written as 500ms, 20s or 2m")),
    }
}

/// The name of a subprotocol, or `custom`.
pub(crate) fn protocol(name: &str) -> Result<Protocol, String> {
    match name {
        "custom" => Ok(Protocol::custom(custom::Prefixed)),
        name => Protocol::named(name)
            .ok_or_else(|| format!("{name:?}: there are wse-default-json, wse-msgpack, ws-messaging and custom")),
    }
}

pub(crate) fn split(text: &str) -> Result<(u64, &str), String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..digits].parse().map_err(|_| format!("{text:?}: a number is missing"))?;
    Ok((number, &text[digits..]))
}

/// The procedure `fail`: every way in which a procedure can fail.
pub(crate) fn fail(how: &str) -> Result<(), RpError> {
    match how {
        "plain" => Err(std::io::Error::other("Vanilla error"))?,
        "coded" => Err(RpError::new("test-err-code").details(&serde_json::json!({"fun": 1}))),
        "bare" => Err(RpError::bare(&serde_json::json!({"code": "INVALID_USER", "test_field": "nope"}))),
        "panic" => panic!("asked to"),
        _ => Err(RpError::new("unknown-way-to-fail")),
    }
}

/// A failed call as JSON.
pub(crate) fn described(error: &CallError) -> Value {
    let mut described = json!({"code": error.code()});
    match error {
        CallError::Failed(error) | CallError::NotRegistered(error) => {
            if let Some(message) = &error.message {
                described["message"] = json!(message);
            }
            if let Ok(Some(details)) = error.decode_details::<Value>() {
                described["details"] = details;
            }
        }
        CallError::Disconnected { closed } => {
            described["details"] = ended(closed);
            described["details"]["disconnected"] = json!([closed.code, closed.reason.as_str()]);
        }
        _ => {}
    }
    described
}

/// The end of a connection as the details of an error.
pub(crate) fn ended(closed: &Closed) -> Value {
    json!({"code": closed.code, "reason": closed.reason.as_str()})
}
