//! The conversation as a value: one input, one step. What both sides share after the welcome.
//! It may never await, read a clock, or do what it decides.

pub(crate) mod any;
pub(crate) mod handshake;
pub(crate) mod heartbeat;
pub(crate) mod hello;
pub(crate) mod open;

use crate::{
    closing::reason::Closed,
    machine::heartbeat::Beat,
    session::received::Received,
    wire::{
        envelope::{Envelope, Kind},
        error::ProtocolError,
        payload::Payload,
    },
};
use std::{borrow::Cow, time::Instant};

/// One side of a conversation.
///
/// [`ServerMachine`](crate::ServerMachine) and [`ClientMachine`](crate::ClientMachine) differ
/// until the welcome: each asks its application one kind of question and opens on its own terms.
/// From then on both are the same.
pub trait Machine {
    /// What only the application can answer: the server's identify, the client's challenge.
    type Question;
    /// The application's answer.
    type Answer;
    /// What the conversation opens with.
    type Opening;

    /// What a whole message from the peer says, in the state that the conversation is in. The
    /// outcome is the next input: [`Input::Envelope`] or [`Input::Garbage`].
    ///
    /// # Errors
    /// When it is no envelope of the protocol spoken.
    fn read<'a>(&mut self, message: &'a [u8], binary: bool) -> Result<Envelope<'a>, ProtocolError>;

    /// Takes one input; the caller does what the step says before it gives the next.
    ///
    /// After [`Step::Close`] or [`Input::Close`] every step is [`Step::Wait`], but for two of a
    /// session: [`Input::Close`] may give an acknowledgement to send before the goodbye, and one of
    /// the peer still counts.
    fn step<'a>(&mut self, input: Input<'a, Self::Answer>, now: Instant) -> Step<'a, Self::Question, Self::Opening>;

    /// When to give the next [`Input::Tick`]; `None` once closed.
    fn deadline(&self) -> Option<Instant>;

    /// The conversation that has just opened is a session: it counts from now on, and outlives its
    /// connection. Without effect on a wire that has none.
    fn keep(&mut self, _ledger: Received) {}

    /// This side stops listening before the connection ends: what comes from now on is not counted as
    /// taken in. Unless `whole`, something is dropped that was, and all of which the peer was not
    /// told counts as not taken in. Only the first time has an effect.
    fn seal(&mut self, _whole: bool) {}

    /// How many envelopes of the peer the session has taken in.
    fn taken(&self) -> u64 {
        0
    }
}

/// What can happen to a conversation.
#[derive(Debug)]
pub enum Input<'a, A> {
    /// The peer has sent an envelope.
    Envelope(Envelope<'a>),
    /// The peer has sent something else.
    Garbage(ProtocolError),
    /// The application has answered the question.
    Answer(A),
    /// Bytes have come from the peer: a message, a part of one, a ping, a pong.
    Heard,
    /// The peer has answered a ping that was a call.
    Pong,
    /// The deadline is there, but this side does not read: silence proves nothing.
    Deaf,
    /// Time has passed.
    Tick,
    /// The connection has gone without a goodbye, and so.
    Lost(Closed),
    /// A session that was parked has another connection.
    Resumed,
    /// The connection has ended, or this side ends it.
    Close,
}

