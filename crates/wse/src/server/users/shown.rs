//! Which messages the hook `on_send` has let through to which devices: asked before a lock is taken, under
//! which no code of the application may run.

use crate::server::users::{conn::Conn, retained::Value};
use std::collections::HashMap;
use wse_cluster::DeviceId;
use wse_proto::Envelope;

/// The devices that the hook has not seen a message for.
pub(crate) type Unseen = Vec<(Conn, Value)>;

/// The answers of the hook, by the id of the device and the number of the message. Without a hook there are none, and
/// everything is let through.
#[derive(Default)]
pub(crate) struct Shown(HashMap<(DeviceId, u64), bool>);

impl Shown {
    /// A device and a message that the hook has to see first.
    pub(crate) fn unseen(&self, conn: &Conn, value: &Value) -> Option<(Conn, Value)> {
        let sees = conn.0.server.env.hooks.sees_outgoing();
        (sees && !self.0.contains_key(&key(conn, value))).then(|| (conn.clone(), value.clone()))
    }

    pub(crate) fn lets_through(&self, conn: &Conn, value: &Value) -> bool {
        self.0.get(&key(conn, value)).copied().unwrap_or(true)
    }

    /// Shows them to the hook.
    pub(crate) fn show(&mut self, unseen: Unseen) {
        for (conn, value) in unseen {
            let message = &value.message;
            let shown = message.payload(conn.0.handle.codec().format()).is_ok_and(|payload| {
                let envelope = Envelope { name: message.name().into(), payload: payload.borrowed(), stamp: None };
                conn.0.server.env.hooks.outgoing(&conn, &envelope).is_ok()
            });
            self.0.insert(key(&conn, &value), shown);
        }
    }
}

fn key(conn: &Conn, value: &Value) -> (DeviceId, u64) {
    (conn.id(), value.number)
}
