//! The machines of either system: which one a connection has is known when its protocol is chosen.

use crate::{
    limits::Limits,
    machine::{
        Either,
        handshake::{client::ClientSession, server::ServerSession, ws_messaging_client, ws_messaging_server},
        hello::Hello,
    },
    protocol::Protocol,
    session::grant::Wanted,
    wire::payload::Payload,
};
use std::time::Instant;

/// The server's machine of either system.
pub type AnyServerSession = Either<ServerSession, ws_messaging_server::ServerSession>;

/// The client's machine of either system.
pub type AnyClientSession = Either<ClientSession, ws_messaging_client::ClientSession>;

impl Protocol {
    /// The server's machine for a connection that starts now.
    pub fn server_session(&self, limits: &Limits, now: Instant) -> AnyServerSession {
        match self {
            Protocol::WsMessaging(options) => {
                Either::Right(ws_messaging_server::ServerSession::new(options.clone(), now))
            }
            _ => Either::Left(ServerSession::new(self.client_codec(), limits, now)),
        }
    }

    /// The client's machine for a connection that starts now, and what its hi carries. Of a session
    /// nothing can be asked on `ws-messaging`.
    pub fn client_session(
        &self,
        hello: &Hello,
        session: Option<&Wanted>,
        limits: &Limits,
        now: Instant,
    ) -> (AnyClientSession, Payload<'static>) {
        match self {
            Protocol::WsMessaging(options) => {
                let (session, auth) = ws_messaging_client::ClientSession::new(options.clone(), hello, now);
                (Either::Right(session), auth)
            }
            _ => {
                let (session, hi) = ClientSession::new(self.client_codec(), hello, session, limits, now);
                (Either::Left(session), hi)
            }
        }
    }
}
