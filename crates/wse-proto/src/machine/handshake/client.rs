//! The client's handshake: from its hi to the server's welcome. Nothing is delivered before the
//! welcome.

use crate::{
    closing::reason::Closed,
    features::Features,
    limits::Limits,
    machine::{
        Step,
        conversation::Conversation,
        handshake::{Handshake, reject},
        hello::Hello,
        open::Open,
    },
    protocol::codec::Codec,
    session::grant::{SessionGrant, SessionRequest},
    wire::{
        envelope::{Envelope, Kind},
        error::ProtocolError,
        payload::Payload,
    },
};
use std::time::Instant;

/// The client's machine, one for each connection.
pub type ClientMachine = Conversation<ClientHandshake>;

impl ClientMachine {
    /// A conversation that starts now: the machine, and the hi to send first. The caller bounds the
    /// time to the welcome.
    pub fn new(
        codec: Codec,
        hello: &Hello,
        session: Option<&SessionRequest>,
        limits: &Limits,
        now: Instant,
    ) -> (Self, Payload<'static>) {
        let hi = hello.write(session, SessionRequest::features(session), codec.format());
        let (handshake, open) = ClientHandshake::start(codec, session.is_some(), limits, now);
        (Conversation::begin(handshake, open), hi)
    }
}

/// What a server accepts a client with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// What the welcome carries.
    pub payload: Payload<'static>,
    /// The session that is granted to a client that asked for one.
    pub session: Option<SessionGrant>,
    /// What the server can.
    pub features: Features,
}

/// The handshake of a [`ClientMachine`].
#[derive(Debug)]
pub struct ClientHandshake {
    /// The application is solving a challenge.
    solving: bool,
    /// The client has asked for a session.
    asked: bool,
}

impl ClientHandshake {
    pub(crate) fn start(codec: Codec, asked: bool, limits: &Limits, now: Instant) -> (Self, Open) {
        let open = Open::new(codec, limits.ping_interval, limits.ping_timeout, now);
        (Self { solving: false, asked }, open)
    }
}

impl Handshake for ClientHandshake {
    /// The challenge.
    type Question = Payload<'static>;
    /// Its solution.
    type Answer = Payload<'static>;
    type Opening = Welcome;

    const IS_CLIENT: bool = true;

    fn envelope<'a>(&mut self, envelope: Envelope<'a>) -> Step<'a, Payload<'static>, Welcome> {
        match Kind::of(&envelope.name) {
            Some(Kind::Challenge) if !self.solving => {
                self.solving = true;
                Step::Ask(envelope.payload.into_owned())
            }
            Some(Kind::Welcome) if !self.solving => {
                let third = envelope.stamp.as_deref();
                let session = third.filter(|_| self.asked).and_then(SessionGrant::read);
                let features = third.map_or(Features::NONE, Features::read_welcome);
                Step::Open(Welcome { payload: envelope.payload.into_owned(), session, features })
            }
            _ => reject(ProtocolError::of_envelope("an envelope that is neither challenge nor welcome")),
        }
    }

    fn garbage<'a>(&mut self, error: ProtocolError) -> Step<'a, Payload<'static>, Welcome> {
        reject(error)
    }

    fn answer<'a>(&mut self, solution: Payload<'static>, _: Instant) -> Step<'a, Payload<'static>, Welcome> {
        if !std::mem::take(&mut self.solving) {
            return Step::Wait;
        }
        Step::Send(Envelope::own(Kind::Challenge, solution))
    }

    fn expected(&self) -> &'static str {
        r#"["~wse:welcome",PAYLOAD,null]"#
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Never called, since there is no deadline.
    fn timeout(&self) -> Closed {
        Closed::silent()
    }
}
