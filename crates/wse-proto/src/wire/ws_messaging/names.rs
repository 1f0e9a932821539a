//! The names that mean something to a `ws-messaging` peer itself.

use crate::wire::envelope::{Envelope, Kind};

/// The event by which a server accepts a client.
pub(crate) const CONNECT: &str = "connect";

/// The procedure by which each side checks that the other is there.
pub(crate) const PING: &str = "ping";

/// The event that answers a frame that does not decode or validate.
pub(crate) const PREPROCESSING_ERROR: &str = "preprocessingError";

/// The error value of a call whose procedure is not registered.
pub(crate) const NO_PROCEDURE: &str = "NoProcedureError";

/// Names that a peer uses itself. Nothing is sent under them, and what comes under them is ignored,
/// except for the one `connect` that a client waits for.
const RESERVED: [&str; 6] = ["close", "open", "error", "pong", "retry", CONNECT];

pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Whether the envelope is a message or call for the application, and not one that the protocol
/// handles itself.
pub(crate) fn is_of_application(envelope: &Envelope<'_>) -> bool {
    let ping = envelope.name == PING && envelope.is_call();
    !ping && !is_reserved(&envelope.name) && Kind::of(&envelope.name).is_none()
}
