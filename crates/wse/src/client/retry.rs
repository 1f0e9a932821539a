//! The decision whether a client connects again, and when. It must never do what it decides, nor
//! read a clock.

use crate::error::ConnectError;
use std::time::Duration;
use wse_proto::{Backoff, Closed, Hint, Protocol, Reason};

/// A connection that ends with 1013 sooner than this was no success: the server has no room yet.
const TURNED_AWAY: Duration = Duration::from_secs(10);

/// So many times in a row a session is resumed over connections that nothing crosses, and not again.
const STALLED: u32 = 8;

/// Why a client is not connected.
#[derive(Debug)]
pub(crate) enum Cause {
    /// An attempt to connect has failed.
    AttemptFailed(ConnectError),
    /// The connection has ended so, and the application did not ask for it.
    ConnectionEnded(ConnectError),
    /// The application asked for it.
    Interrupted(Interruption),
}

/// A command of the application that ends an attempt, a wait or a connection.
#[derive(Debug)]
pub(crate) enum Interruption {
    Jump,
    Close(Reason),
}

/// When a client connects again.
#[derive(Debug, PartialEq)]
pub(crate) enum NextAttempt {
    /// At once, as if it were the first attempt.
    Now,
    /// After a wait. The server may have said how long.
    Later(Hint),
    /// Not before the application asks for it.
    Never,
}

/// What a client has come to at its address.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Standing {
    /// Whether a server there has welcomed the client.
    pub(crate) welcomed: bool,
    /// The failed attempts in a row that were followed by another one.
    pub(crate) failures: u32,
    /// The resumed connections in a row that have moved nothing of the session.
    pub(crate) stalled: u32,
}

/// How a connection went, from its welcome to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    /// Whether it resumed a session.
    pub(crate) resumed: bool,
    /// Whether an envelope was acknowledged or taken in over it.
    pub(crate) progressed: bool,
    /// Whether an envelope of this side still waited for its acknowledgement at the end.
    pub(crate) waiting: bool,
    /// The code that it ended with.
    pub(crate) code: u16,
    /// How long it lasted.
    pub(crate) lasted: Duration,
}

impl Cause {
    /// What the application's predicate is asked about, if it is.
    pub(crate) fn question(&self) -> Option<&ConnectError> {
        match self {
            Cause::AttemptFailed(error) | Cause::ConnectionEnded(error) => {
                Some(error).filter(|error| !error.is_misuse())
            }
            Cause::Interrupted(_) => None,
        }
    }
}

impl Standing {
    /// The standing after a connection. One that moves nothing counts as a failed attempt for the waits:
    /// it is turned away at once, or resumes a session whose envelopes do not get through. A session
    /// in which nothing waits has had its time once it has lasted as long as the longest wait.
    pub(crate) fn after(self, course: Course, backoff: &Backoff) -> Self {
        let stalled = course.resumed && !course.progressed && (course.waiting || course.lasted < backoff.max);
        let turned_away = course.code == 1013 && course.lasted < TURNED_AWAY;
        Self {
            welcomed: self.welcomed,
            failures: if stalled || turned_away { self.failures } else { 0 },
            stalled: if stalled { self.stalled.saturating_add(1) } else { 0 },
        }
    }

    /// Whether the session is given up, since it does not get on.
    pub(crate) fn gives_session_up(&self) -> bool {
        self.stalled >= STALLED
    }
}

/// Decides what follows when a client is not connected. `reconnect` is `None` for a client that does
/// not reconnect. `gives_up` is what the application's predicate says about the cause, if it has one.
pub(crate) fn next_attempt(
    cause: &Cause,
    standing: Standing,
    gives_up: Option<bool>,
    reconnect: Option<&Backoff>,
    protocol: &Protocol,
) -> NextAttempt {
    let (error, standing) = match cause {
        Cause::AttemptFailed(error) => (error, standing),
        // A connection was up since the last failure, so the retries count from here.
        Cause::ConnectionEnded(error) => (error, Standing { failures: 0, welcomed: true, ..standing }),
        Cause::Interrupted(interruption) => return interruption.next_attempt(),
    };
    let Some(backoff) = reconnect else { return NextAttempt::Never };
    let again = match gives_up {
        _ if error.is_misuse() => false,
        Some(gives_up) => !gives_up,
        None if standing.welcomed || backoff.persistent => !error.is_final(protocol),
        None => error.is_temporary(protocol),
    };
    if again && standing.failures < backoff.retries { NextAttempt::Later(error.hint()) } else { NextAttempt::Never }
}

impl Interruption {
    /// How the connection that it ends is closed.
    pub(crate) fn closed(&self) -> Closed {
        match self {
            Interruption::Jump => Closed::jump(),
            Interruption::Close(reason) => Closed::normal(reason.clone().or(Reason::BY_CLIENT)),
        }
    }

    pub(crate) fn next_attempt(&self) -> NextAttempt {
        match self {
            Interruption::Jump => NextAttempt::Now,
            Interruption::Close(_) => NextAttempt::Never,
        }
    }
}

#[cfg(test)]
mod tests;
