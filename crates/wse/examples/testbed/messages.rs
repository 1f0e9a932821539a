//! The messages that the testbed handles.

use crate::{common::described, procedures::big};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};
use std::time::Duration;
use wse::{Conn, Handlers, Reason, RpError, codec::Payload};

#[derive(Deserialize)]
struct Count {
    count: i64,
}

#[derive(Deserialize)]
struct History {
    count: usize,
    bytes: usize,
}

#[derive(Deserialize)]
struct To {
    #[serde(default)]
    cid: Value,
    #[serde(rename = "type")]
    kind: String,
    payload: Option<Payload<'static>>,
}

#[derive(Deserialize)]
struct Drop {
    what: String,
    #[serde(default)]
    cid: Value,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct CallMe {
    rp: String,
    payload: Option<Payload<'static>>,
}

pub(crate) fn handlers() -> Handlers<Conn> {
    Handlers::<Conn>::new()
        .on("echo", async |conn, payload: Payload<'static>| {
            conn.send("echo", payload)?;
            Ok(())
        })
        .on("count", async |conn, Count { count }| {
            conn.send("count", json!({"count": count + 1}))?;
            Ok(())
        })
        .on("hey", async |conn, _: IgnoredAny| {
            conn.user().send("both", ())?;
            conn.send("only", ())?;
            Ok(())
        })
        .on("to-user", async |conn, to: To| {
            conn.server().user(text(&to.cid)).send(&*to.kind, to.payload)?;
            Ok(())
        })
        .on("to-all", async |conn, to: To| {
            conn.server().broadcast(&*to.kind, to.payload)?;
            Ok(())
        })
        .on("bc", async |conn, n: usize| {
            conn.server().broadcast("news", big(conn.clone(), n).await?)?;
            Ok(())
        })
        .on("history", async |conn, History { count, bytes }| {
            let payload = big(conn.clone(), bytes).await?;
            for _ in 0..count {
                conn.send_when_ready("h", &payload).await?;
            }
            Ok(())
        })
        .on("who", who)
        .on("drop", drop)
        .on("call-me", call_me)
        .on("hold", async |conn, ms: u64| {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            conn.send("held", ())?;
            Ok(())
        })
        .on("cut", async |conn, _: IgnoredAny| {
            conn.cut();
            Ok(())
        })
        .on("unregister", unregister)
        .on("panic", async |_, _: IgnoredAny| panic!("asked to"))
}

/// The string, or the number in decimal.
pub(crate) fn text(cid: &Value) -> String {
    cid.as_str().map_or_else(|| cid.to_string(), str::to_owned)
}

fn reason(reason: Option<String>) -> Reason {
    reason.map_or_else(Reason::default, Reason::from)
}

async fn who(conn: Conn, _: IgnoredAny) -> Result<(), RpError> {
    let who = json!({
        "cid": conn.cid().as_str(),
        "conn_id": conn.conn_id(),
        "devices": conn.user().conn_count(),
        "remote_addr": conn.remote_addr(),
        "identity": conn.identity::<Value>()?,
        "meta": conn.meta::<Value>()?,
    });
    conn.send("who", who)?;
    Ok(())
}

async fn drop(conn: Conn, Drop { what, cid, reason: why }: Drop) -> Result<(), RpError> {
    match what.as_str() {
        "conn" => conn.drop(reason(why)),
        "user" => _ = conn.user().drop(reason(why)),
        "cid" => _ = conn.server().drop_user(text(&cid), reason(why)),
        _ => return Err(RpError::new("unknown-drop")),
    }
    Ok(())
}

async fn call_me(conn: Conn, CallMe { rp, payload }: CallMe) -> Result<(), RpError> {
    let called = match conn.call::<_, Value>(rp.as_str(), payload).await {
        Ok(result) => json!({"ok": result}),
        Err(error) => json!({"err": described(&error)}),
    };
    conn.send("called", called)?;
    Ok(())
}

async fn unregister(conn: Conn, name: String) -> Result<(), RpError> {
    let unregistered = match conn.server().unregister(&name) {
        Ok(()) => json!(name),
        Err(error) => json!({"err": {"code": error.code()}}),
    };
    conn.send("unregistered", unregistered)?;
    Ok(())
}
