//! The client's machine of `ws-messaging`: what each input does in each state, and its deadlines.

mod json;
mod table;

use json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use table::{Driver, TableMachine, Word, check, hear, text};
use wse_proto::{Envelope, Hello, Input, Machine, Payload, Step, Welcome, WsMessaging, WsMessagingClientMachine};

impl TableMachine for WsMessagingClientMachine {
    const STATES: &[(&str, &[&str])] = &[("waiting", &[]), ("open", &["connect"]), ("closed", &["close"])];
    #[rustfmt::skip]
    const INPUTS: &[&str] = &[
        "connect", "connect call", "event", "call", "result", "error", "ping", "ping event",
        "retry", "retry call", "welcome", "invalid", "no json",
        "answer", "heard", "pong", "deaf", "tick before", "tick at", "tick after", "close",
    ];

    fn fresh(now: Instant) -> Self {
        with(WsMessaging::new(), now)
    }

    fn word(word: &str) -> Word<Payload<'static>> {
        match word {
            "connect" => Word::Frame(r#"{"name":"connect","args":[{"user":"t1"}]}"#),
            "connect call" => Word::Frame(r#"{"name":"connect","args":[],"id":1}"#),
            "event" => Word::Frame(r#"{"name":"say","args":["hello"]}"#),
            "call" => Word::Frame(r#"{"name":"double","args":[21],"id":3}"#),
            "result" => Word::Frame(r#"{"id":1,"result":null}"#),
            "error" => Word::Frame(r#"{"id":1,"error":"NoProcedureError"}"#),
            "ping" => Word::Frame(r#"{"name":"ping","args":[],"id":7}"#),
            "ping event" => Word::Frame(r#"{"name":"ping","args":[]}"#),
            "retry" => Word::Frame(r#"{"name":"retry","args":[1]}"#),
            "retry call" => Word::Frame(r#"{"name":"retry","args":[1],"id":1}"#),
            "welcome" => Word::Frame(r#"{"name":"~wse:welcome","args":[1]}"#),
            "invalid" => Word::Frame(r#"["~wse:welcome",null]"#),
            "no json" => Word::Frame("arbitrary"),
            "answer" => Word::Input(Input::Answer(json("42"))),
            "heard" => Word::Heard,
            "pong" => Word::AnsweredPing,
            "deaf" => Word::Input(Input::Deaf),
            "close" => Word::Close,
            word => panic!("no input {word}"),
        }
    }

    fn asked(_: &Payload<'static>) -> String {
        panic!("this wire has no challenges")
    }

    fn opened(welcome: &Welcome) -> String {
        text(&welcome.payload).to_owned()
    }
}

fn hello() -> Hello {
    Hello { identity: json(r#"{"token":"t1"}"#), meta: json(r#"{"os":1}"#) }
}

fn with(options: WsMessaging, now: Instant) -> WsMessagingClientMachine {
    WsMessagingClientMachine::new(Arc::new(options), &hello(), now).0
}

#[test]
fn every_input_in_every_state_has_its_step() {
    check::<WsMessagingClientMachine>(
        r#"
        waiting | connect                   | open {"user":"t1"}                                | open
        waiting | event                     | hold say "hello"                                  | waiting
        waiting | call                      | hold double 21 3                                  | waiting
        waiting | ping event                | hold ping []                                      | waiting
        waiting | connect call              | wait                                              | waiting
        waiting | result, error, ping       | wait                                              | waiting
        waiting | retry, retry call         | wait                                              | waiting
        waiting | welcome, invalid, no json | wait                                              | waiting
        waiting | answer, heard, pong, deaf | wait                                              | waiting
        waiting | tick before               | wait                                              | waiting
        waiting | tick at, tick after       | close 4008 Auth timeout                           | closed
        waiting | close                     | wait                                              | closed

        open    | event                     | deliver say "hello"                               | open
        open    | call                      | invoke double 21 3                                | open
        open    | result                    | settle 1 ok null                                  | open
        open    | error                     | settle 1 err "NoProcedureError"                   | open
        open    | ping                      | send ~wse:response null 7                         | open
        open    | ping event                | deliver ping []                                   | open
        open    | connect, connect call     | wait                                              | open
        open    | retry, retry call         | wait                                              | open
        open    | welcome, invalid          | send preprocessingError "Error: Validation error" | open
        open    | no json                   | send preprocessingError "SyntaxError: Syntax error at column 1 of line 1" | open
        open    | answer, heard, pong       | wait                                              | open
        open    | deaf                      | ping                                              | open
        open    | tick before               | wait                                              | open
        open    | tick at, tick after       | ping                                              | open
        open    | close                     | wait                                              | closed

        closed  | connect, connect call     | wait | closed
        closed  | event, call               | wait | closed
        closed  | result, error             | wait | closed
        closed  | ping, ping event          | wait | closed
        closed  | retry, retry call         | wait | closed
        closed  | welcome, invalid, no json | wait | closed
        closed  | answer, heard             | wait | closed
        closed  | pong, deaf                | wait | closed
        closed  | tick before, tick at      | wait | closed
        closed  | tick after, close         | wait | closed
        "#,
    );
}

#[test]
fn the_first_thing_to_send_is_the_identity_alone() {
    let (_, auth) = WsMessagingClientMachine::new(Arc::new(WsMessaging::new()), &hello(), Instant::now());
    assert_eq!(text(&auth), r#"{"token":"t1"}"#);
}

#[test]
fn the_welcome_is_the_first_argument_of_connect_whatever_it_is() {
    let cases = [
        ("[]", "null"),
        ("[null]", "null"),
        ("[5]", "5"),
        ("[{\"a\": [1]}]", "{\"a\": [1]}"),
        ("[[]]", "[]"),
        ("[[1,[2]]]", "[1,[2]]"),
        ("[1,2]", "1"),
        ("[[1],[2]]", "[1]"),
    ];
    for (args, welcome) in cases {
        let now = Instant::now();
        let mut machine = WsMessagingClientMachine::fresh(now);
        let frame = format!(r#"{{"name":"connect","args":{args}}}"#);
        let input = hear(&mut machine, &frame);
        let Step::Open(opening) = machine.step(input, now) else { panic!("{args} does not open") };
        assert_eq!(text(&opening.payload), welcome, "{args}");
    }
}

#[test]
fn what_comes_before_connect_comes_out_whole_and_in_order_once_open() {
    let now = Instant::now();
    let mut machine = WsMessagingClientMachine::fresh(now);
    let mut held = Vec::new();
    for frame in [
        r#"{"name":"one","args":[]}"#,
        r#"{"name":"close","args":[]}"#,
        r#"{"name":"two","args":[[1],2],"id":9}"#,
        r#"{"name":"connect","args":[null]}"#,
    ] {
        let input = hear(&mut machine, frame);
        match machine.step(input, now) {
            Step::Hold(envelope) => held.push(envelope),
            Step::Open(_) | Step::Wait => {}
            step => panic!("{step:?}"),
        }
    }
    let mut driver = Driver::with(|_| machine);
    let given: Vec<String> = held.into_iter().map(|envelope| driver.give(Input::Envelope(envelope))).collect();
    assert_eq!(given, ["deliver one []", "invoke two [[1],2] 9"]);
}

#[test]
fn every_reserved_name_is_ignored_before_and_after_connect_and_no_other() {
    for (past, meant) in [(&[][..], "hold"), (&["connect"], "deliver")] {
        let mut driver = Driver::<WsMessagingClientMachine>::after(past);
        let mut say = |name: &'static str| {
            driver.give(Input::Envelope(Envelope { name: name.into(), payload: json("[]"), stamp: None }))
        };
        for name in ["close", "open", "error", "pong", "retry"] {
            assert_eq!(say(name), "wait", "{name}");
        }
        for name in ["Close", "ping", "preprocessingError", "__proto__"] {
            assert_eq!(say(name), format!("{meant} {name} []"));
        }
    }
}

#[test]
fn every_way_to_end_is_deaf_for_ever_and_has_no_deadline() {
    let ends: &[(&[&str], &str)] = &[
        (&["tick at"], "close 4008 Auth timeout"),
        (&["connect", "tick at", "tick at"], "close 4008 Ping timeout"),
        (&["close"], "wait"),
        (&["connect", "close"], "wait"),
    ];
    for (past, last) in ends {
        let (end, before) = past.split_last().unwrap();
        let mut driver = Driver::<WsMessagingClientMachine>::after(before);
        assert_eq!(driver.say(end), *last, "{past:?}");
        for input in WsMessagingClientMachine::INPUTS {
            assert_eq!((driver.say(input), driver.deadline()), ("wait".to_owned(), None), "{past:?}, then {input}");
        }
    }
}

#[test]
fn the_twenty_seconds_for_connect_are_never_prolonged() {
    for word in ["heard", "pong", "deaf", "event", "no json"] {
        let mut driver = Driver::<WsMessagingClientMachine>::new();
        driver.at(19, word);
        assert_eq!(driver.deadline(), Some(20.0), "{word}");
        assert_eq!(driver.at(19, "tick"), "wait", "{word}");
        assert_eq!(driver.at(20, "tick"), "close 4008 Auth timeout", "{word}");
    }
    assert_eq!(
        Driver::<WsMessagingClientMachine>::new().at(20, "deaf"),
        "close 4008 Auth timeout",
        "not reading gains no time"
    );
}

#[test]
fn a_ping_comes_20_seconds_after_the_last_answer_and_after_nothing_else() {
    for (word, prolongs) in [("pong", true), ("heard", false), ("event", false), ("result", false), ("ping", false)] {
        let mut driver = Driver::<WsMessagingClientMachine>::new();
        driver.at(5, "connect");
        driver.at(15, word);
        assert_eq!(driver.deadline(), Some(if prolongs { 35.0 } else { 25.0 }), "{word}");
        assert_eq!(driver.at(25, "tick"), if prolongs { "wait" } else { "ping" }, "{word}");
    }
}

#[test]
fn a_ping_without_an_answer_in_20_seconds_ends_the_connection_whatever_else_comes() {
    for (word, last) in [("pong", "wait"), ("heard", "close 4008 Ping timeout"), ("call", "close 4008 Ping timeout")] {
        let mut driver = Driver::<WsMessagingClientMachine>::after(&["connect"]);
        assert_eq!(driver.at(20, "tick"), "ping", "{word}");
        driver.at(39, word);
        assert_eq!(driver.at(39, "tick"), "wait", "{word}");
        assert_eq!(driver.at(40, "tick"), last, "{word}");
    }
}

#[test]
fn options_set_every_deadline_and_an_interval_of_zero_means_no_pings() {
    let seconds = Duration::from_secs;
    let mut driver =
        Driver::with(|now| with(WsMessaging::new().auth_timeout(seconds(3)).ping(seconds(7), seconds(2)), now));
    assert_eq!(driver.deadline(), Some(3.0));
    driver.say("connect");
    assert_eq!((driver.at(6, "tick"), driver.at(7, "tick")), ("wait".to_owned(), "ping".to_owned()));
    assert_eq!(driver.at(9, "tick"), "close 4008 Ping timeout");

    for never in [Duration::ZERO, Duration::MAX] {
        let mut driver = Driver::with(|now| with(WsMessaging::new().auth_timeout(never).ping(never, never), now));
        assert_eq!(driver.at(1_000_000, "tick"), "wait");
        assert_eq!(driver.say("connect"), r#"open {"user":"t1"}"#);
        assert_eq!(driver.at(2_000_000, "tick"), "wait");
    }
}
