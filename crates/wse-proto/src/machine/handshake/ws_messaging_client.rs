//! The client's side of a `ws-messaging` conversation. Nothing may be delivered before the event
//! `connect`.

use crate::{
    closing::reason::Closed,
    limits::later,
    machine::{
        Input, Machine, Step, beat,
        handshake::client::Welcome,
        heartbeat::Heartbeat,
        hello::Hello,
        open::{converse_ws as converse, no_pong},
    },
    protocol::{codec::Codec, ws_messaging::WsMessaging},
    wire::{
        envelope::Envelope,
        error::ProtocolError,
        payload::Payload,
        ws_messaging::names::{CONNECT, is_of_application as can_wait},
    },
};
use std::{sync::Arc, time::Instant};

/// The client's machine, one a connection.
#[derive(Debug)]
pub struct WsMessagingClientMachine {
    options: Arc<WsMessaging>,
    codec: Codec,
    state: State,
    auth_deadline: Instant,
    heartbeat: Heartbeat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The auth data is on its way.
    Waiting,
    Open,
    Closed,
}

impl WsMessagingClientMachine {
    /// A conversation that starts now: the auth data to send first, and the machine that expects
    /// what follows. What the hello tells of the device has no place on this wire.
    pub fn new(options: Arc<WsMessaging>, hello: &Hello, now: Instant) -> (Self, Payload<'static>) {
        let session = Self {
            codec: Codec::ws_messaging(&options, options.messagepack),
            state: State::Waiting,
            auth_deadline: later(now, options.auth_timeout),
            heartbeat: Heartbeat::new(options.ping_interval, options.ping_timeout, now),
            options,
        };
        (session, hello.identity.clone())
    }

    fn envelope<'a>(&mut self, envelope: Envelope<'a>, now: Instant) -> Step<'a, Payload<'static>, Welcome> {
        match self.state {
            State::Open => converse(envelope),
            State::Waiting if envelope.name == CONNECT && envelope.stamp.is_none() => {
                self.state = State::Open;
                self.heartbeat.heard(now);
                Step::Open(Welcome { payload: welcome(envelope.payload), session: None })
            }
            // A server has no reason to speak first, but what it says is not lost.
            State::Waiting if can_wait(&envelope) => Step::Hold(envelope),
            State::Waiting | State::Closed => Step::Wait,
        }
    }

    fn tick(&mut self, now: Instant) -> Step<'static, Payload<'static>, Welcome> {
        match self.state {
            State::Closed => Step::Wait,
            State::Open => beat(self.heartbeat.tick(now), no_pong),
            State::Waiting if now >= self.auth_deadline => {
                Step::Close(Closed { code: 4008, reason: "Auth timeout".into() })
            }
            State::Waiting => Step::Wait,
        }
    }

    fn garbage(&self, error: &ProtocolError) -> Step<'static, Payload<'static>, Welcome> {
        match self.state {
            State::Open => Step::Send(self.options.garbage(error, self.codec.format())),
            // Nothing can be said before the welcome.
            State::Waiting | State::Closed => Step::Wait,
        }
    }
}

/// The event's first argument, which nothing is spread over.
fn welcome(arguments: Payload<'_>) -> Payload<'static> {
    let format = arguments.format();
    match arguments.decode::<Vec<Payload<'static>>>() {
        Ok(arguments) => arguments.into_iter().next().unwrap_or_else(|| Payload::null(format)),
        Err(_) => arguments.into_owned(),
    }
}

impl Machine for WsMessagingClientMachine {
    /// There is none: this wire has no challenges.
    type Question = Payload<'static>;
    /// There is none.
    type Answer = Payload<'static>;
    /// Its payload is the argument of the event `connect`.
    type Opening = Welcome;

    fn read<'a>(&mut self, message: &'a [u8], binary: bool) -> Result<Envelope<'a>, ProtocolError> {
        self.codec.read(message, binary)
    }

    fn step<'a>(&mut self, input: Input<'a, Self::Answer>, now: Instant) -> Step<'a, Self::Question, Self::Opening> {
        let step = match input {
            Input::Envelope(envelope) => self.envelope(envelope, now),
            Input::Garbage(error) => self.garbage(&error),
            Input::Pong => {
                self.heartbeat.heard(now);
                Step::Wait
            }
            // Only an answer to a ping counts.
            Input::Heard | Input::Answer(_) => Step::Wait,
            Input::Deaf if self.state == State::Open => {
                self.heartbeat.heard(now);
                Step::Ping
            }
            Input::Deaf | Input::Tick => self.tick(now),
            // This wire has no sessions.
            Input::Lost(closed) if self.state != State::Closed => Step::Close(closed),
            Input::Lost(_) | Input::Resumed => Step::Wait,
            Input::Close => {
                self.state = State::Closed;
                Step::Wait
            }
        };
        if matches!(step, Step::Close(_)) {
            self.state = State::Closed;
        }
        step
    }

    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Closed => None,
            State::Open => Some(self.heartbeat.due()),
            State::Waiting => Some(self.auth_deadline),
        }
    }
}
