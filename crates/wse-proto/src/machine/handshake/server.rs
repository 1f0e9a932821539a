//! The server's side of a conversation, from the first frame to the last.
//! Nothing may open without a verdict, and nothing may be heard after a refusal.

use crate::{
    cid::Cid,
    closing::reason::{Closed, Reason},
    limits::{Limits, later},
    machine::{
        Input, Machine, Step,
        hello::{Hello, Question, Solution},
        open::Talk,
    },
    protocol::codec::Codec,
    session::{grant::SessionRequest, received::Received},
    wire::{
        envelope::{Envelope, Kind},
        error::ProtocolError,
        payload::{Format, Payload},
    },
};
use std::{sync::Arc, time::Instant};

/// What identify answers.
#[derive(Clone, Debug)]
pub enum Decision {
    /// The device is this user's; the welcome carries the payload.
    Accept(Cid, Payload<'static>),
    /// Ask the device this first, then identify again with quest and answer.
    Challenge(Payload<'static>),
    /// The device stays outside; it is told why where its wire has a place for that.
    Refuse(Reason),
}

impl Decision {
    /// Accepted, with a welcome that carries null.
    pub fn accept(cid: impl Into<Cid>) -> Self {
        Decision::Accept(cid.into(), Payload::null(Format::Json))
    }
}

/// A device that was let in.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Whose device it is.
    pub cid: Cid,
    /// What its welcome carries.
    pub welcome: Payload<'static>,
    /// What it said of itself.
    pub hello: Arc<Hello>,
    /// What it asks of a session.
    pub session: Option<SessionRequest>,
}

/// The server's machine, one a connection.
#[derive(Debug)]
pub struct ServerMachine {
    codec: Codec,
    state: State,
    challenges_left: u32,
    auth_deadline: Instant,
    /// What the hi asks of a session, until the verdict.
    wanted: Option<Box<SessionRequest>>,
    talk: Talk,
}

#[derive(Debug)]
enum State {
    /// Nothing was said yet.
    Stranger,
    /// identify is thinking.
    Thinking(Arc<Hello>),
    /// The client is solving the quest.
    Challenged(Arc<Hello>, Payload<'static>),
    Open,
    Closed,
}

impl ServerMachine {
    /// A conversation that starts now, right after the upgrade.
    pub fn new(codec: Codec, limits: &Limits, now: Instant) -> Self {
        Self {
            talk: Talk::new(codec.format(), limits, now),
            codec,
            wanted: None,
            state: State::Stranger,
            challenges_left: limits.challenges,
            auth_deadline: later(now, limits.auth_timeout),
        }
    }

    fn envelope<'a>(&mut self, envelope: Envelope<'a>, now: Instant) -> Step<'a, Question, Accepted> {
        if matches!(self.state, State::Open) {
            return self.talk.envelope(envelope, now);
        }
        let kind = Kind::of(&envelope.name);
        match (&self.state, kind) {
            (State::Stranger, Some(Kind::Hi)) => match Hello::read(&envelope.payload) {
                Ok((hello, wanted)) => {
                    let hello = Arc::new(hello);
                    self.wanted = wanted.map(Box::new);
                    self.state = State::Thinking(hello.clone());
                    Step::Ask(Question { hello, solution: None })
                }
                Err(_) => Step::Close(Closed::protocol_error()),
            },
            (State::Challenged(hello, quest), Some(Kind::Challenge)) => {
                let solution = Solution { quest: quest.clone(), answer: envelope.payload.into_owned() };
                let hello = hello.clone();
                self.state = State::Thinking(hello.clone());
                Step::Ask(Question { hello, solution: Some(solution) })
            }
            // Upstream loses what comes before the verdict; here it waits for it.
            (State::Thinking(_) | State::Challenged(..), None) => Step::Hold(envelope),
            // One hi and one answer at a time: more of them change nothing.
            (State::Closed, _) => self.talk.last_word(&envelope),
            (State::Thinking(_), Some(_)) | (State::Open, _) => Step::Wait,
            (State::Stranger | State::Challenged(..), _) => Step::Close(Closed::protocol_error()),
        }
    }

    fn verdict(&mut self, verdict: Decision, now: Instant) -> Step<'static, Question, Accepted> {
        let State::Thinking(hello) = &self.state else { return Step::Wait };
        if now >= self.auth_deadline {
            return Step::Close(Closed::auth_timeout());
        }
        let hello = hello.clone();
        match verdict {
            Decision::Accept(cid, welcome) if !cid.is_empty() => {
                self.state = State::Open;
                self.talk.heartbeat.heard(now);
                let session = self.wanted.take().map(|wanted| *wanted);
                Step::Open(Accepted { cid, welcome, hello, session })
            }
            Decision::Challenge(quest) if self.challenges_left > 0 => {
                self.challenges_left -= 1;
                self.state = State::Challenged(hello, quest.clone());
                Step::send(Kind::Challenge, quest)
            }
            Decision::Accept(..) | Decision::Challenge(_) | Decision::Refuse(_) => {
                Step::Close(Closed::not_authorized())
            }
        }
    }

    fn tick(&mut self, now: Instant) -> Step<'static, Question, Accepted> {
        match self.state {
            State::Closed => Step::Wait,
            State::Open => self.talk.tick(now),
            _ if now >= self.auth_deadline => Step::Close(Closed::auth_timeout()),
            _ => Step::Wait,
        }
    }
}

impl Machine for ServerMachine {
    type Question = Question;
    type Answer = Decision;
    type Opening = Accepted;

    fn read<'a>(&mut self, message: &'a [u8], binary: bool) -> Result<Envelope<'a>, ProtocolError> {
        self.codec.read(message, binary)
    }

    fn step<'a>(&mut self, input: Input<'a, Decision>, now: Instant) -> Step<'a, Question, Accepted> {
        let step = match input {
            Input::Envelope(envelope) => {
                self.talk.heartbeat.heard(now);
                self.envelope(envelope, now)
            }
            Input::Garbage(_) if matches!(self.state, State::Closed) => Step::Wait,
            Input::Garbage(_) => Step::Close(Closed::protocol_error()),
            Input::Answer(verdict) => self.verdict(verdict, now),
            Input::Heard | Input::Pong => {
                self.talk.heartbeat.heard(now);
                Step::Wait
            }
            Input::Deaf if matches!(self.state, State::Open) => self.talk.deaf(now),
            Input::Lost(closed) => match self.state {
                State::Closed => Step::Wait,
                State::Open => self.talk.lost(closed, now),
                _ => Step::Close(closed),
            },
            Input::Resumed if !matches!(self.state, State::Closed) => {
                self.talk.resumed(false, now);
                Step::Wait
            }
            Input::Deaf | Input::Tick => self.tick(now),
            Input::Resumed => Step::Wait,
            Input::Close => {
                self.state = State::Closed;
                self.talk.goodbye(now)
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
            State::Open => Some(self.talk.due()),
            _ => Some(self.auth_deadline),
        }
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
