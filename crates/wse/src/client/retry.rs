//! The decision whether a client connects again, and when. It must never do what it decides, nor
//! read a clock.

use crate::error::ConnectError;
use std::time::Duration;
use wse_proto::{Backoff, Closed, Hint, Protocol, Reason};

/// Why a client is not connected.
#[derive(Debug)]
pub(crate) enum Cause {
    /// An attempt to connect has failed.
    AttemptFailed(ConnectError),
    /// The connection has ended, and the application did not ask for it.
    ConnectionClosed(Closed),
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

/// Decides what follows when a client is not connected. `failures` is the number of failed attempts
/// in a row that were followed by another one; `reconnect` is `None` for a client that does not
/// reconnect.
pub(crate) fn next_attempt(
    cause: &Cause,
    failures: u32,
    reconnect: Option<&Backoff>,
    protocol: &Protocol,
) -> NextAttempt {
    let (temporary, failures, hint) = match cause {
        Cause::AttemptFailed(error) => (error.is_temporary(protocol), failures, error.hint()),
        // A connection was up since the last failure, so the retries count from here.
        Cause::ConnectionClosed(closed) => (protocol.client_codec().is_temporary(closed), 0, Hint::from(closed)),
        Cause::Interrupted(interruption) => return interruption.next_attempt(),
    };
    let retries = reconnect.map_or(0, |backoff| backoff.retries);
    if temporary && failures < retries { NextAttempt::Later(hint) } else { NextAttempt::Never }
}

/// How many failures count after a resumed session has lost its connection again. Such a connection
/// is a success, unless it was lost sooner than the longest wait and no envelope has crossed it.
pub(crate) fn failures_after_resumed(failures: u32, progressed: bool, lasted: Duration, backoff: &Backoff) -> u32 {
    if progressed || lasted >= backoff.max { 0 } else { failures }
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
mod tests {
    use super::*;
    use std::io;
    use wse_proto::{RpError, WsMessaging};

    const SECOND: Duration = Duration::from_secs(1);

    fn closed(code: u16) -> Cause {
        Cause::ConnectionClosed(Closed { code, reason: Reason::default() })
    }

    fn unreachable(kind: io::ErrorKind) -> Cause {
        Cause::AttemptFailed(ConnectError::Unreachable(kind.into()))
    }

    fn answered(status: u16, retry_after: Option<Duration>) -> Cause {
        Cause::AttemptFailed(ConnectError::UpgradeRefused { status, retry_after })
    }

    fn before_welcome(code: u16) -> Cause {
        Cause::AttemptFailed(ConnectError::Closed(Closed { code, reason: Reason::default() }))
    }

    fn restart() -> Closed {
        Closed::restart(7 * SECOND)
    }

    /// What lets a client that reconnects try again, and the hint about when.
    fn temporary() -> Vec<(Cause, Hint)> {
        let refused = unreachable(io::ErrorKind::ConnectionRefused);
        let mut causes = vec![
            (refused, Hint::Nothing),
            (unreachable(io::ErrorKind::TimedOut), Hint::Nothing),
            (answered(503, Some(3 * SECOND)), Hint::Floor(3 * SECOND)),
            (Cause::AttemptFailed(ConnectError::Closed(restart())), Hint::Turn(7 * SECOND)),
            (Cause::ConnectionClosed(restart()), Hint::Turn(7 * SECOND)),
        ];
        causes.extend([408, 429, 500, 503, 599].map(|status| (answered(status, None), Hint::Nothing)));
        causes.extend([1005, 1006, 1011, 1012, 1013, 1014, 4000].map(|code| (closed(code), Hint::Nothing)));
        causes.extend([1005, 1006, 1011, 1012, 1013, 1014, 4000].map(|code| (before_welcome(code), Hint::Nothing)));
        causes
    }

    /// What no client tries again after.
    fn permanent() -> Vec<Cause> {
        let refused = Closed { code: 1000, reason: Reason::from("wse.not-authorized") };
        let mut causes = vec![
            unreachable(io::ErrorKind::InvalidData),
            unreachable(io::ErrorKind::InvalidInput),
            Cause::AttemptFailed(ConnectError::AlreadyConnected),
            Cause::AttemptFailed(ConnectError::Setup("no header".to_owned())),
            Cause::AttemptFailed(ConnectError::BadUrl("no host".to_owned())),
            Cause::AttemptFailed(ConnectError::Refused(refused)),
            Cause::AttemptFailed(ConnectError::Challenge(RpError::new("no"))),
            Cause::AttemptFailed(ConnectError::Identity(RpError::new("no"))),
            Cause::AttemptFailed(ConnectError::Cancelled),
        ];
        causes.extend([301, 400, 401, 403, 404].map(|status| answered(status, None)));
        causes.extend([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1015, 3000, 4001].map(closed));
        causes.extend([1000, 1001, 1002, 1008].map(before_welcome));
        causes
    }

    fn retries(retries: u32) -> Backoff {
        Backoff { retries, ..Backoff::default() }
    }

    #[test]
    fn a_temporary_failure_is_tried_again_with_the_hint_of_the_server() {
        for (cause, hint) in temporary() {
            let next = next_attempt(&cause, 0, Some(&Backoff::default()), &Protocol::Wse);
            assert_eq!(next, NextAttempt::Later(hint), "{cause:?}");
        }
    }

    #[test]
    fn a_permanent_failure_is_final() {
        for cause in permanent() {
            let next = next_attempt(&cause, 0, Some(&Backoff::default()), &Protocol::Wse);
            assert_eq!(next, NextAttempt::Never, "{cause:?}");
        }
    }

    #[test]
    fn a_client_that_does_not_reconnect_stops_at_every_failure() {
        for cause in temporary().into_iter().map(|(cause, _)| cause).chain(permanent()) {
            for reconnect in [None, Some(&retries(0))] {
                assert_eq!(next_attempt(&cause, 0, reconnect, &Protocol::Wse), NextAttempt::Never, "{cause:?}");
            }
        }
    }

    #[test]
    fn retries_bound_the_failed_attempts_in_a_row_but_not_the_lost_connections() {
        let (later, never) = (NextAttempt::Later(Hint::Nothing), NextAttempt::Never);
        let cases = [
            (unreachable(io::ErrorKind::TimedOut), [(0, &later), (1, &later), (2, &never), (u32::MAX, &never)]),
            (before_welcome(1006), [(0, &later), (1, &later), (2, &never), (u32::MAX, &never)]),
            (closed(1006), [(0, &later), (1, &later), (2, &later), (u32::MAX, &later)]),
            (closed(1000), [(0, &never), (1, &never), (2, &never), (u32::MAX, &never)]),
        ];
        for (cause, expected) in cases {
            for (failures, next) in expected {
                let decided = next_attempt(&cause, failures, Some(&retries(2)), &Protocol::Wse);
                assert_eq!(&decided, next, "{cause:?} after {failures}");
            }
        }
    }

    #[test]
    fn the_application_decides_for_itself_whatever_has_failed_before() {
        for reconnect in [None, Some(&retries(0)), Some(&retries(2))] {
            for failures in [0, 2, u32::MAX] {
                for (interruption, expected) in [
                    (Interruption::Jump, NextAttempt::Now),
                    (Interruption::Close(Reason::default()), NextAttempt::Never),
                ] {
                    let cause = Cause::Interrupted(interruption);
                    assert_eq!(next_attempt(&cause, failures, reconnect, &Protocol::Wse), expected, "{cause:?}");
                }
            }
        }
    }

    #[test]
    fn the_protocol_says_which_close_codes_are_final() {
        let reconnect = Backoff::default();
        for (code, wse, ws_messaging) in [(1006, true, true), (1000, false, true), (4003, false, false)] {
            for (protocol, again) in [(Protocol::Wse, wse), (WsMessaging::new().into(), ws_messaging)] {
                let next = next_attempt(&closed(code), 0, Some(&reconnect), &protocol);
                assert_eq!(next == NextAttempt::Later(Hint::Nothing), again, "{code} {protocol:?}");
            }
        }
    }

    #[test]
    fn a_resumed_session_counts_as_success_once_it_has_progressed_or_lasted() {
        let backoff = Backoff { max: 20 * SECOND, ..Backoff::default() };
        for (progressed, lasted, failures) in [
            (false, Duration::ZERO, 3),
            (false, 19 * SECOND, 3),
            (false, 20 * SECOND, 0),
            (true, Duration::ZERO, 0),
            (true, 20 * SECOND, 0),
        ] {
            assert_eq!(failures_after_resumed(3, progressed, lasted, &backoff), failures, "{progressed} {lasted:?}");
        }
    }

    #[test]
    fn a_close_and_a_jump_say_what_they_are() {
        assert_eq!(Interruption::Jump.closed(), Closed::jump());
        assert_eq!(Interruption::Close(Reason::default()).closed(), Closed::normal(Reason::BY_CLIENT));
        assert_eq!(Interruption::Close("done".into()).closed(), Closed::normal(Reason::from("done")));
    }
}
