//! The client's machine: what each input does in each state, and its heartbeat.

mod json;
mod table;

use json::json;
use std::time::{Duration, Instant};
use table::{Driver, TableMachine, Word, check, text};
use wse_proto::{ClientMachine, Codec, Features, Hello, Input, Limits, Payload, SessionRequest, Welcome};

fn hello() -> Hello {
    Hello { identity: json(r#""ann""#), meta: json(r#"{"os":1}"#) }
}

impl TableMachine for ClientMachine {
    const STATES: &[(&str, &[&str])] =
        &[("waiting", &[]), ("solving", &["quest"]), ("open", &["welcome"]), ("closed", &["close"])];
    #[rustfmt::skip]
    const INPUTS: &[&str] = &[
        "hi", "quest", "welcome", "reserved",
        "result", "result S", "error", "error S", "message", "call", "probe", "bare probe", "cancel", "bare cancel", "renew", "bare renew", "garbage",
        "solution", "heard", "pong", "deaf", "tick before", "tick at", "tick after", "close",
    ];

    fn fresh(now: Instant) -> Self {
        ClientMachine::new(Codec::Json, &hello(), None, &Limits::default(), now).0
    }

    fn word(word: &str) -> Word<Payload<'static>> {
        match word {
            "hi" => Word::Frame(r#"["~wse:hi",{"identity":"ann","meta":{}}]"#),
            "quest" => Word::Frame(r#"["~wse:challenge",41]"#),
            "welcome" => Word::Frame(r#"["~wse:welcome",{"hello":"ann"}]"#),
            "reserved" => Word::Frame(r#"["~wse:call",1,"S"]"#),
            "result" => Word::Frame(r#"["~wse:response",5]"#),
            "result S" => Word::Frame(r#"["~wse:response",5,"S"]"#),
            "error" => Word::Frame(r#"["~wse:response-err",{"code":"X"}]"#),
            "error S" => Word::Frame(r#"["~wse:response-err",{"code":"X"},"S"]"#),
            "message" => Word::Frame(r#"["say","hello"]"#),
            "call" => Word::Frame(r#"["add",[1,2],"S"]"#),
            "probe" => Word::Frame(r#"["~wse:ping",null,"S"]"#),
            "bare probe" => Word::Frame(r#"["~wse:ping",null]"#),
            "cancel" => Word::Frame(r#"["~wse:cancel",null,"S"]"#),
            "bare cancel" => Word::Frame(r#"["~wse:cancel",null]"#),
            "renew" => Word::Frame(r#"["~wse:identity",null,"S"]"#),
            "bare renew" => Word::Frame(r#"["~wse:identity",null]"#),
            "solution" => Word::Input(Input::Answer(json("42"))),
            "garbage" => Word::Frame(r#"{"name":"say","args":[]}"#),
            "heard" => Word::Heard,
            "pong" => Word::AnsweredPing,
            "deaf" => Word::Input(Input::Deaf),
            "close" => Word::Close,
            word => panic!("no input {word}"),
        }
    }

    fn asked(quest: &Payload<'static>) -> String {
        text(quest).to_owned()
    }

    fn opened(welcome: &Welcome) -> String {
        text(&welcome.payload).to_owned()
    }
}

#[test]
fn every_input_in_every_state_has_its_step() {
    check::<ClientMachine>(
        r#"
        waiting | hi          | close 1000 wse.protocol-error | closed
        waiting | quest       | ask 41                        | solving
        waiting | welcome     | open {"hello":"ann"}          | open
        waiting | reserved    | close 1000 wse.protocol-error | closed
        waiting | result      | close 1000 wse.protocol-error | closed
        waiting | result S    | close 1000 wse.protocol-error | closed
        waiting | error       | close 1000 wse.protocol-error | closed
        waiting | error S     | close 1000 wse.protocol-error | closed
        waiting | message     | close 1000 wse.protocol-error | closed
        waiting | call        | close 1000 wse.protocol-error | closed
        waiting | probe       | close 1000 wse.protocol-error | closed
        waiting | bare probe, cancel, bare cancel, renew, bare renew | close 1000 wse.protocol-error | closed
        waiting | garbage     | close 1000 wse.protocol-error | closed
        waiting | solution    | wait                          | waiting
        waiting | heard       | wait                          | waiting
        waiting | pong        | wait                          | waiting
        waiting | deaf        | ping                          | waiting
        waiting | tick before | wait                          | waiting
        waiting | tick at     | ping                          | waiting
        waiting | tick after  | ping                          | waiting
        waiting | close       | wait                          | closed

        solving | hi          | close 1000 wse.protocol-error | closed
        solving | quest       | close 1000 wse.protocol-error | closed
        solving | welcome     | close 1000 wse.protocol-error | closed
        solving | reserved    | close 1000 wse.protocol-error | closed
        solving | result      | close 1000 wse.protocol-error | closed
        solving | result S    | close 1000 wse.protocol-error | closed
        solving | error       | close 1000 wse.protocol-error | closed
        solving | error S     | close 1000 wse.protocol-error | closed
        solving | message     | close 1000 wse.protocol-error | closed
        solving | call        | close 1000 wse.protocol-error | closed
        solving | probe       | close 1000 wse.protocol-error | closed
        solving | bare probe, cancel, bare cancel, renew, bare renew | close 1000 wse.protocol-error | closed
        solving | garbage     | close 1000 wse.protocol-error | closed
        solving | solution    | send ~wse:challenge 42        | waiting
        solving | heard       | wait                          | solving
        solving | pong        | wait                          | solving
        solving | deaf        | ping                          | solving
        solving | tick before | wait                          | solving
        solving | tick at     | ping                          | solving
        solving | tick after  | ping                          | solving
        solving | close       | wait                          | closed

        open    | hi          | close 1000 wse.protocol-error | closed
        open    | quest       | close 1000 wse.protocol-error | closed
        open    | welcome     | close 1000 wse.protocol-error | closed
        open    | reserved    | close 1000 wse.protocol-error | closed
        open    | result      | wait                          | open
        open    | result S    | settle S ok 5                 | open
        open    | error       | wait                          | open
        open    | error S     | settle S err {"code":"X"}     | open
        open    | message     | deliver say "hello"           | open
        open    | call        | invoke add [1,2] S            | open
        open    | probe       | answer ~wse:response null S   | open
        open    | cancel      | cancel S                      | open
        open    | renew       | renew S                       | open
        open    | bare probe, bare cancel, bare renew | wait                          | open
        open    | garbage     | close 1000 wse.protocol-error | closed
        open    | solution    | wait                          | open
        open    | heard       | wait                          | open
        open    | pong        | wait                          | open
        open    | deaf        | ping                          | open
        open    | tick before | wait                          | open
        open    | tick at     | ping                          | open
        open    | tick after  | ping                          | open
        open    | close       | wait                          | closed

        closed  | hi          | wait                          | closed
        closed  | quest       | wait                          | closed
        closed  | welcome     | wait                          | closed
        closed  | reserved    | wait                          | closed
        closed  | result      | wait                          | closed
        closed  | result S    | wait                          | closed
        closed  | error       | wait                          | closed
        closed  | error S     | wait                          | closed
        closed  | message     | wait                          | closed
        closed  | call        | wait                          | closed
        closed  | probe       | wait                          | closed
        closed  | bare probe, cancel, bare cancel, renew, bare renew | wait                          | closed
        closed  | garbage     | wait                          | closed
        closed  | solution    | wait                          | closed
        closed  | heard       | wait                          | closed
        closed  | pong        | wait                          | closed
        closed  | deaf        | wait                          | closed
        closed  | tick before | wait                          | closed
        closed  | tick at     | wait                          | closed
        closed  | tick after  | wait                          | closed
        closed  | close       | wait                          | closed
        "#,
    );
}

#[test]
fn the_first_thing_to_send_is_the_hi() {
    let (_, hi) = ClientMachine::new(Codec::Json, &hello(), None, &Limits::default(), Instant::now());
    assert_eq!(text(&hi), r#"{"identity":"ann","meta":{"os":1}}"#);
    assert_eq!(Hello::read(&hi).unwrap(), (hello(), None, Features::NONE));
    let asks = Some(&SessionRequest::New);
    let (_, hi) = ClientMachine::new(Codec::Json, &hello(), asks, &Limits::default(), Instant::now());
    assert_eq!(Hello::read(&hi).unwrap(), (hello(), Some(SessionRequest::New), Features::ALL));
}

#[test]
fn every_quest_is_solved_for_as_long_as_the_server_asks() {
    let mut driver = Driver::<ClientMachine>::new();
    for _ in 0..10 {
        assert_eq!(driver.say("quest"), "ask 41");
        assert_eq!(driver.say("solution"), "send ~wse:challenge 42");
        assert_eq!(driver.say("solution"), "wait", "a quest has one solution");
    }
    assert_eq!(driver.say("welcome"), r#"open {"hello":"ann"}"#);
}

#[test]
fn every_way_to_end_is_deaf_for_ever_and_has_no_deadline() {
    let ends: &[(&[&str], &str)] = &[
        (&["message"], "close 1000 wse.protocol-error"),
        (&["quest", "welcome"], "close 1000 wse.protocol-error"),
        (&["welcome", "quest"], "close 1000 wse.protocol-error"),
        (&["tick at", "tick at"], "close 1006 wse.silent"),
        (&["quest", "tick at", "tick at"], "close 1006 wse.silent"),
        (&["welcome", "tick at", "tick after"], "close 1006 wse.silent"),
        (&["close"], "wait"),
        (&["quest", "close"], "wait"),
        (&["welcome", "close"], "wait"),
    ];
    for (past, last) in ends {
        let (end, before) = past.split_last().unwrap();
        let mut driver = Driver::<ClientMachine>::after(before);
        assert_eq!(driver.say(end), *last, "{past:?}");
        for input in ClientMachine::INPUTS {
            assert_eq!((driver.say(input), driver.deadline()), ("wait".to_owned(), None), "{past:?}, then {input}");
        }
    }
}

#[test]
fn silence_is_pinged_after_25_seconds_and_final_after_10_more_in_every_state() {
    for past in [&[][..], &["quest"], &["welcome"]] {
        let mut driver = Driver::<ClientMachine>::new();
        past.iter().for_each(|word| drop(driver.at(7, word)));
        let last = if past.is_empty() { 0 } else { 7 };
        assert_eq!(driver.deadline(), Some(last as f64 + 25.0), "{past:?}");
        assert_eq!(driver.at(last + 24, "tick"), "wait", "{past:?}");
        assert_eq!(driver.at(last + 25, "tick"), "ping", "{past:?}");
        assert_eq!(driver.deadline(), Some(last as f64 + 35.0), "{past:?}");
        assert_eq!(driver.at(last + 34, "tick"), "wait", "{past:?}");
        assert_eq!(driver.at(last + 35, "tick"), "close 1006 wse.silent", "{past:?}");
    }
}

#[test]
fn anything_from_the_server_is_a_sign_of_life_and_a_solution_is_not() {
    for (word, prolongs) in [("heard", true), ("pong", true), ("welcome", true), ("solution", false)] {
        let mut driver = Driver::<ClientMachine>::after(if word == "welcome" { &[] } else { &["quest"] });
        assert_eq!(driver.at(25, "tick"), "ping");
        driver.at(34, word);
        assert_eq!(driver.deadline(), Some(if prolongs { 59.0 } else { 35.0 }), "{word}");
        let expected = if prolongs { "wait" } else { "close 1006 wse.silent" };
        assert_eq!(driver.at(35, "tick"), expected, "{word}");
    }
}

#[test]
fn a_heartbeat_too_slow_to_count_never_beats_and_never_panics() {
    let limits = Limits { ping_interval: Duration::MAX, ping_timeout: Duration::MAX, ..Limits::default() };
    let mut driver = Driver::with(|now| ClientMachine::new(Codec::Json, &hello(), None, &limits, now).0);
    driver.say("welcome");
    assert_eq!(driver.at(1_000_000, "message"), r#"deliver say "hello""#);
    assert_eq!(driver.at(2_000_000, "tick"), "wait");
}
