//! The machines of either system: which one a connection has is known when its protocol is chosen.

use crate::{
    limits::Limits,
    machine::{
        Either,
        handshake::{client::ClientMachine, server::ServerMachine, ws_messaging_client, ws_messaging_server},
        hello::Hello,
    },
    protocol::Protocol,
    session::grant::SessionRequest,
    wire::payload::Payload,
};
use std::time::Instant;

/// The server's machine of either system.
pub type AnyServerMachine = Either<ServerMachine, ws_messaging_server::WsMessagingServerMachine>;

/// The client's machine of either system.
pub type AnyClientMachine = Either<ClientMachine, ws_messaging_client::WsMessagingClientMachine>;

impl Protocol {
    /// The server's machine for a connection that starts now.
    pub fn server_machine(&self, limits: &Limits, now: Instant) -> AnyServerMachine {
        match self {
            Protocol::WsMessaging(options) => {
                Either::Right(ws_messaging_server::WsMessagingServerMachine::new(options.clone(), now))
            }
            _ => Either::Left(ServerMachine::new(self.client_codec(), limits, now)),
        }
    }

    /// The client's machine for a connection that starts now, and what its hi carries. Of a session
    /// nothing can be asked on `ws-messaging`.
    pub fn client_machine(
        &self,
        hello: &Hello,
        session: Option<&SessionRequest>,
        limits: &Limits,
        now: Instant,
    ) -> (AnyClientMachine, Payload<'static>) {
        match self {
            Protocol::WsMessaging(options) => {
                let (session, auth) = ws_messaging_client::WsMessagingClientMachine::new(options.clone(), hello, now);
                (Either::Right(session), auth)
            }
            _ => {
                let (session, hi) = ClientMachine::new(self.client_codec(), hello, session, limits, now);
                (Either::Left(session), hi)
            }
        }
    }
}
