//! The client's side of a conversation, from the hi to the end.
//! Nothing may be delivered before the welcome.

use crate::{
    closing::reason::Closed,
    limits::Limits,
    machine::{Input, Machine, Step, hello::Hello, open::Talk},
    protocol::codec::Codec,
    session::{
        grant::{SessionGrant, SessionRequest},
        received::Received,
    },
    wire::{
        envelope::{Envelope, Kind},
        error::ProtocolError,
        payload::Payload,
    },
};
use std::time::Instant;

/// What a server lets a client in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// What it carries.
    pub payload: Payload<'static>,
    /// What is granted to a client that asked for a session.
    pub session: Option<SessionGrant>,
}

/// The client's machine, one a connection.
#[derive(Debug)]
pub struct ClientMachine {
    codec: Codec,
    state: State,
    /// A session was asked for.
    asked: bool,
    talk: Talk,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The hi is on its way; a quest or the welcome is expected.
    Waiting,
    /// The application is solving a quest.
    Solving,
    Open,
    Closed,
}

impl ClientMachine {
    /// A conversation that starts now: the hi to send first, and the machine that expects what
    /// follows. The deadline for the welcome is the caller's.
    pub fn new(
        codec: Codec,
        hello: &Hello,
        session: Option<&SessionRequest>,
        limits: &Limits,
        now: Instant,
    ) -> (Self, Payload<'static>) {
        let talk = Talk::new(codec.format(), limits, now);
        let hi = hello.write(session, codec.format());
        (Self { codec, state: State::Waiting, asked: session.is_some(), talk }, hi)
    }

    fn envelope<'a>(&mut self, envelope: Envelope<'a>, now: Instant) -> Step<'a, Payload<'static>, Welcome> {
        if self.state == State::Open {
            return self.talk.envelope(envelope, now);
        }
        match (self.state, Kind::of(&envelope.name)) {
            (State::Waiting, Some(Kind::Challenge)) => {
                self.state = State::Solving;
                Step::Ask(envelope.payload.into_owned())
            }
            (State::Waiting, Some(Kind::Welcome)) => {
                self.state = State::Open;
                let session = envelope.stamp.filter(|_| self.asked).and_then(|granted| SessionGrant::read(&granted));
                Step::Open(Welcome { payload: envelope.payload.into_owned(), session })
            }
            (State::Closed, _) => self.talk.last_word(&envelope),
            (State::Open, _) => Step::Wait,
            (State::Waiting | State::Solving, _) => Step::Close(Closed::protocol_error()),
        }
    }
}

impl Machine for ClientMachine {
    /// The quest.
    type Question = Payload<'static>;
    /// Its solution.
    type Answer = Payload<'static>;
    type Opening = Welcome;

    fn read<'a>(&mut self, message: &'a [u8], binary: bool) -> Result<Envelope<'a>, ProtocolError> {
        self.codec.read(message, binary)
    }

    fn step<'a>(&mut self, input: Input<'a, Self::Answer>, now: Instant) -> Step<'a, Self::Question, Self::Opening> {
        let step = match input {
            Input::Envelope(envelope) => {
                self.talk.heartbeat.heard(now);
                self.envelope(envelope, now)
            }
            Input::Answer(solution) if self.state == State::Solving => {
                self.state = State::Waiting;
                Step::send(Kind::Challenge, solution)
            }
            Input::Garbage(_) if self.state == State::Closed => Step::Wait,
            Input::Garbage(_) => Step::Close(Closed::protocol_error()),
            Input::Heard | Input::Pong => {
                self.talk.heartbeat.heard(now);
                Step::Wait
            }
            Input::Deaf if self.state != State::Closed => self.talk.deaf(now),
            Input::Tick if self.state != State::Closed => self.talk.tick(now),
            Input::Lost(closed) if self.state != State::Closed => self.talk.lost(closed, now),
            Input::Resumed if self.state != State::Closed => {
                self.talk.resumed(true, now);
                Step::Wait
            }
            Input::Close => {
                self.state = State::Closed;
                self.talk.goodbye(now)
            }
            Input::Answer(_) | Input::Deaf | Input::Tick | Input::Lost(_) | Input::Resumed => Step::Wait,
        };
        if matches!(step, Step::Close(_)) {
            self.state = State::Closed;
        }
        step
    }

    fn deadline(&self) -> Option<Instant> {
        (self.state != State::Closed).then(|| self.talk.due())
    }

    fn keep(&mut self, received: Received) {
        self.talk.keep(received);
    }

    fn seal(&mut self, whole: bool) {
        self.talk.seal(whole);
    }

    fn taken(&self) -> u64 {
        self.talk.taken()
    }
}
