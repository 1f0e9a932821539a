//! The server's machine before the verdict, and what a peer of another wire is told by either side.

mod json;

use json::json;
use std::time::{Duration, Instant};
use wse_proto::{
    ClientMachine, Closed, Codec, Decision, Hello, Input, Limits, Machine, Payload, ProtocolError, ServerMachine, Step,
};

const HI: &str = r#"["~wse:hi",{"identity":"ann","meta":{}},null]"#;
const SOLUTION: &str = r#"["~wse:challenge",42,null]"#;

/// How far a stranger has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Stranger,
    Thinking,
    Challenged,
    ThinkingAgain,
}

use At::{Challenged, Stranger, Thinking, ThinkingAgain};

/// A server's machine that has brought its stranger as far as that.
fn server(at: At, limits: &Limits, now: Instant) -> ServerMachine {
    let mut machine = ServerMachine::new(Codec::Json, limits, now);
    if at != Stranger {
        assert!(matches!(hear(&mut machine, HI, now), Step::Ask(_)));
    }
    if matches!(at, Challenged | ThinkingAgain) {
        let quest = machine.step(Input::Answer(Decision::Challenge(json("41"))), now);
        assert!(matches!(quest, Step::Send(_)));
    }
    if at == ThinkingAgain {
        assert!(matches!(hear(&mut machine, SOLUTION, now), Step::Ask(_)));
    }
    machine
}

fn hear<'a, M: Machine>(machine: &mut M, frame: &'a str, now: Instant) -> Step<'a, M::Question, M::Opening> {
    let input = match machine.read(frame.as_bytes(), false) {
        Ok(envelope) => Input::Envelope(envelope),
        Err(error) => Input::Garbage(error),
    };
    machine.step(input, now)
}

fn rejected<Q, O>(step: Step<'_, Q, O>) -> Option<(Closed, ProtocolError)> {
    if let Step::Reject(closed, error) = step { Some((closed, error)) } else { None }
}

#[test]
fn without_an_auth_timeout_only_the_silence_of_a_stranger_ends_it() {
    let limits = Limits { auth_timeout: Duration::ZERO, ..Limits::default() };
    for at in [Stranger, Thinking, Challenged, ThinkingAgain] {
        let start = Instant::now();
        let mut machine = server(at, &limits, start);
        let mut tick = |seconds| machine.step(Input::Tick, start + Duration::from_secs(seconds));
        assert!(matches!(tick(24), Step::Wait), "{at:?}");
        assert!(matches!(tick(25), Step::Ping), "{at:?}");
        machine.heard(1, start + Duration::from_secs(30));
        let mut tick = |seconds| machine.step(Input::Tick, start + Duration::from_secs(seconds));
        assert!(matches!(tick(54), Step::Wait), "{at:?}");
        assert!(matches!(tick(55), Step::Ping), "{at:?}");
        assert!(matches!(tick(65), Step::Close(closed) if closed == Closed::silent()), "{at:?}");
    }
    let start = Instant::now();
    let late = start + Duration::from_secs(1_000_000);
    let mut machine = server(Thinking, &limits, start);
    assert!(matches!(machine.step(Input::Answer(Decision::accept("ann")), late), Step::Open(_)));
}

#[test]
fn a_solution_of_null_is_a_solution() {
    let now = Instant::now();
    for frame in [r#"["~wse:challenge",null,null]"#, r#"["~wse:challenge"]"#] {
        let mut machine = server(Challenged, &Limits::default(), now);
        let Step::Ask(question) = hear(&mut machine, frame, now) else { panic!("{frame} asks again") };
        assert_eq!(question.solution.unwrap().answer, json("null"), "{frame}");
    }
}

