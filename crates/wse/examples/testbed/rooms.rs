//! The messages and procedures of the testbed that are about rooms and presence.

use crate::messages::text;
use serde::Deserialize;
use serde_json::{Value, json};
use wse::{Cid, Conn, Handlers, RpError, codec::Payload};

#[derive(Deserialize)]
struct ToRoom {
    room: String,
    #[serde(rename = "type")]
    kind: String,
    payload: Option<Payload<'static>>,
    #[serde(default)]
    except_me: bool,
}

pub(crate) fn handlers() -> Handlers<Conn> {
    Handlers::<Conn>::new()
        .on("join", async |conn, room: String| {
            conn.join(&room)?;
            conn.send("joined", room)?;
            Ok(())
        })
        .on("leave", async |conn, room: String| {
            conn.leave(&room);
            conn.send("left-room", room)?;
            Ok(())
        })
        .on("to-room", async |conn, to: ToRoom| {
            let room = conn.server().room(to.room);
            match to.except_me {
                true => room.except(&conn).send(&*to.kind, to.payload)?,
                false => room.send(&*to.kind, to.payload)?,
            };
            Ok(())
        })
        .on("retain", async |conn, to: ToRoom| {
            conn.server().room(to.room).retain(&*to.kind, to.payload)?;
            Ok(())
        })
        .on("presence", async |conn, room: String| {
            conn.presence_for(&room)?;
            Ok(())
        })
        .register("join", async |conn, room: String| {
            conn.join(&room)?;
            Ok(conn.presence_for(&room)?)
        })
        .register("room", async |conn, name: String| Ok(json!({"members": conn.server().room(name).count()})))
        .register("online", online)
}

async fn online(conn: Conn, cid: Value) -> Result<Value, RpError> {
    let cid = Cid::from(text(&cid));
    let presence = conn.server().presence();
    let devices = conn.server().user(&cid).conn_count();
    Ok(json!({"online": presence.is_online(&cid), "devices": devices, "count": presence.count()}))
}
