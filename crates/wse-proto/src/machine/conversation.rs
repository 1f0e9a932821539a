//! The machine of every protocol and side: a handshake, then an open conversation, then the end. Only
//! a handshake can open it.

use crate::{
    closing::reason::{Closed, Reason},
    machine::{
        Input, Machine, Step,
        handshake::{Handshake, breach},
        open::Open,
    },
    session::received::Received,
    wire::{envelope::Envelope, error::ProtocolError},
};
use std::time::Instant;

/// The machine of one side of a connection, made of its handshake `H`.
///
/// The step of an open conversation is generic over what a conversation opens with, so it cannot make
/// a [`Step::Open`]: without a decision of the handshake's application nothing opens. Only the conversation of
/// a session that has [moved](crate::Protocol::moved_machine) from another server, where it was opened, begins open.
#[derive(Debug)]
pub struct Conversation<H> {
    phase: Phase<H>,
    /// Exists before the opening too: a client's heartbeat begins with the connection.
    open: Open,
}

#[derive(Debug)]
enum Phase<H> {
    /// Boxed, since it goes with the opening: a hundred bytes of a server's connection.
    Before(Box<H>),
    Open,
    Closed,
}

impl<H> Conversation<H> {
    /// A conversation that begins with this handshake.
    pub(crate) fn begin(handshake: H, open: Open) -> Self {
        Self { phase: Phase::Before(Box::new(handshake)), open }
    }

    /// A conversation whose handshake took place at another server. It has lost its connection there.
    pub(crate) fn moved(mut open: Open, received: Received, now: Instant) -> Self {
        open.keep(received);
        open.park(&Closed::broken(Reason::default()), now);
        Self { phase: Phase::Open, open }
    }
}

impl<H: Handshake> Conversation<H> {
    /// The step before the opening and after the end.
    fn step_outside<'a>(&mut self, input: Input<'a, H::Answer>, now: Instant) -> Step<'a, H::Question, H::Opening> {
        let Phase::Before(handshake) = &mut self.phase else {
            let Input::Envelope(envelope) = input else { return Step::Wait };
            return self.open.after_end(&envelope);
        };
        let expected = handshake.expected();
        let step = match input {
            Input::Envelope(envelope) => {
                self.open.heard(0, now);
                handshake.envelope(envelope)
            }
            Input::Garbage(error) => handshake.garbage(error),
            Input::Answer(answer) => handshake.answer(answer, now),
            Input::Deaf | Input::Tick => match handshake.deadline() {
                Some(deadline) if now >= deadline => Step::Close(handshake.timeout()),
                Some(_) => Step::Wait,
                None => self.open.step(input, now),
            },
        };
        match step {
            Step::Open(_) => {
                self.phase = Phase::Open;
                self.open.begin(now);
            }
            Step::Close(_) | Step::Reject(..) => self.phase = Phase::Closed,
            _ => {}
        }
        match step {
            Step::Reject(closed, error) if closed.is_protocol_error() => {
                Step::Reject(breach(&error, expected, &self.open.codec), error)
            }
            step => step,
        }
    }
}

impl<H: Handshake> Machine for Conversation<H> {
    type Question = H::Question;
    type Answer = H::Answer;
    type Opening = H::Opening;

    #[inline]
    fn read<'a>(&mut self, message: &'a [u8], binary: bool) -> Result<Envelope<'a>, ProtocolError> {
        match &mut self.phase {
            Phase::Before(handshake) => handshake.read(&mut self.open.codec, message, binary),
            Phase::Open | Phase::Closed => self.open.codec.read(message, binary),
        }
    }

    #[inline]
    fn step<'a>(&mut self, input: Input<'a, H::Answer>, now: Instant) -> Step<'a, H::Question, H::Opening> {
        if !matches!(self.phase, Phase::Open) {
            return self.step_outside(input, now);
        }
        let step = self.open.step(input, now);
        if matches!(step, Step::Close(_) | Step::Reject(..)) {
            self.phase = Phase::Closed;
        }
        step
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Before(handshake) => Some(handshake.deadline().unwrap_or_else(|| self.open.deadline())),
            Phase::Open => Some(self.open.deadline()),
            Phase::Closed => None,
        }
    }

    fn heard(&mut self, bytes: usize, now: Instant) {
        self.open.heard(bytes, now);
    }

    fn wrote(&mut self, bytes: usize, proven: bool) {
        self.open.wrote(bytes, proven);
    }

    fn answered_ping(&mut self, now: Instant) {
        self.open.answered_ping(now);
    }

    fn lost(&mut self, closed: &Closed, now: Instant) -> bool {
        let parked = matches!(self.phase, Phase::Open) && self.open.park(closed, now);
        if !parked {
            self.phase = Phase::Closed;
        }
        parked
    }

    fn hold(&mut self, held: bool, now: Instant) {
        self.open.hold(held, now);
    }

    fn resumed(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Open) {
            self.open.resume(H::IS_CLIENT, now);
        }
    }

    fn announce(&mut self, bytes: usize, now: Instant) -> Option<Envelope<'static>> {
        let announces = matches!(self.phase, Phase::Open) && !H::IS_CLIENT;
        if announces { self.open.announce(bytes, now) } else { None }
    }

    fn close(&mut self, now: Instant) -> Option<Envelope<'static>> {
        self.phase = Phase::Closed;
        self.open.acknowledge_rest(now)
    }

    fn keep(&mut self, received: Received) {
        self.open.keep(received);
    }

    fn seal(&mut self, whole: bool) {
        self.open.seal(whole);
    }

    fn taken(&self) -> u64 {
        self.open.taken()
    }

    fn acknowledged(&self) -> u64 {
        self.open.acknowledged()
    }
}
