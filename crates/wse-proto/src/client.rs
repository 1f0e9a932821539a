//! The client's side of a conversation, from the hi to the end.
//! Nothing may be delivered before the welcome.

use crate::{
    Closed, Codec, Envelope, Hello, Input, Kind, Limits, Payload, ProtocolError, Session, Step,
    heartbeat::Heartbeat,
    session::{beat, converse},
};
use std::time::Instant;

/// The client's machine, one a connection.
#[derive(Debug)]
pub struct ClientSession {
    codec: Codec,
    state: State,
    heartbeat: Heartbeat,
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

impl ClientSession {
    /// A conversation that starts now: the hi to send first, and the machine that expects what
    /// follows. The deadline for the welcome is the caller's.
    pub fn new(codec: Codec, hello: &Hello, limits: &Limits, now: Instant) -> (Self, Payload<'static>) {
        let heartbeat = Heartbeat::new(limits.ping_interval, limits.ping_timeout, now);
        let hi = hello.write(codec.format());
        (Self { codec, state: State::Waiting, heartbeat }, hi)
    }

    fn envelope<'a>(&mut self, envelope: Envelope<'a>) -> Step<'a, Payload<'static>, Payload<'static>> {
        match (self.state, Kind::of(&envelope.name)) {
            (State::Open, _) => converse(envelope),
            (State::Waiting, Some(Kind::Challenge)) => {
                self.state = State::Solving;
                Step::Ask(envelope.payload.into_owned())
            }
            (State::Waiting, Some(Kind::Welcome)) => {
                self.state = State::Open;
                Step::Open(envelope.payload.into_owned())
            }
            (State::Closed, _) => Step::Wait,
            (State::Waiting | State::Solving, _) => Step::Close(Closed::protocol_error()),
        }
    }
}

impl Session for ClientSession {
    /// The quest.
    type Question = Payload<'static>;
    /// Its solution.
    type Answer = Payload<'static>;
    /// What the welcome carries.
    type Opening = Payload<'static>;

    fn read<'a>(&mut self, message: &'a [u8], binary: bool) -> Result<Envelope<'a>, ProtocolError> {
        self.codec.read(message, binary)
    }

    fn step<'a>(&mut self, input: Input<'a, Self::Answer>, now: Instant) -> Step<'a, Self::Question, Self::Opening> {
        let step = match input {
            Input::Envelope(envelope) => {
                self.heartbeat.heard(now);
                self.envelope(envelope)
            }
            Input::Answer(solution) if self.state == State::Solving => {
                self.state = State::Waiting;
                Step::send(Kind::Challenge, solution)
            }
            Input::Garbage(_) if self.state == State::Closed => Step::Wait,
            Input::Garbage(_) => Step::Close(Closed::protocol_error()),
            Input::Heard | Input::Pong => {
                self.heartbeat.heard(now);
                Step::Wait
            }
            Input::Deaf if self.state != State::Closed => {
                self.heartbeat.heard(now);
                Step::Ping
            }
            Input::Tick if self.state != State::Closed => beat(self.heartbeat.tick(now), Closed::silent),
            Input::Close => {
                self.state = State::Closed;
                Step::Wait
            }
            Input::Answer(_) | Input::Deaf | Input::Tick => Step::Wait,
        };
        if matches!(step, Step::Close(_)) {
            self.state = State::Closed;
        }
        step
    }

    fn deadline(&self) -> Option<Instant> {
        (self.state != State::Closed).then(|| self.heartbeat.due())
    }
}
