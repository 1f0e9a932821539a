//! The server's side of a `ws-messaging` conversation. Nothing may open without a verdict, and
//! nothing may be heard after a refusal.

use crate::{
    closing::reason::{Closed, Reason},
    limits::later,
    machine::{
        Input, Machine, Step, beat,
        handshake::server::{Accepted, Decision},
        heartbeat::Heartbeat,
        hello::{Hello, Question},
        open::{converse_ws as converse, no_pong},
    },
    protocol::{codec::Codec, ws_messaging::WsMessaging},
    wire::{envelope::Envelope, error::ProtocolError, ws_messaging::names::is_of_application as can_wait},
};
use std::{sync::Arc, time::Instant};

/// The server's machine, one a connection. It speaks the format of the client's first frame.
#[derive(Debug)]
pub struct WsMessagingServerMachine {
    options: Arc<WsMessaging>,
    codec: Codec,
    state: State,
    auth_deadline: Instant,
    heartbeat: Heartbeat,
}

#[derive(Debug)]
enum State {
    /// Nothing was said yet.
    Stranger,
    /// identify is thinking.
    Thinking(Arc<Hello>),
    Open,
    Closed,
}

impl WsMessagingServerMachine {
    /// A conversation that starts now, right after the upgrade.
    pub fn new(options: Arc<WsMessaging>, now: Instant) -> Self {
        Self {
            codec: Codec::ws_messaging(&options, false),
            state: State::Stranger,
            auth_deadline: later(now, options.auth_timeout),
            heartbeat: Heartbeat::new(options.ping_interval, options.ping_timeout, now),
            options,
        }
    }

    fn envelope<'a>(&mut self, envelope: Envelope<'a>) -> Step<'a, Question, Accepted> {
        match &self.state {
            State::Open => converse(envelope),
            State::Stranger => {
                // Its first frame is its identity, whatever it looks like.
                let meta = Hello::no_meta(envelope.payload.format());
                let hello = Arc::new(Hello { identity: envelope.payload.into_owned(), meta });
                self.state = State::Thinking(hello.clone());
                Step::Ask(Question { hello, solution: None })
            }
            // Upstream loses what comes before the verdict; here it waits for it.
            State::Thinking(_) if can_wait(&envelope) => Step::Hold(envelope),
            State::Thinking(_) | State::Closed => Step::Wait,
        }
    }

    fn verdict(&mut self, verdict: Decision, now: Instant) -> Step<'static, Question, Accepted> {
        let State::Thinking(hello) = &self.state else { return Step::Wait };
        if now >= self.auth_deadline {
            return refuse("".into());
        }
        match verdict {
            Decision::Accept(cid, welcome) if !cid.is_empty() => {
                let hello = hello.clone();
                self.state = State::Open;
                self.heartbeat.heard(now);
                Step::Open(Accepted { cid, welcome, hello, session: None })
            }
            Decision::Refuse(reason) => refuse(reason.or(Reason::NOT_AUTHORIZED)),
            // This wire has no challenges.
            Decision::Accept(..) | Decision::Challenge(_) => refuse(Reason::NOT_AUTHORIZED),
        }
    }

    fn garbage(&self, error: &ProtocolError) -> Step<'static, Question, Accepted> {
        match self.state {
            State::Stranger => refuse(error.why().to_owned().into()),
            State::Open => Step::Send(self.options.garbage(error, self.codec.format())),
            // Nothing can be said before the welcome.
            State::Thinking(_) | State::Closed => Step::Wait,
        }
    }

    fn tick(&mut self, now: Instant) -> Step<'static, Question, Accepted> {
        match self.state {
            State::Closed => Step::Wait,
            State::Open => beat(self.heartbeat.tick(now), no_pong),
            _ if now >= self.auth_deadline => refuse("".into()),
            _ => Step::Wait,
        }
    }
}

fn refuse<'a, Q, O>(reason: Reason) -> Step<'a, Q, O> {
    Step::Close(Closed { code: 4003, reason })
}

impl Machine for WsMessagingServerMachine {
    type Question = Question;
    type Answer = Decision;
    type Opening = Accepted;

    fn read<'a>(&mut self, message: &'a [u8], binary: bool) -> Result<Envelope<'a>, ProtocolError> {
        if !matches!(self.state, State::Stranger) {
            return self.codec.read(message, binary);
        }
        self.codec = Codec::ws_messaging(&self.options, binary);
        self.codec.read_auth(message)
    }

    fn step<'a>(&mut self, input: Input<'a, Decision>, now: Instant) -> Step<'a, Question, Accepted> {
        let step = match input {
            Input::Envelope(envelope) => self.envelope(envelope),
            Input::Garbage(error) => self.garbage(&error),
            Input::Answer(verdict) => self.verdict(verdict, now),
            Input::Pong => {
                self.heartbeat.heard(now);
                Step::Wait
            }
            // Only an answer to a ping counts.
            Input::Heard => Step::Wait,
            Input::Deaf if matches!(self.state, State::Open) => {
                self.heartbeat.heard(now);
                Step::Ping
            }
            Input::Deaf | Input::Tick => self.tick(now),
            // This wire has no sessions.
            Input::Lost(closed) if !matches!(self.state, State::Closed) => Step::Close(closed),
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
            _ => Some(self.auth_deadline),
        }
    }
}
