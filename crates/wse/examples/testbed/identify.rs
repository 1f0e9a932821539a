//! Who gets in: every identity of the help text, with and without a challenge.

use crate::options::Options;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};
use wse::{RpError, Stranger, Verdict};

/// What identify has to know, and the users it has counted.
pub(crate) struct App {
    challenge: bool,
    refuse_before_challenge: bool,
    anonymous: bool,
    users: AtomicU64,
    strangers: AtomicU64,
}

impl App {
    pub(crate) fn new(options: &Options) -> Arc<Self> {
        Arc::new(Self {
            challenge: options.challenge,
            refuse_before_challenge: options.refuse_before_challenge,
            anonymous: options.anonymous,
            users: AtomicU64::new(0),
            strangers: AtomicU64::new(0),
        })
    }

    pub(crate) async fn identify(self: Arc<Self>, stranger: Stranger, identity: Value) -> Result<Verdict, RpError> {
        if self.refuse_before_challenge {
            return Ok(stranger.refuse());
        }
        if self.challenge {
            match stranger.answer::<Value, Value>()? {
                None => return Ok(stranger.challenge(&json!({"a": 1, "b": 2}))),
                Some((_, answer)) if answer == json!(3) => {}
                Some(_) => return Ok(stranger.refuse()),
            }
        }
        let identity = match &identity {
            Value::Object(fields) => fields.get("identity").and_then(Value::as_str),
            other => other.as_str(),
        };
        let cid = match identity.unwrap_or_default() {
            "valid-secret" => match stranger.meta::<Value>()?.get("user_id") {
                Some(Value::String(user_id)) => user_id.clone(),
                Some(Value::Number(user_id)) => user_id.to_string(),
                _ => format!("u{}", self.users.fetch_add(1, Relaxed) + 1),
            },
            "error" => Err(std::io::Error::other("identify fails as asked"))?,
            "panic" => panic!("identify panics as asked"),
            "never" => std::future::pending().await,
            other => match asked(other) {
                ("slow", _, Some(time)) => {
                    tokio::time::sleep(time).await;
                    "slow".to_owned()
                }
                ("later", _, Some(time)) => return Ok(stranger.later(time)),
                ("until", _, Some(life)) => {
                    return Ok(stranger.accept("until").until(SystemTime::now() + life));
                }
                ("refuse", Some(text), _) => return Ok(stranger.refuse().reason(text)),
                _ if other.starts_with("user-") => other.to_owned(),
                _ if self.anonymous => format!("anon-{}", self.strangers.fetch_add(1, Relaxed) + 1),
                _ => return Ok(stranger.refuse()),
            },
        };
        Ok(stranger.accept(cid).welcome(&json!({"hey": "some data"})))
    }
}

/// What an identity with a colon asks for: the word, what stands behind it, and that as milliseconds.
fn asked(identity: &str) -> (&str, Option<&str>, Option<Duration>) {
    let (word, rest) = identity.split_once(':').unzip();
    (word.unwrap_or_default(), rest, rest.and_then(|ms| ms.parse().ok()).map(Duration::from_millis))
}
