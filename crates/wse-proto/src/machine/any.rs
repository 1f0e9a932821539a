//! The machines of both systems, `wse` and `ws-messaging`. The protocol of a connection chooses one.

use crate::{
    closing::reason::Closed,
    limits::Limits,
    machine::{
        Step,
        conversation::Conversation,
        handshake::{
            Handshake, client::ClientHandshake, server::ServerHandshake,
            ws_messaging_client::WsMessagingClientHandshake, ws_messaging_server::WsMessagingServerHandshake,
        },
        hello::Hello,
        open::Open,
    },
    protocol::{Protocol, codec::Codec},
    session::{grant::SessionRequest, received::Received},
    wire::{envelope::Envelope, error::ProtocolError, payload::Payload},
};
use std::time::Instant;

/// The server's machine of either system.
pub type AnyServerMachine = Conversation<Either<ServerHandshake, WsMessagingServerHandshake>>;

/// The client's machine of either system.
pub type AnyClientMachine = Conversation<Either<ClientHandshake, WsMessagingClientHandshake>>;

impl Protocol {
    /// The server's machine for a connection that starts now.
    pub fn server_machine(&self, limits: &Limits, now: Instant) -> AnyServerMachine {
        match self {
            Protocol::WsMessaging(options) => {
                let (handshake, open) = WsMessagingServerHandshake::start(options.clone(), now);
                Conversation::begin(Either::Right(handshake), open)
            }
            _ => {
                let (handshake, open) = ServerHandshake::start(self.client_codec(), limits, now);
                Conversation::begin(Either::Left(handshake), open)
            }
        }
    }

    /// The server's machine of a session that began at another server, and has no connection: so much was
    /// received there. It is over when the window is, which begins now.
    pub fn moved_machine(&self, limits: &Limits, received: Received, now: Instant) -> AnyServerMachine {
        let open = Open::new(self.client_codec(), limits.ping_interval, limits.ping_timeout, now);
        Conversation::moved(open, received, now)
    }

    /// The client's machine for a connection that starts now, and the payload of its hi. On
    /// `ws-messaging` there are no sessions to ask for.
    pub fn client_machine(
        &self,
        hello: &Hello,
        session: Option<&SessionRequest>,
        limits: &Limits,
        now: Instant,
    ) -> (AnyClientMachine, Payload<'static>) {
        match self {
            Protocol::WsMessaging(options) => {
                let (handshake, open) = WsMessagingClientHandshake::start(options, now);
                (Conversation::begin(Either::Right(handshake), open), hello.identity.clone())
            }
            _ => {
                let codec = self.client_codec();
                let hi = hello.write(session, SessionRequest::features(session), codec.format());
                let (handshake, open) = ClientHandshake::start(codec, session.is_some(), limits, now);
                (Conversation::begin(Either::Left(handshake), open), hi)
            }
        }
    }
}

/// One of two handshakes that ask the same and open with the same.
#[derive(Debug)]
pub enum Either<L, R> {
    /// That of `wse`.
    Left(L),
    /// That of `ws-messaging`.
    Right(R),
}

impl<L, R> Handshake for Either<L, R>
where
    L: Handshake,
    R: Handshake<Question = L::Question, Answer = L::Answer, Opening = L::Opening>,
{
    type Question = L::Question;
    type Answer = L::Answer;
    type Opening = L::Opening;

    const IS_CLIENT: bool = L::IS_CLIENT;

    fn read<'a>(&mut self, codec: &mut Codec, message: &'a [u8], binary: bool) -> Result<Envelope<'a>, ProtocolError> {
        match self {
            Either::Left(left) => left.read(codec, message, binary),
            Either::Right(right) => right.read(codec, message, binary),
        }
    }

    fn envelope<'a>(&mut self, envelope: Envelope<'a>) -> Step<'a, L::Question, L::Opening> {
        match self {
            Either::Left(left) => left.envelope(envelope),
            Either::Right(right) => right.envelope(envelope),
        }
    }

    fn garbage<'a>(&mut self, error: ProtocolError) -> Step<'a, L::Question, L::Opening> {
        match self {
            Either::Left(left) => left.garbage(error),
            Either::Right(right) => right.garbage(error),
        }
    }

    fn answer<'a>(&mut self, answer: L::Answer, now: Instant) -> Step<'a, L::Question, L::Opening> {
        match self {
            Either::Left(left) => left.answer(answer, now),
            Either::Right(right) => right.answer(answer, now),
        }
    }

    fn expected(&self) -> &'static str {
        match self {
            Either::Left(left) => left.expected(),
            Either::Right(right) => right.expected(),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Either::Left(left) => left.deadline(),
            Either::Right(right) => right.deadline(),
        }
    }

    fn timeout(&self) -> Closed {
        match self {
            Either::Left(left) => left.timeout(),
            Either::Right(right) => right.timeout(),
        }
    }
}
