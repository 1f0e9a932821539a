//! Tells the log and the application what has failed.

use crate::{
    app::erased::BoxFuture,
    server::{Inner, event::Event, users::conn::Conn},
};
use std::{net::IpAddr, sync::Arc};
use wse_proto::RpError;

/// Tells of a handler, a procedure or identify. The future, if any, runs the listeners.
pub(super) fn failed(
    server: &Inner,
    conn: Option<Conn>,
    remote_addr: Option<IpAddr>,
    code: &'static str,
    name: Option<&str>,
    error: RpError,
) -> Option<BoxFuture<()>> {
    let cid = conn.as_ref().map(|conn| conn.cid().as_str());
    tracing::warn!(code, name, cid, %error, "handler failed");
    let event = Event::Error { code, conn, remote_addr, name: name.map(Arc::from), error: Arc::new(error) };
    server.listeners.happened(event).and_then(|event| server.listeners.tell(event))
}