#[test]
fn what_breaks_the_protocol_before_the_verdict_is_named_and_never_quoted() {
    let now = Instant::now();
    let (message, no_solution) = (r#"["secret",1,null]"#, "an envelope that is not the solution of the challenge");
    for (at, frame, why) in [
        (Stranger, message, "the first envelope is not a hi"),
        (Stranger, r#"["~wse:challenge","secret"]"#, "the first envelope is not a hi"),
        (Stranger, r#"["~wse:hi","secret"]"#, "the payload of a hi is not an object"),
        (Stranger, "secret", "not an envelope: Syntax error at column 1 of line 1"),
        (Thinking, r#"[secret"#, "not an envelope: Syntax error at column 2 of line 1"),
        (Challenged, message, no_solution),
        (Challenged, r#"["secret",1,"s"]"#, no_solution),
        (Challenged, HI, no_solution),
        (ThinkingAgain, "secret", "not an envelope: Syntax error at column 1 of line 1"),
    ] {
        let mut machine = server(at, &Limits::default(), now);
        let rejected = rejected(hear(&mut machine, frame, now));
        let (closed, error) = rejected.unwrap_or_else(|| panic!("{at:?} {frame} is rejected"));
        assert_eq!((closed.is_protocol_error(), error.to_string().as_str()), (true, why), "{at:?} {frame}");
        assert!(!closed.reason.as_str().contains("secret"), "{closed}");
        assert_eq!(machine.deadline(), None, "{at:?} {frame}");
        assert!(matches!(hear(&mut machine, SOLUTION, now), Step::Wait), "the application is not asked any more");
    }
}

/// Frames, and the protocol of which a peer sends them.
const FRAMES: [(&str, Option<&str>); 19] = [
    (r#"{"c":"hi","dat":{"payload":{"token":"t"},"params":{}}}"#, Some("npm wse 2")),
    (r#" {"c":"welcome"} "#, Some("npm wse 2")),
    (r#"{"dat":[1],"c":"m\n"}"#, Some("npm wse 2")),
    (r#"0{"sid":"x","upgrades":[],"pingInterval":25000}"#, Some("Socket.IO")),
    ("2probe", Some("Socket.IO")),
    (r#"40{"token":"secret"}"#, Some("Socket.IO")),
    (r#"42["secret",1]"#, Some("Socket.IO")),
    (r#"42/chat,["secret",1]"#, Some("Socket.IO")),
    (r#"421["secret",1]"#, Some("Socket.IO")),
    (r#"{"c":5,"dat":{}}"#, None),
    (r#"{"c":"hi""#, None),
    (r#"{"dat":{"c":"hi"}}"#, None),
    (r#"{"name":"say","args":[]}"#, None),
    (r#"["c","hi"]x"#, None),
    (r#""c""#, None),
    ("2", None),
    ("42", None),
    ("7{}", None),
    ("secret", None),
];

const HI_EXPECTED: &str = r#"expected ["~wse:hi",{"identity":...,"meta":{}},null]"#;

#[test]
fn a_peer_that_speaks_something_else_is_told_what_was_expected_by_either_side() {
    let (now, limits) = (Instant::now(), Limits::default());
    let check = |end: Option<Closed>, foreign: Option<&str>, expected: &str, place: &str| {
        let end = end.unwrap_or_else(|| panic!("it is rejected: {place}"));
        let reason = end.reason.as_str();
        assert!(end.is_protocol_error() && !end.is_temporary() && !end.is_refusal(), "{place}");
        assert!(reason.len() <= 123 && !reason.contains("secret"), "{place}: {reason}");
        let begin = foreign.map_or(expected.to_owned(), |foreign| format!("the format of {foreign}, {expected}"));
        let told = reason.strip_prefix("wse.protocol-error: ").unwrap();
        let form = if foreign.is_some() { "" } else { " in a text frame" };
        assert_eq!(told, format!("{begin}{form}"), "{place}");
    };
    for (frame, foreign) in FRAMES {
        for (at, expected) in [
            (Stranger, HI_EXPECTED),
            (Thinking, "expected [type,payload,stamp]"),
            (Challenged, r#"expected ["~wse:challenge",SOLUTION,null]"#),
            (ThinkingAgain, "expected [type,payload,stamp]"),
        ] {
            let mut machine = server(at, &limits, now);
            let end = rejected(hear(&mut machine, frame, now)).map(|(closed, _)| closed);
            check(end, foreign, expected, &format!("{at:?} {frame}"));
        }
        let hello = Hello { identity: Payload::json("1").unwrap(), meta: Payload::json("{}").unwrap() };
        let (mut machine, _) = ClientMachine::new(Codec::Json, &hello, None, &limits, now);
        let end = rejected(hear(&mut machine, frame, now)).map(|(closed, _)| closed);
        check(end, foreign, r#"expected ["~wse:welcome",PAYLOAD,null]"#, frame);
    }
}

#[test]
fn an_envelope_out_of_place_is_named_and_the_form_is_that_of_the_codec() {
    let (now, limits) = (Instant::now(), Limits::default());
    let mut machine = server(Stranger, &limits, now);
    let (closed, _) = rejected(hear(&mut machine, r#"["secret",1,null]"#, now)).unwrap();
    assert_eq!(closed.reason.as_str(), format!("wse.protocol-error: the first envelope is not a hi, {HI_EXPECTED}"));
    for (at, frame) in [(Stranger, r#"["~wse:hi",1]"#), (Challenged, HI), (Stranger, r#"["~wse:welcome"]"#)] {
        let (closed, _) = rejected(hear(&mut server(at, &limits, now), frame, now)).unwrap();
        assert!(closed.reason.as_str().len() <= 123 && closed.is_protocol_error(), "{closed}");
    }
    let mut machine = ServerMachine::new(Codec::MessagePack, &limits, now);
    let error = machine.read(b"secret", false).unwrap_err();
    let (closed, _) = rejected(machine.step(Input::Garbage(error), now)).unwrap();
    assert_eq!(closed.reason.as_str(), format!("wse.protocol-error: {HI_EXPECTED} in MessagePack"));
}

#[test]
fn a_peer_that_was_let_in_is_known_to_speak_this_wire() {
    let now = Instant::now();
    let mut machine = server(Thinking, &Limits::default(), now);
    assert!(matches!(machine.step(Input::Answer(Decision::accept("ann")), now), Step::Open(_)));
    let step = hear(&mut machine, r#"{"c":"m","dat":1}"#, now);
    assert!(matches!(step, Step::Reject(closed, _) if closed == Closed::protocol_error()));
}