/// What the driver must do next.
#[derive(Debug)]
pub enum Step<'a, Q, O> {
    /// Nothing.
    Wait,
    /// Keep the envelope and give it again, in order, once the conversation is open.
    Hold(Envelope<'a>),
    /// Ask the application and give its answer.
    Ask(Q),
    /// Send an envelope that is not the application's.
    Send(Envelope<'static>),
    /// The peer is known: admit it, and tell it where the server says so.
    Open(O),
    /// A message for the handlers of its type.
    Deliver {
        /// The message's type.
        name: Cow<'a, str>,
        /// What it carries.
        payload: Payload<'a>,
    },
    /// A call for the procedure of that name.
    Invoke {
        /// The procedure's name.
        rp: Cow<'a, str>,
        /// The argument.
        payload: Payload<'a>,
        /// To be repeated in the answer.
        stamp: Cow<'a, str>,
    },
    /// An answer to a call of this side, if it is still in flight.
    Settle {
        /// The call's stamp, as the peer says.
        stamp: Cow<'a, str>,
        /// The result, or the error object.
        outcome: Result<Payload<'a>, Payload<'a>>,
    },
    /// So many envelopes of this side have been taken in by the peer.
    Acknowledged(u64),
    /// Send a ping.
    Ping,
    /// The connection is gone, the conversation is not: keep what is sent until it goes on or the
    /// next deadline has passed.
    Park(Closed),
    /// End the connection.
    Close(Closed),
}

impl Step<'_, (), ()> {
    /// Sends an envelope of one of the protocol's own types.
    pub(crate) fn send<'a, Q, O>(kind: Kind, payload: Payload<'static>) -> Step<'a, Q, O> {
        Step::Send(Envelope { name: kind.as_str().into(), payload, stamp: None })
    }
}

/// One of two machines that ask the same and open with the same: which one is known only when the
/// peer has chosen its protocol.
#[derive(Debug)]
pub enum Either<L, R> {
    /// The one.
    Left(L),
    /// The other.
    Right(R),
}

impl<L, R> Machine for Either<L, R>
where
    L: Machine,
    R: Machine<Question = L::Question, Answer = L::Answer, Opening = L::Opening>,
{
    type Question = L::Question;
    type Answer = L::Answer;
    type Opening = L::Opening;

    fn read<'a>(&mut self, message: &'a [u8], binary: bool) -> Result<Envelope<'a>, ProtocolError> {
        match self {
            Either::Left(left) => left.read(message, binary),
            Either::Right(right) => right.read(message, binary),
        }
    }

    fn step<'a>(&mut self, input: Input<'a, L::Answer>, now: Instant) -> Step<'a, L::Question, L::Opening> {
        match self {
            Either::Left(left) => left.step(input, now),
            Either::Right(right) => right.step(input, now),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Either::Left(left) => left.deadline(),
            Either::Right(right) => right.deadline(),
        }
    }

    fn keep(&mut self, received: Received) {
        match self {
            Either::Left(left) => left.keep(received),
            Either::Right(right) => right.keep(received),
        }
    }

    fn seal(&mut self, whole: bool) {
        match self {
            Either::Left(left) => left.seal(whole),
            Either::Right(right) => right.seal(whole),
        }
    }

    fn taken(&self) -> u64 {
        match self {
            Either::Left(left) => left.taken(),
            Either::Right(right) => right.taken(),
        }
    }
}

/// What a heartbeat asks for; a peer found dead is left with that end.
pub(crate) fn beat<'a, Q, O>(beat: Beat, dead: impl FnOnce() -> Closed) -> Step<'a, Q, O> {
    match beat {
        Beat::Nothing => Step::Wait,
        Beat::Ping => Step::Ping,
        Beat::Dead => Step::Close(dead()),
    }
}

/// What an envelope means once the conversation is open.
#[inline]
pub(crate) fn converse<Q, O>(envelope: Envelope<'_>) -> Step<'_, Q, O> {
    let Envelope { name, payload, stamp } = envelope;
    match (Kind::of(&name), stamp) {
        (None, None) => Step::Deliver { name, payload },
        (None, Some(stamp)) => Step::Invoke { rp: name, payload, stamp },
        (Some(Kind::Response), Some(stamp)) => Step::Settle { stamp, outcome: Ok(payload) },
        (Some(Kind::ResponseErr), Some(stamp)) => Step::Settle { stamp, outcome: Err(payload) },
        // An answer to nothing is dropped; it is never answered.
        (Some(Kind::Response | Kind::ResponseErr), None) => Step::Wait,
        (Some(Kind::Hi | Kind::Challenge | Kind::Welcome | Kind::Ack | Kind::Call), _) => {
            Step::Close(Closed::protocol_error())
        }
    }
}
