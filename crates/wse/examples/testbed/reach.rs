//! The messages and procedures of the testbed that reach other devices by an address.

use crate::{common::described, messages::text};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use wse::{Conn, Delivered, DeviceId, Handlers, RpError, aging::Aged, codec::Payload};

#[derive(Deserialize)]
struct ToDevice {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    payload: Option<Payload<'static>>,
    within_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Latest {
    to: Whom,
    key: Value,
    #[serde(rename = "type")]
    kind: String,
    payload: Option<Payload<'static>>,
    ttl_ms: Option<u64>,
}

#[derive(Deserialize)]
enum Whom {
    #[serde(rename = "cid")]
    User(Value),
    #[serde(rename = "room")]
    Room(String),
    #[serde(rename = "everyone")]
    Everyone,
}

#[derive(Deserialize)]
struct CallDevice {
    id: String,
    rp: String,
    payload: Option<Payload<'static>>,
    within_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Ask {
    cid: Value,
    rp: String,
    payload: Option<Payload<'static>>,
    want: Want,
    within_ms: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Named {
    All,
    First,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Want {
    Named(Named),
    Quorum(usize),
}

pub(crate) fn handlers() -> Handlers<Conn> {
    Handlers::<Conn>::new()
        .on("latest", async |conn, latest: Latest| {
            send_latest(&conn, latest)?;
            Ok(())
        })
        .on("to-device", async |conn, to: ToDevice| {
            let Delivered { here, elsewhere, .. } = conn.server().device(id(&to.id)?).send(&*to.kind, to.payload)?;
            conn.send("sent", json!({"here": here, "elsewhere": elsewhere}))?;
            Ok(())
        })
        .register("call-device", call_device)
        .register("delivered", delivered)
        .register("ask", ask)
}

fn id(text: &str) -> Result<DeviceId, RpError> {
    text.parse().map_err(|_| RpError::new("no-device-id"))
}

fn send_latest(conn: &Conn, Latest { to, key, kind, payload, ttl_ms }: Latest) -> Result<Delivered, RpError> {
    let mut message = Aged::new(kind).latest(text(&key));
    if let Some(ms) = ttl_ms {
        message = message.ttl(Duration::from_millis(ms));
    }
    let server = conn.server();
    Ok(match to {
        Whom::User(cid) => server.user(text(&cid)).send(message, payload)?,
        Whom::Room(name) => server.room(name).send(message, payload)?,
        Whom::Everyone => server.everyone().send(message, payload)?,
    })
}

async fn call_device(conn: Conn, CallDevice { id: of, rp, payload, within_ms }: CallDevice) -> Result<Value, RpError> {
    let device = conn.server().device(id(&of)?);
    let called: Result<Value, _> = match within_ms {
        Some(ms) => device.call_within(Duration::from_millis(ms), rp.as_str(), payload).await,
        None => device.call(rp.as_str(), payload).await,
    };
    Ok(match called {
        Ok(result) => json!({"ok": result}),
        Err(error) => json!({"err": described(&error)}),
    })
}

/// True once the device has acknowledged the message, else the code of the error.
async fn delivered(conn: Conn, ToDevice { id: of, kind, payload, within_ms }: ToDevice) -> Result<Value, RpError> {
    let receipt = match conn.server().device(id(&of)?).send_tracked(&*kind, payload) {
        Ok(receipt) => receipt,
        Err(error) => return Ok(json!(error.code())),
    };
    let within = Duration::from_millis(within_ms.unwrap_or(20_000));
    Ok(match tokio::time::timeout(within, receipt.delivered()).await {
        Ok(Ok(())) => json!(true),
        Ok(Err(error)) => json!(error.code()),
        Err(_) => json!("wse.client.rp.timeout"),
    })
}

/// The answers of the devices of a user, in the order in which they came.
async fn ask(conn: Conn, Ask { cid, rp, payload, want, within_ms }: Ask) -> Result<Vec<Value>, RpError> {
    let answers = conn.server().user(text(&cid)).ask::<_, Value>(rp.as_str(), payload);
    let answers = answers.within(Duration::from_millis(within_ms));
    let succeeded = |(id, result): (DeviceId, Value)| json!({"id": id.to_string(), "ok": result});
    Ok(match want {
        Want::Named(Named::First) => answers.first().await.into_iter().map(succeeded).collect(),
        Want::Quorum(devices) => answers.quorum(devices).await.into_iter().map(succeeded).collect(),
        Want::Named(Named::All) => {
            let told = |(id, answer): (DeviceId, Result<Value, _>)| match answer {
                Ok(result) => succeeded((id, result)),
                Err(error) => json!({"id": id.to_string(), "err": described(&error)}),
            };
            answers.all().await.into_iter().map(told).collect()
        }
    })
}
