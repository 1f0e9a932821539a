//! The conversation of one connection as a value: one input, one step. A machine does not wait, read
//! a clock, or carry out what it decides.

pub(crate) mod any;
pub(crate) mod conversation;
pub(crate) mod handshake;
pub(crate) mod heartbeat;
pub(crate) mod hello;
pub(crate) mod kept_hello;
pub(crate) mod open;

use crate::{
    closing::reason::Closed,
    session::received::Received,
    wire::{envelope::Envelope, error::ProtocolError, payload::Payload},
};
use std::{borrow::Cow, time::Instant};

/// One side of a conversation.
///
/// A server's and a client's machine differ until the welcome: each asks its application another
/// question and opens on another condition. From then on both are the same.
pub trait Machine {
    /// What only the application can decide: the server's identify, the client's solution of a
    /// challenge.
    type Question;
    /// The application's answer to a question.
    type Answer;
    /// What the conversation opens with.
    type Opening;

    /// Reads a whole message of the peer, in the format that it has in this state. The result is the
    /// next input: [`Input::Envelope`] or [`Input::Garbage`].
    ///
    /// # Errors
    /// When the message is not an envelope of the protocol spoken.
    fn read<'a>(&mut self, message: &'a [u8], binary: bool) -> Result<Envelope<'a>, ProtocolError>;

    /// Takes one input and returns what the caller has to do before the next input.
    ///
    /// After [`Step::Close`], [`Step::Reject`], [`close`](Machine::close), or a [`lost`](Machine::lost) that returned
    /// false, every step is [`Step::Wait`], except that an acknowledgement of the peer still counts in
    /// a session.
    #[must_use]
    fn step<'a>(&mut self, input: Input<'a, Self::Answer>, now: Instant) -> Step<'a, Self::Question, Self::Opening>;

    /// When the caller has to step with the next [`Input::Tick`]; `None` once the conversation is closed.
    fn deadline(&self) -> Option<Instant>;

    /// Notes that bytes have come from the peer: messages, a part of one, a ping, a pong. So many of them
    /// came behind a message that has begun: until it is whole, the peer can send no answer.
    fn heard(&mut self, bytes: usize, now: Instant);

    /// Notes that the connection has taken so many bytes for the peer. At 1 kB/s or more they are a sign
    /// of life. `proven` says that the connection was full before, so that the peer has made room for
    /// them; bytes that are not proven count once between two other signs of life.
    fn wrote(&mut self, bytes: usize, proven: bool);

    /// Notes that the peer has answered a ping that was a call.
    fn answered_ping(&mut self, now: Instant);

    /// Notes that the connection is gone without a close frame. Returns true when the conversation
    /// outlives it, as a parked session, and false when it has ended with it.
    #[must_use]
    fn lost(&mut self, closed: &Closed, now: Instant) -> bool;

    /// Notes that the time of a parked session does not run out from now on, while it is on its way to another
    /// server; or that its window begins now, since it stays.
    fn hold(&mut self, held: bool, now: Instant);

    /// Notes that a parked session has another connection.
    fn resumed(&mut self, now: Instant);

    /// What a server writes before so many bytes in a session: an acknowledgement that announces them. A
    /// client that cannot see parts of a message knows then how long it may have to wait for the next.
    #[must_use]
    fn announce(&mut self, bytes: usize, now: Instant) -> Option<Envelope<'static>>;

    /// Notes that the connection has ended, or that this side ends it. Returns what to send before the
    /// close frame: in a session the last acknowledgement.
    fn close(&mut self, now: Instant) -> Option<Envelope<'static>>;

    /// Makes the conversation that has just opened a session: it counts from now on, and outlives its
    /// connection. It has no effect on a protocol that has no sessions.
    fn keep(&mut self, received: Received);

    /// Stops counting, because this side stops handling envelopes before the connection ends. Unless
    /// `whole`, some that were counted will not be handled: then all that are not acknowledged count as
    /// not received. Only the first call has an effect.
    fn seal(&mut self, whole: bool);

    /// How many envelopes of the peer the session has received.
    fn taken(&self) -> u64;

    /// How many of them are acknowledged.
    fn acknowledged(&self) -> u64;
}

/// What happens to a conversation.
#[derive(Debug)]
pub enum Input<'a, A> {
    /// The peer has sent an envelope.
    Envelope(Envelope<'a>),
    /// The peer has sent a message that is not an envelope.
    Garbage(ProtocolError),
    /// The application has answered the question.
    Answer(A),
    /// The deadline has come, but this side is not reading, so the silence of the peer proves nothing.
    Deaf,
    /// Time has passed.
    Tick,
}

/// What the caller has to do next.
#[derive(Debug)]
pub enum Step<'a, Q, O> {
    /// Nothing.
    Wait,
    /// Keep the envelope, and step with it again once the conversation is open. The order stays.
    Hold(Envelope<'a>),
    /// Ask the application, and step with its answer.
    Ask(Q),
    /// Send an envelope of the protocol's own.
    Send(Envelope<'static>),
    /// Answer a call that the protocol itself answers. It counts in a session as every answer does.
    Answer(Envelope<'a>),
    /// Answer this call with the identity, made anew. It counts in a session as every answer does.
    Renew {
        /// The call's stamp.
        stamp: Cow<'a, str>,
    },
    /// The conversation is open: admit the peer. A server then sends its welcome.
    Open(O),
    /// Hand a message to the handlers of its type, or a call, which has a stamp, to its procedure.
    Deliver(Envelope<'a>),
    /// Settle a call of this side, if it is still in flight.
    Settle {
        /// The call's stamp, as the peer has sent it.
        stamp: Cow<'a, str>,
        /// The result, or the error object.
        outcome: Result<Payload<'a>, Payload<'a>>,
    },
    /// The peer does not wait for the answer to that call any more: do not start it, or tell its procedure,
    /// and send no answer. A call that is not there is no mistake: it was answered meanwhile.
    Cancel {
        /// The call's stamp, with the time that was left for it or without.
        stamp: Cow<'a, str>,
    },
    /// The peer has received that many envelopes of this side since the session began.
    Acknowledged(u64),
    /// Send a ping.
    Ping,
    /// The connection is lost, the session is not: keep what is sent until the session is resumed, or
    /// the next deadline has passed.
    Park(Closed),
    /// End the connection.
    Close(Closed),
    /// The peer broke the protocol before the conversation was open: end the connection like this. The
    /// error says what was wrong, and is not for the peer.
    Reject(Closed, ProtocolError),
}
