//! Tells the log and the application what has failed.

use crate::{
    app::erased::BoxFuture,
    server::{Inner, event::Event, users::conn::Conn},
};
use std::{fmt::Display, net::IpAddr, sync::Arc};
use wse_proto::{Code, RpError};

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

/// Logs that a peer broke the protocol.
pub(crate) fn log_breach(conn: Option<&Conn>, remote_addr: Option<IpAddr>, error: &dyn Display) {
    let cid = conn.map(|conn| conn.cid().as_str());
    tracing::debug!(%error, cid, remote_addr = remote_addr.map(tracing::field::display), "protocol error");
}

/// What the application is told of a stranger that broke the protocol.
pub(crate) fn breach(error: &dyn Display, untold: u64) -> RpError {
    let more = if untold > 0 { format!("; {untold} more were not told") } else { String::new() };
    RpError::new(Code::PROTOCOL_VIOLATION).message(format!("{error}{more}"))
}
