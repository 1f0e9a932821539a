//! The server's machine of `ws-messaging`: what each input does in each state, and its deadlines.

mod json;
mod table;

use json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use table::{Driver, TableMachine, Word, check, hear, text};
use wse_proto::{
    Accepted, Cid, Decision, Envelope, Input, Machine, Question, Reason, RpError, Step, WsMessaging,
    WsMessagingServerMachine,
};

impl TableMachine for WsMessagingServerMachine {
    const STATES: &[(&str, &[&str])] =
        &[("stranger", &[]), ("thinking", &["auth"]), ("open", &["auth", "accept"]), ("closed", &["auth", "refuse"])];
    #[rustfmt::skip]
    const INPUTS: &[&str] = &[
        "auth", "event", "call", "result", "error", "ping", "ping event",
        "connect", "connect call", "retry", "retry call", "hi", "invalid", "no json",
        "accept", "accept nobody", "quest", "refuse", "refuse as", "later",
        "heard", "pong", "deaf", "tick before", "tick at", "tick after", "close",
    ];

    fn fresh(now: Instant) -> Self {
        with(WsMessaging::new(), now)
    }

    fn word(word: &str) -> Word<Decision> {
        match word {
            "auth" => Word::Frame(r#" {"token": "t1"} "#),
            "event" => Word::Frame(r#"{"name":"say","args":["hello"]}"#),
            "call" => Word::Frame(r#"{"name":"add","args":[1,2],"id":3}"#),
            "result" => Word::Frame(r#"{"id":1,"result":5}"#),
            "error" => Word::Frame(r#"{"id":1,"error":"Error: no"}"#),
            "ping" => Word::Frame(r#"{"name":"ping","args":[],"id":7}"#),
            "ping event" => Word::Frame(r#"{"name":"ping","args":[]}"#),
            "connect" => Word::Frame(r#"{"name":"connect","args":[1]}"#),
            "connect call" => Word::Frame(r#"{"name":"connect","args":[1],"id":1}"#),
            "retry" => Word::Frame(r#"{"name":"retry","args":[1]}"#),
            "retry call" => Word::Frame(r#"{"name":"retry","args":[1],"id":1}"#),
            "hi" => Word::Frame(r#"{"name":"~wse:hi","args":[1]}"#),
            "invalid" => Word::Frame(r#""str""#),
            "no json" => Word::Frame("arbitrary"),
            "accept" => Word::Input(Input::Answer(Decision::Accept(Cid::from("a7"), json("3")))),
            "accept nobody" => Word::Input(Input::Answer(Decision::accept(""))),
            "quest" => Word::Input(Input::Answer(Decision::Challenge(json("41")))),
            "refuse" => Word::Input(Input::Answer(Decision::Refuse(Reason::default()))),
            "later" => Word::Input(Input::Answer(Decision::Later(Duration::from_secs(7)))),
            "refuse as" => Word::Input(Input::Answer(Decision::Refuse("Error: Auth error".into()))),
            "heard" => Word::Heard,
            "pong" => Word::AnsweredPing,
            "deaf" => Word::Input(Input::Deaf),
            "close" => Word::Close,
            word => panic!("no input {word}"),
        }
    }

    fn asked(Question { hello, solution, .. }: &Question) -> String {
        assert!(solution.is_none(), "this wire has no challenges");
        format!("{} {}", text(&hello.identity), text(&hello.meta))
    }

    fn opened(Accepted { cid, welcome, .. }: &Accepted) -> String {
        format!("{cid} {}", text(welcome))
    }
}

fn with(options: WsMessaging, now: Instant) -> WsMessagingServerMachine {
    WsMessagingServerMachine::new(Arc::new(options), now)
}

#[test]
fn every_input_in_every_state_has_its_step() {
    check::<WsMessagingServerMachine>(
        r#"
        stranger | auth                     | ask {"token": "t1"} {}                                    | thinking
        stranger | event                    | ask {"name":"say","args":["hello"]} {}                    | thinking
        stranger | call                     | ask {"name":"add","args":[1,2],"id":3} {}                 | thinking
        stranger | result                   | ask {"id":1,"result":5} {}                                | thinking
        stranger | error                    | ask {"id":1,"error":"Error: no"} {}                       | thinking
        stranger | ping                     | ask {"name":"ping","args":[],"id":7} {}                   | thinking
        stranger | ping event               | ask {"name":"ping","args":[]} {}                          | thinking
        stranger | connect                  | ask {"name":"connect","args":[1]} {}                      | thinking
        stranger | connect call             | ask {"name":"connect","args":[1],"id":1} {}               | thinking
        stranger | retry                    | ask {"name":"retry","args":[1]} {}                        | thinking
        stranger | retry call               | ask {"name":"retry","args":[1],"id":1} {}                 | thinking
        stranger | hi                       | ask {"name":"~wse:hi","args":[1]} {}                      | thinking
        stranger | invalid                  | ask "str" {}                                              | thinking
        stranger | no json                  | close 4003 SyntaxError: Syntax error at column 1 of line 1 | closed
        stranger | accept, accept nobody    | wait                                                      | stranger
        stranger | quest, refuse, refuse as | wait                                                      | stranger
        stranger | later                    | wait                                                      | stranger
        stranger | heard, pong, deaf        | wait                                                      | stranger
        stranger | tick before              | wait                                                      | stranger
        stranger | tick at, tick after      | close 4003                                                | closed
        stranger | close                    | wait                                                      | closed

        thinking | event                    | hold say "hello"                                          | thinking
        thinking | call                     | hold add [1,2] 3                                          | thinking
        thinking | ping event               | hold ping []                                              | thinking
        thinking | result, error, ping      | wait                                                      | thinking
        thinking | connect, connect call    | wait                                                      | thinking
        thinking | retry, retry call        | wait                                                      | thinking
        thinking | auth, hi                 | wait                                                      | thinking
        thinking | invalid, no json         | wait                                                      | thinking
        thinking | accept                   | open a7 3                                                 | open
        thinking | accept nobody            | close 4003 wse.not-authorized                             | closed
        thinking | quest                    | close 4003 wse.not-authorized                             | closed
        thinking | refuse                   | close 4003 wse.not-authorized                             | closed
        thinking | refuse as                | close 4003 Error: Auth error                              | closed
        thinking | later                    | close 1013 wse.later after=7000                           | closed
        thinking | heard, pong, deaf        | wait                                                      | thinking
        thinking | tick before              | wait                                                      | thinking
        thinking | tick at, tick after      | close 1013 wse.later                                      | closed
        thinking | close                    | wait                                                      | closed

        open     | event                    | deliver say "hello"                                       | open
        open     | call                     | invoke add [1,2] 3                                        | open
        open     | result                   | settle 1 ok 5                                             | open
        open     | error                    | settle 1 err "Error: no"                                  | open
        open     | ping                     | send ~wse:response null 7                                 | open
        open     | ping event               | deliver ping []                                           | open
        open     | connect, connect call    | wait                                                      | open
        open     | retry, retry call        | wait                                                      | open
        open     | auth, hi, invalid        | send preprocessingError "Error: Validation error"         | open
        open     | no json                  | send preprocessingError "SyntaxError: Syntax error at column 1 of line 1" | open
        open     | accept, accept nobody    | wait                                                      | open
        open     | quest, refuse, refuse as | wait                                                      | open
        open     | later                    | wait                                                      | open
        open     | heard, pong              | wait                                                      | open
        open     | deaf                     | ping                                                      | open
        open     | tick before              | wait                                                      | open
        open     | tick at, tick after      | ping                                                      | open
        open     | close                    | wait                                                      | closed

        closed   | auth, event, call, result, error, ping, ping event         | wait | closed
        closed   | connect, connect call, retry, retry call, hi               | wait | closed
        closed   | invalid, no json                                           | wait | closed
        closed   | accept, accept nobody, quest, refuse, refuse as, later     | wait | closed
        closed   | heard, pong, deaf, tick before, tick at, tick after, close | wait | closed
        "#,
    );
}

#[test]
fn the_device_that_is_accepted_is_the_one_that_was_asked_about() {
    let now = Instant::now();
    let mut machine = WsMessagingServerMachine::fresh(now);
    let auth = hear(&mut machine, "[1]");
    let Step::Ask(Question { hello, .. }) = machine.step(auth, now) else { panic!("the first frame asks") };
    let Step::Open(accepted) = machine.step(Input::Answer(Decision::accept("a")), now) else {
        panic!("it is accepted")
    };
    assert_eq!((text(&hello.identity), text(&accepted.welcome)), ("[1]", "null"));
    assert!(Arc::ptr_eq(&hello, &accepted.hello));
}

#[test]
fn every_way_to_end_is_deaf_for_ever_and_has_no_deadline() {
    let ends: &[(&[&str], &str)] = &[
        (&["no json"], "close 4003 SyntaxError: Syntax error at column 1 of line 1"),
        (&["tick at"], "close 4003"),
        (&["auth", "tick at"], "close 1013 wse.later"),
        (&["auth", "quest"], "close 4003 wse.not-authorized"),
        (&["auth", "accept", "tick at", "tick at"], "close 4008 Ping timeout"),
        (&["close"], "wait"),
        (&["auth", "close"], "wait"),
        (&["auth", "accept", "close"], "wait"),
    ];
    for (past, last) in ends {
        let (end, before) = past.split_last().unwrap();
        let mut driver = Driver::<WsMessagingServerMachine>::after(before);
        assert_eq!(driver.say(end), *last, "{past:?}");
        for input in WsMessagingServerMachine::INPUTS {
            assert_eq!((driver.say(input), driver.deadline()), ("wait".to_owned(), None), "{past:?}, then {input}");
        }
    }
}

#[test]
fn what_is_held_comes_out_whole_and_in_order_once_open() {
    let now = Instant::now();
    let mut machine = WsMessagingServerMachine::fresh(now);
    let frames = [
        "{}",
        r#"{"name":"one","args":[1]}"#,
        r#"{"name":"close","args":[]}"#,
        r#"{"args":[2,[]],"name":"two","id":1}"#,
        r#"{"name":"three","args":[[3]]}"#,
    ];
    let mut held = Vec::new();
    for frame in frames {
        let input = hear(&mut machine, frame);
        match machine.step(input, now) {
            Step::Hold(envelope) => held.push(envelope),
            Step::Ask(_) | Step::Wait => {}
            step => panic!("{step:?}"),
        }
    }
    let mut driver = Driver::with(|_| machine);
    assert_eq!(driver.say("accept"), "open a7 3");
    let given: Vec<String> = held.into_iter().map(|envelope| driver.give(Input::Envelope(envelope))).collect();
    assert_eq!(given, ["deliver one 1", "invoke two [2,[]] 1", "deliver three [[3]]"]);
}

#[test]
fn every_reserved_name_is_ignored_once_open_and_no_other() {
    let mut driver = Driver::<WsMessagingServerMachine>::after(&["auth", "accept"]);
    let mut say = |name: &str| {
        let payload = json("[]");
        driver.give(Input::Envelope(Envelope { name: name.to_owned().into(), payload, stamp: None }))
    };
    for name in ["close", "open", "error", "pong", "retry", "connect"] {
        assert_eq!(say(name), "wait", "{name}");
    }
    for name in ["Close", "ping", "preprocessingError", "disconnect", "__proto__"] {
        assert_eq!(say(name), format!("deliver {name} []"));
    }
}

#[test]
fn the_twenty_seconds_for_a_verdict_start_with_the_connection_and_are_never_prolonged() {
    let pasts: [&[(u64, &str)]; 4] =
        [&[], &[(19, "heard"), (19, "pong"), (19, "deaf")], &[(19, "auth"), (19, "event")], &[(3, "auth")]];
    for past in pasts {
        let mut driver = Driver::<WsMessagingServerMachine>::new();
        for (seconds, word) in past {
            driver.at(*seconds, word);
            assert_eq!(driver.deadline(), Some(20.0), "{past:?}");
        }
        assert_eq!(driver.at(19, "tick"), "wait", "{past:?}");
        let asked = past.iter().any(|(_, word)| *word == "auth");
        let end = if asked { "close 1013 wse.later" } else { "close 4003" };
        assert_eq!(driver.at(20, "tick"), end, "{past:?}");
        assert_eq!(driver.at(20, "accept"), "wait", "{past:?}: a verdict that comes too late");
    }
}

#[test]
fn a_verdict_after_the_deadline_opens_nothing_even_before_the_tick() {
    for verdict in ["accept", "refuse as", "later", "quest"] {
        let mut driver = Driver::<WsMessagingServerMachine>::new();
        driver.at(3, "auth");
        assert_eq!(driver.at(20, verdict), "close 1013 wse.later", "{verdict}");
    }
}

#[test]
fn a_connection_that_is_not_read_has_no_more_time_for_its_verdict_than_others() {
    let mut driver = Driver::<WsMessagingServerMachine>::after(&["auth"]);
    assert_eq!(driver.at(19, "deaf"), "wait");
    assert_eq!(driver.at(20, "deaf"), "close 1013 wse.later");
}

#[test]
fn a_ping_comes_20_seconds_after_the_last_answer_and_after_nothing_else() {
    for (word, prolongs) in [("pong", true), ("heard", false), ("event", false), ("result", false), ("ping", false)] {
        let mut driver = Driver::<WsMessagingServerMachine>::new();
        driver.at(0, "auth");
        driver.at(5, "accept");
        assert_eq!(driver.deadline(), Some(25.0), "{word}");
        driver.at(15, word);
        assert_eq!(driver.deadline(), Some(if prolongs { 35.0 } else { 25.0 }), "{word}");
        assert_eq!(driver.at(25, "tick"), if prolongs { "wait" } else { "ping" }, "{word}");
    }
}

#[test]
fn a_ping_without_an_answer_in_20_seconds_ends_the_connection_whatever_else_comes() {
    for (word, last) in [("pong", "wait"), ("heard", "close 4008 Ping timeout"), ("call", "close 4008 Ping timeout")] {
        let mut driver = Driver::<WsMessagingServerMachine>::after(&["auth", "accept"]);
        assert_eq!(driver.at(20, "tick"), "ping", "{word}");
        assert_eq!(driver.deadline(), Some(40.0), "{word}");
        driver.at(39, word);
        assert_eq!(driver.at(39, "tick"), "wait", "{word}");
        assert_eq!(driver.at(40, "tick"), last, "{word}");
    }
}

#[test]
fn options_set_every_deadline_and_an_interval_of_zero_means_no_pings() {
    let seconds = Duration::from_secs;
    let options = WsMessaging::new().auth_timeout(seconds(3)).ping(seconds(7), seconds(2));
    let mut driver = Driver::with(|now| with(options, now));
    assert_eq!(driver.deadline(), Some(3.0));
    driver.say("auth");
    driver.say("accept");
    assert_eq!(driver.at(6, "tick"), "wait");
    assert_eq!(driver.at(7, "tick"), "ping");
    assert_eq!(driver.at(9, "tick"), "close 4008 Ping timeout");

    for never in [Duration::ZERO, Duration::MAX] {
        let options = WsMessaging::new().auth_timeout(never).ping(never, never);
        let mut driver = Driver::with(|now| with(options, now));
        assert_eq!(driver.at(1_000_000, "tick"), "wait");
        driver.say("auth");
        assert_eq!(driver.say("accept"), "open a7 3");
        assert_eq!(driver.at(2_000_000, "tick"), "wait");
    }
}

#[test]
fn garbage_is_answered_in_the_error_format_that_was_set_and_refused_as_it_is() {
    let options = WsMessaging::new().error_format(|error: &RpError| (error.code.clone(), error.message.clone()));
    let mut driver = Driver::with(|now| with(options.clone(), now));
    driver.say("auth");
    driver.say("accept");
    assert_eq!(
        driver.say("invalid"),
        r#"send preprocessingError [["wse.server.protocol-violation","Error: Validation error"]]"#
    );
    let mut driver = Driver::with(|now| with(options, now));
    assert_eq!(driver.say("no json"), "close 4003 SyntaxError: Syntax error at column 1 of line 1");
}
