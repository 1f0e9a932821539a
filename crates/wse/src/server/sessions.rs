//! Finds the session that a token resumes, and grants sessions. A token is compared with those of one device.

use crate::{
    connection::spoken::Spoken,
    server::{Inner, users::conn::Conn},
};
use std::sync::Arc;
use tokio::time::Instant;
use wse_cluster::{DeviceId, NodeId};
use wse_proto::{Cid, Closed, Limits, Reason, SessionGrant, SessionRequest, Token, TokenCheck};

/// The device whose session the request would resume. Nothing is used up.
pub(super) fn resumable(server: &Inner, spoken: &Arc<Spoken>, request: &SessionRequest) -> Option<Conn> {
    let SessionRequest::Resume { token, seen } = request else { return None };
    let now = Instant::now().into_std();
    let is_of = |conn: &Conn| conn.0.handle.session(|session| session.check(token, *seen, now));
    named(server, spoken, token).filter(|conn| is_of(conn).is_some_and(|check| check != TokenCheck::Unknown))
}

/// The device of that user whose session the token resumes, and its next token; the token is used up then.
///
/// # Errors
/// When the token cannot be judged yet. The connection ends, and the client tries again.
pub(super) fn resumed(
    server: &Inner,
    spoken: &Arc<Spoken>,
    cid: &Cid,
    used: &Token,
    seen: u64,
) -> Result<Option<(Conn, Token)>, Closed> {
    let now = Instant::now().into_std();
    let Some(conn) = named(server, spoken, used).filter(|conn| conn.cid() == cid) else { return Ok(None) };
    let next = token(conn.id());
    match conn.0.handle.session(|session| session.claim(used, &next, seen, now)) {
        Some(TokenCheck::Good) => Ok(Some((conn, next))),
        Some(TokenCheck::TooSoon) => Err(Closed::broken(Reason::default())),
        Some(TokenCheck::Unknown) | None => Ok(None),
    }
}

/// The device that a token names, if it speaks the same: the frames of its session are of that codec.
fn named(server: &Inner, spoken: &Arc<Spoken>, token: &Token) -> Option<Conn> {
    let (node, number) = token.device()?;
    let conn = server.registry.device(DeviceId::new(NodeId::new(node), number))?;
    Arc::ptr_eq(conn.0.handle.spoken(), spoken).then_some(conn)
}

/// A new token of a device's session. It names the node at which the device was accepted first, wherever the
/// session is now.
pub(super) fn token(id: DeviceId) -> Token {
    Token::new(id.node().number(), id.number(), rand::random())
}

pub(super) fn grant(limits: &Limits, token: Token, cid: Cid, resumed: bool) -> SessionGrant {
    let Limits { ping_interval: beat, resume_window: window, message_bytes, .. } = *limits;
    SessionGrant { token, cid, seen: 0, resumed, beat, window, message_bytes: Some(message_bytes as u64) }
}
