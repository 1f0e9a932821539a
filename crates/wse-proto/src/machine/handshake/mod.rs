//! The handshakes: what happens before a conversation is open, one file for each side and system.

pub(crate) mod client;
pub(crate) mod server;
pub(crate) mod ws_messaging_client;
pub(crate) mod ws_messaging_server;

use crate::{
    closing::reason::Closed,
    machine::Step,
    protocol::codec::Codec,
    wire::{envelope::Envelope, error::ProtocolError},
};
use std::time::Instant;

/// The part of a conversation before it is open. Only its steps can be [`Step::Open`].
pub trait Handshake {
    /// What it asks the application.
    type Question;
    /// The application's answer.
    type Answer;
    /// What the conversation opens with.
    type Opening;

    /// Whether this is the client's side.
    const IS_CLIENT: bool;

    /// Reads a message. A handshake may choose the codec by the first one.
    ///
    /// # Errors
    /// When the message is not an envelope of the protocol spoken.
    fn read<'a>(&mut self, codec: &mut Codec, message: &'a [u8], binary: bool) -> Result<Envelope<'a>, ProtocolError> {
        codec.read(message, binary)
    }

    /// The peer has sent an envelope.
    fn envelope<'a>(&mut self, envelope: Envelope<'a>) -> Step<'a, Self::Question, Self::Opening>;

    /// The peer has sent a message that is not an envelope.
    fn garbage<'a>(&mut self, error: ProtocolError) -> Step<'a, Self::Question, Self::Opening>;

    /// The application has answered the question.
    fn answer<'a>(&mut self, answer: Self::Answer, now: Instant) -> Step<'a, Self::Question, Self::Opening>;

    /// What the peer has to send now, for one that sends something else.
    fn expected(&self) -> &'static str;

    /// When the handshake has to be over. `None` where the caller bounds it, or nothing does: then the
    /// heartbeat runs.
    fn deadline(&self) -> Option<Instant>;

    /// How the connection ends at the deadline.
    fn timeout(&self) -> Closed;
}

/// The step after a breach of the protocol of `wse`.
fn reject<'a, Q, O>(error: ProtocolError) -> Step<'a, Q, O> {
    Step::Reject(Closed::protocol_error(), error)
}

/// How the connection ends of a peer that broke the protocol of `wse` before it was let in: the reason says
/// what was `expected`, for one that speaks another version, or another protocol.
pub(crate) fn breach(error: &ProtocolError, expected: &str, codec: &Codec) -> Closed {
    let form = match codec {
        Codec::Json => " in a text frame",
        Codec::MessagePack => " in MessagePack",
        _ => " in the codec of the subprotocol",
    };
    let told = match error.told() {
        Some(told) => format!("{told}, expected {expected}"),
        None => format!("expected {expected}{form}"),
    };
    Closed::protocol_error_with(&told)
}
