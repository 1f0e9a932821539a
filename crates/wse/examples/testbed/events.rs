//! The lines that the testbed prints, one for each event.

use crate::cluster;
use serde_json::{Value, json};
use wse::{Code, Conn, Event};

/// Prints an event. With a path the line says which of two servers tells it.
pub(crate) async fn print(event: Event, path: Option<String>) {
    let Some(mut line) = line(event) else { return };
    if let Some(path) = path {
        line["path"] = json!(path);
    }
    println!("{line}");
}

fn line(event: Event) -> Option<Value> {
    Some(match event {
        Event::Joined(user) => {
            json!({"event": "joined", "cid": user.cid().as_str(), "meta": user.meta::<Value>().ok()})
        }
        Event::Left(user, closed) => {
            json!({"event": "left", "cid": user.cid().as_str(), "code": closed.code, "reason": closed.reason.as_str()})
        }
        Event::Connected(conn) => of_device("connected", &conn),
        Event::Disconnected(conn, closed) => {
            let mut line = of_device("disconnected", &conn);
            line["code"] = json!(closed.code);
            line["reason"] = json!(closed.reason.as_str());
            line
        }
        Event::MovedIn(conn) => of_device("moved-in", &conn),
        Event::MovedOut(conn, node) => {
            let mut line = of_device("moved-out", &conn);
            line["to"] = json!(node.to_string());
            line
        }
        Event::Cluster(event) => return cluster::line(event),
        Event::Parked(conn) => of_device("parked", &conn),
        Event::Resumed(conn) => of_device("resumed", &conn),
        Event::Ignored { conn, name, payload } => {
            let mut line = of_device("ignored", &conn);
            line["type"] = json!(&*name);
            line["payload"] = json!(payload.decode::<Value>().ok());
            line
        }
        Event::Error { code, conn: Some(conn), .. } => {
            json!({"event": "error", "code": code, "cid": conn.cid().as_str()})
        }
        Event::Error { code, conn: None, remote_addr, error, .. } => {
            let mut line = json!({"event": "error", "code": code});
            if code == Code::MSG_PROCESSING_ERROR {
                line["remote_addr"] = json!(remote_addr.map(|addr| addr.to_string()));
                line["error"] = json!(error.to_string());
            }
            line
        }
        _ => return None,
    })
}

fn of_device(event: &str, conn: &Conn) -> Value {
    json!({"event": event, "cid": conn.cid().as_str(), "conn_id": conn.conn_id(), "id": conn.id().to_string()})
}
