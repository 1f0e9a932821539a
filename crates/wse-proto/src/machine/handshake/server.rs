//! The server's handshake: from the hi of a client to the decision of the application. The
//! conversation opens on an accepting decision only.

use crate::{
    cid::Cid,
    closing::reason::{Closed, Reason},
    features::Features,
    limits::{Limits, later},
    machine::{
        Step,
        conversation::Conversation,
        handshake::{Handshake, reject},
        hello::{Hello, Question, Solution},
        open::Open,
    },
    protocol::codec::Codec,
    session::grant::SessionRequest,
    wire::{
        envelope::{Envelope, Kind},
        error::ProtocolError,
        payload::{Format, Payload},
    },
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The server's machine, one for each connection.
pub type ServerMachine = Conversation<ServerHandshake>;

impl ServerMachine {
    /// A conversation that starts now, right after the upgrade.
    pub fn new(codec: Codec, limits: &Limits, now: Instant) -> Self {
        let (handshake, open) = ServerHandshake::start(codec, limits, now);
        Conversation::begin(handshake, open)
    }
}

/// What the application decides about a client.
#[derive(Clone, Debug)]
pub enum Decision {
    /// The device is this user's. The welcome carries the payload.
    Accept(Cid, Payload<'static>),
    /// The client has to solve this challenge; then the application is asked again, with challenge and
    /// solution.
    Challenge(Payload<'static>),
    /// The client is refused, for this reason; by default `wse.not-authorized`.
    Refuse(Reason),
    /// The application cannot decide now. The client is to come back after that time.
    Later(Duration),
}

impl Decision {
    /// Accepts, with a welcome that carries null.
    pub fn accept(cid: impl Into<Cid>) -> Self {
        Decision::Accept(cid.into(), Payload::null(Format::Json))
    }
}

/// A device that was accepted.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The user whose device it is.
    pub cid: Cid,
    /// What its welcome carries.
    pub welcome: Payload<'static>,
    /// Its hello.
    pub hello: Arc<Hello>,
    /// The session that it asks for.
    pub session: Option<SessionRequest>,
    /// What its client can.
    pub features: Features,
}

/// The handshake of a [`ServerMachine`].
#[derive(Debug)]
pub struct ServerHandshake {
    state: State,
    challenges_left: u32,
    /// `None`: it takes as long as it takes.
    deadline: Option<Instant>,
    /// What the hi asks of a session, until the decision.
    request: Option<Box<SessionRequest>>,
    /// What the client can.
    features: Features,
}

#[derive(Debug)]
enum State {
    /// The client has sent nothing yet.
    Waiting,
    /// The application decides.
    Deciding(Arc<Hello>),
    /// The client is solving a challenge.
    Challenged(Arc<Hello>, Payload<'static>),
}

impl ServerHandshake {
    pub(crate) fn start(codec: Codec, limits: &Limits, now: Instant) -> (Self, Open) {
        let deadline = (!limits.auth_timeout.is_zero()).then(|| later(now, limits.auth_timeout));
        let (state, challenges_left) = (State::Waiting, limits.challenges);
        let handshake = Self { state, challenges_left, deadline, request: None, features: Features::NONE };
        (handshake, Open::new(codec, limits.ping_interval, limits.ping_timeout, now))
    }

    fn session(&self) -> Option<SessionRequest> {
        self.request.as_deref().cloned()
    }
}

impl Handshake for ServerHandshake {
    type Question = Question;
    type Answer = Decision;
    type Opening = Accepted;

    const IS_CLIENT: bool = false;

    fn envelope<'a>(&mut self, envelope: Envelope<'a>) -> Step<'a, Question, Accepted> {
        match (&self.state, Kind::of(&envelope.name)) {
            (State::Waiting, Some(Kind::Hi)) => match Hello::read(&envelope.payload) {
                Ok((hello, request, features)) => {
                    let hello = Arc::new(hello);
                    (self.request, self.features) = (request.map(Box::new), features);
                    self.state = State::Deciding(hello.clone());
                    Step::Ask(Question { hello, solution: None, session: self.session() })
                }
                Err(error) => reject(error),
            },
            (State::Challenged(hello, quest), Some(Kind::Challenge)) => {
                let solution = Solution { quest: quest.clone(), answer: envelope.payload.into_owned() };
                let hello = hello.clone();
                self.state = State::Deciding(hello.clone());
                Step::Ask(Question { hello, solution: Some(solution), session: self.session() })
            }
            // npm `wse` loses what comes before the decision; here it waits for it.
            (State::Deciding(_), None) => Step::Hold(envelope),
            // Another hi or solution while the application decides is ignored.
            (State::Deciding(_), Some(_)) => Step::Wait,
            (State::Waiting, _) => reject(ProtocolError::of_envelope("the first envelope is not a hi")),
            (State::Challenged(..), _) => {
                reject(ProtocolError::of_envelope("an envelope that is not the solution of the challenge"))
            }
        }
    }

    fn garbage<'a>(&mut self, error: ProtocolError) -> Step<'a, Question, Accepted> {
        reject(error)
    }

    fn answer<'a>(&mut self, decision: Decision, now: Instant) -> Step<'a, Question, Accepted> {
        let State::Deciding(hello) = &self.state else { return Step::Wait };
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Step::Close(self.timeout());
        }
        let hello = hello.clone();
        match decision {
            Decision::Accept(cid, welcome) if !cid.is_empty() => {
                let session = self.request.take().map(|request| *request);
                Step::Open(Accepted { cid, welcome, hello, session, features: self.features })
            }
            Decision::Challenge(quest) if self.challenges_left > 0 => {
                self.challenges_left -= 1;
                self.state = State::Challenged(hello, quest.clone());
                Step::Send(Envelope::own(Kind::Challenge, quest))
            }
            Decision::Refuse(reason) => Step::Close(Closed::normal(reason.or(Reason::NOT_AUTHORIZED))),
            Decision::Later(after) => Step::Close(Closed::later_after(after)),
            Decision::Accept(..) | Decision::Challenge(_) => Step::Close(Closed::not_authorized()),
        }
    }

    fn expected(&self) -> &'static str {
        match self.state {
            State::Waiting => r#"["~wse:hi",{"identity":...,"meta":{}},null]"#,
            State::Deciding(_) => "[type,payload,stamp]",
            State::Challenged(..) => r#"["~wse:challenge",SOLUTION,null]"#,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The lateness of the client is final; that of the application is not the client's fault.
    fn timeout(&self) -> Closed {
        match self.state {
            State::Waiting | State::Challenged(..) => Closed::auth_timeout(),
            State::Deciding(_) => Closed::later(),
        }
    }
}
