//! Tables of the decision whether a client connects again.

use super::*;
use std::io;
use wse_proto::{RpError, WsMessaging};

const SECOND: Duration = Duration::from_secs(1);

fn closed(code: u16) -> Cause {
    Cause::ConnectionEnded(ConnectError::ended(Closed { code, reason: Reason::default() }, &Protocol::Wse))
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

/// A client that no server has welcomed.
const NEW: Standing = Standing { welcomed: false, failures: 0, stalled: 0 };
/// One that was ready before.
const KNOWN: Standing = Standing { welcomed: true, failures: 0, stalled: 0 };

fn decided(cause: &Cause, standing: Standing, backoff: &Backoff) -> NextAttempt {
    next_attempt(cause, standing, None, Some(backoff), &Protocol::Wse)
}

/// What lets every client that reconnects try again, and the hint about when.
fn temporary() -> Vec<(Cause, Hint)> {
    let refused = unreachable(io::ErrorKind::ConnectionRefused);
    let later = Closed { code: 1013, reason: "wse.later after=3000".into() };
    let mut causes = vec![
        (refused, Hint::Nothing),
        (unreachable(io::ErrorKind::TimedOut), Hint::Nothing),
        (answered(503, Some(3 * SECOND)), Hint::Floor(3 * SECOND)),
        (Cause::AttemptFailed(ConnectError::Closed(restart())), Hint::Turn(7 * SECOND)),
        (Cause::ConnectionEnded(ConnectError::Closed(restart())), Hint::Turn(7 * SECOND)),
        (Cause::AttemptFailed(ConnectError::Closed(later)), Hint::Turn(3 * SECOND)),
    ];
    causes.extend([408, 429, 500, 503, 599].map(|status| (answered(status, None), Hint::Nothing)));
    causes.extend([1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015].map(|code| (closed(code), Hint::Nothing)));
    causes.extend([2999, 3000, 4000, 4001, 4003, 4999].map(|code| (closed(code), Hint::Nothing)));
    causes.extend([1005, 1006, 1011, 1012, 1013, 1014, 4000].map(|code| (before_welcome(code), Hint::Nothing)));
    causes
}

/// What ends the first attempts of a client, and passes by itself all the same.
fn passing() -> Vec<Cause> {
    let mut causes = vec![
        unreachable(io::ErrorKind::InvalidData),
        unreachable(io::ErrorKind::InvalidInput),
        Cause::AttemptFailed(ConnectError::Challenge(RpError::new("no"))),
        Cause::AttemptFailed(ConnectError::Identity(RpError::new("no"))),
        Cause::AttemptFailed(ConnectError::Headers(RpError::new("no"))),
    ];
    causes.extend([200, 301, 302, 400, 401, 403, 404, 426].map(|status| answered(status, None)));
    causes.extend([1001, 1015, 2000, 3000, 4001, 4003, 4999].map(before_welcome));
    causes
}

/// What the application has to mend first.
fn misuse() -> Vec<Cause> {
    vec![
        Cause::AttemptFailed(ConnectError::AlreadyConnected),
        Cause::AttemptFailed(ConnectError::Setup("no header".to_owned())),
        Cause::AttemptFailed(ConnectError::BadUrl("no host".to_owned())),
        Cause::AttemptFailed(ConnectError::Cancelled),
    ]
}

/// What no client tries again after, unless its application decides otherwise.
fn verdicts() -> Vec<Cause> {
    let refused = Closed { code: 1000, reason: Reason::from("wse.not-authorized") };
    let mut causes = vec![
        Cause::AttemptFailed(ConnectError::Refused(refused.clone())),
        Cause::ConnectionEnded(ConnectError::Refused(refused)),
    ];
    let codes = [1000, 1002, 1003, 1007, 1008, 1009, 1010];
    causes.extend(codes.map(closed));
    causes.extend(codes.map(before_welcome));
    causes
}

fn retries(retries: u32) -> Backoff {
    Backoff { retries, ..Backoff::default() }
}

#[test]
fn what_passes_by_itself_is_tried_again_with_the_hint_of_the_server() {
    for (cause, hint) in temporary() {
        for standing in [NEW, KNOWN] {
            let next = decided(&cause, standing, &Backoff::default());
            assert_eq!(next, NextAttempt::Later(hint), "{cause:?} {standing:?}");
        }
    }
}

#[test]
fn a_client_that_was_welcomed_or_is_persistent_takes_nothing_for_final_that_passes() {
    for cause in passing() {
        let later = NextAttempt::Later(Hint::Nothing);
        assert_eq!(decided(&cause, NEW, &Backoff::default()), NextAttempt::Never, "{cause:?}");
        assert_eq!(decided(&cause, KNOWN, &Backoff::default()), later, "{cause:?}");
        assert_eq!(decided(&cause, NEW, &Backoff::persistent()), later, "{cause:?}");
    }
}

#[test]
fn a_verdict_and_a_misuse_are_final_for_every_client() {
    for cause in verdicts().into_iter().chain(misuse()) {
        for (standing, backoff) in
            [(NEW, Backoff::default()), (KNOWN, Backoff::default()), (KNOWN, Backoff::persistent())]
        {
            assert_eq!(decided(&cause, standing, &backoff), NextAttempt::Never, "{cause:?} {standing:?}");
        }
    }
}

#[test]
fn the_predicate_of_the_application_replaces_the_list_but_for_misuse() {
    let temporary = temporary().into_iter().map(|(cause, _)| cause);
    for cause in temporary.chain(passing()).chain(verdicts()) {
        for standing in [NEW, KNOWN] {
            for backoff in [Backoff::default(), Backoff::persistent()] {
                let decide = |gives_up| next_attempt(&cause, standing, gives_up, Some(&backoff), &Protocol::Wse);
                assert_eq!(decide(Some(true)), NextAttempt::Never, "{cause:?}");
                assert!(matches!(decide(Some(false)), NextAttempt::Later(_)), "{cause:?}");
            }
        }
    }
    for cause in misuse() {
        let next = next_attempt(&cause, KNOWN, Some(false), Some(&Backoff::persistent()), &Protocol::Wse);
        assert_eq!(next, NextAttempt::Never, "{cause:?}");
    }
}

#[test]
fn a_client_that_does_not_reconnect_stops_at_every_failure() {
    let temporary = temporary().into_iter().map(|(cause, _)| cause);
    for cause in temporary.chain(passing()).chain(verdicts()).chain(misuse()) {
        for reconnect in [None, Some(&retries(0))] {
            for gives_up in [None, Some(false)] {
                let next = next_attempt(&cause, KNOWN, gives_up, reconnect, &Protocol::Wse);
                assert_eq!(next, NextAttempt::Never, "{cause:?}");
            }
        }
    }
}

#[test]
fn retries_bound_the_failed_attempts_in_a_row_but_not_the_lost_connections() {
    let (later, never) = (NextAttempt::Later(Hint::Nothing), NextAttempt::Never);
    let cases = [
        (unreachable(io::ErrorKind::TimedOut), [(0, &later), (1, &later), (2, &never), (u32::MAX, &never)]),
        (answered(404, None), [(0, &later), (1, &later), (2, &never), (u32::MAX, &never)]),
        (before_welcome(1006), [(0, &later), (1, &later), (2, &never), (u32::MAX, &never)]),
        (closed(1006), [(0, &later), (1, &later), (2, &later), (u32::MAX, &later)]),
        (closed(1000), [(0, &never), (1, &never), (2, &never), (u32::MAX, &never)]),
    ];
    for (cause, expected) in cases {
        for (failures, next) in expected {
            let standing = Standing { failures, ..KNOWN };
            assert_eq!(&decided(&cause, standing, &retries(2)), next, "{cause:?} after {failures}");
        }
    }
}

#[test]
fn the_application_decides_for_itself_whatever_has_failed_before() {
    for reconnect in [None, Some(&retries(0)), Some(&retries(2))] {
        for failures in [0, 2, u32::MAX] {
            for (interruption, expected) in
                [(Interruption::Jump, NextAttempt::Now), (Interruption::Close(Reason::default()), NextAttempt::Never)]
            {
                let cause = Cause::Interrupted(interruption);
                let standing = Standing { failures, ..KNOWN };
                assert_eq!(
                    next_attempt(&cause, standing, Some(true), reconnect, &Protocol::Wse),
                    expected,
                    "{cause:?}"
                );
            }
        }
    }
}

#[test]
fn the_protocol_says_which_close_codes_are_final() {
    let reconnect = Backoff::default();
    for (code, wse, ws_messaging) in [(1006, true, true), (1000, false, true), (1008, false, true), (4003, true, false)]
    {
        for (protocol, again) in [(Protocol::Wse, wse), (WsMessaging::new().into(), ws_messaging)] {
            let ended = ConnectError::ended(Closed { code, reason: Reason::default() }, &protocol);
            let next = next_attempt(&Cause::ConnectionEnded(ended), KNOWN, None, Some(&reconnect), &protocol);
            assert_eq!(next == NextAttempt::Later(Hint::Nothing), again, "{code} {protocol:?}");
        }
    }
}

/// The standing of a client with three failures, two of them resumed connections, after a connection.
fn after(course: Course) -> (u32, u32) {
    let backoff = Backoff { max: 20 * SECOND, ..Backoff::default() };
    let standing = Standing { welcomed: false, failures: 3, stalled: 2 }.after(course, &backoff);
    (standing.failures, standing.stalled)
}

const COURSE: Course = Course { resumed: true, progressed: false, waiting: false, code: 1006, lasted: Duration::ZERO };

#[test]
fn a_resumed_session_counts_as_success_once_it_has_progressed_or_had_its_time_with_nothing_left() {
    for (resumed, progressed, waiting, lasted, expected) in [
        (true, false, false, Duration::ZERO, (3, 3)),
        (true, false, false, 19 * SECOND, (3, 3)),
        (true, false, false, 20 * SECOND, (0, 0)),
        (true, false, true, 20 * SECOND, (3, 3)),
        (true, true, true, Duration::ZERO, (0, 0)),
        (true, true, false, 20 * SECOND, (0, 0)),
        (false, false, true, Duration::ZERO, (0, 0)),
    ] {
        let course = Course { resumed, progressed, waiting, lasted, ..COURSE };
        assert_eq!(after(course), expected, "{course:?}");
    }
}

#[test]
fn a_connection_that_is_turned_away_soon_after_its_welcome_counts_as_a_failed_attempt() {
    for (code, lasted, failures) in [
        (1013, Duration::ZERO, 3),
        (1013, 10 * SECOND - Duration::from_nanos(1), 3),
        (1013, 10 * SECOND, 0),
        (1012, Duration::ZERO, 0),
        (1006, Duration::ZERO, 0),
    ] {
        let course = Course { resumed: false, code, lasted, ..COURSE };
        assert_eq!(after(course), (failures, 0), "{course:?}");
    }
}

#[test]
fn a_session_is_given_up_when_it_was_resumed_eight_times_in_a_row_and_never_got_on() {
    let mut standing = KNOWN;
    for resumed in 1..=9 {
        standing = standing.after(COURSE, &Backoff::default());
        assert_eq!(standing.gives_session_up(), resumed >= 8, "{resumed}");
    }
    assert!(!standing.after(Course { progressed: true, ..COURSE }, &Backoff::default()).gives_session_up());
    assert!(!standing.after(Course { resumed: false, ..COURSE }, &Backoff::default()).gives_session_up());
}

#[test]
fn a_close_and_a_jump_say_what_they_are() {
    assert_eq!(Interruption::Jump.closed(), Closed::jump());
    assert_eq!(Interruption::Close(Reason::default()).closed(), Closed::normal(Reason::BY_CLIENT));
    assert_eq!(Interruption::Close("done".into()).closed(), Closed::normal(Reason::from("done")));
}
