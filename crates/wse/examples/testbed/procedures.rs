//! The procedures that the testbed registers.

use crate::common::fail;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Number, json};
use std::time::Duration;
use wse::{Conn, Handlers, RpError};

#[derive(Deserialize)]
struct Add {
    a: Number,
    b: Number,
}

pub(crate) fn handlers() -> Handlers<Conn> {
    Handlers::<Conn>::new()
        .register("add", add)
        .register("obj", async |_, _: IgnoredAny| Ok(json!({"ok": true})))
        .register("nil", async |_, _: IgnoredAny| Ok(()))
        .register("sleep", async |_, ms: u64| {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(ms)
        })
        .register("big", big)
        .register("devices", async |conn, _: IgnoredAny| Ok(conn.user().conn_count()))
        .register("me", async |conn, _: IgnoredAny| {
            let node = conn.server().cluster().map(|cluster| cluster.node().to_string());
            Ok(json!({"node": node, "id": conn.id().to_string(), "conn_id": conn.conn_id()}))
        })
        .register("fail", async |_, how: String| fail(&how))
}

async fn add(_: Conn, Add { a, b }: Add) -> Result<Number, RpError> {
    let whole = a.as_i64().zip(b.as_i64()).and_then(|(a, b)| a.checked_add(b)).map(Number::from);
    let sum = whole.or_else(|| Number::from_f64(a.as_f64()? + b.as_f64()?));
    sum.ok_or_else(|| RpError::new("no-sum"))
}

pub(crate) async fn big(_: Conn, n: usize) -> Result<String, RpError> {
    if n > 64 << 20 { Err(RpError::new("too-big")) } else { Ok("x".repeat(n)) }
}
