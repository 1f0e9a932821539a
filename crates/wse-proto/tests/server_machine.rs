//! The server's machine: what each input does in each state, and its deadlines.

mod json;
mod table;

use json::json;
use std::time::{Duration, Instant};
use table::{Driver, TableMachine, Word, check, hear, text};
use wse_proto::{Accepted, Cid, Codec, Decision, Input, Limits, Machine, Question, Reason, ServerMachine, Step};

impl TableMachine for ServerMachine {
    const STATES: &[(&str, &[&str])] = &[
        ("stranger", &[]),
        ("thinking", &["hi"]),
        ("challenged", &["hi", "quest"]),
        ("open", &["hi", "accept"]),
        ("closed", &["hi", "refuse"]),
    ];
    #[rustfmt::skip]
    const INPUTS: &[&str] = &[
        "hi", "bad hi", "hi list", "solution", "welcome", "reserved",
        "result", "result S", "error", "error S", "message", "call", "probe", "bare probe", "cancel", "bare cancel", "renew", "bare renew", "garbage",
        "accept", "accept nobody", "quest", "refuse", "refuse as", "later",
        "heard", "pong", "deaf", "tick before", "tick at", "tick after", "close",
    ];

    fn fresh(now: Instant) -> Self {
        ServerMachine::new(Codec::Json, &Limits::default(), now)
    }

    fn word(word: &str) -> Word<Decision> {
        match word {
            "hi" => Word::Frame(r#"["~wse:hi",{"identity":"ann","meta":{"os":1}},null]"#),
            "bad hi" => Word::Frame(r#"["~wse:hi","ann"]"#),
            "hi list" => Word::Frame(r#"["~wse:hi",["ann",{}]]"#),
            "solution" => Word::Frame(r#"["~wse:challenge",42]"#),
            "welcome" => Word::Frame(r#"["~wse:welcome",null]"#),
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
            "accept" => Word::Input(Input::Answer(Decision::Accept(Cid::from("a7"), json("3")))),
            "accept nobody" => Word::Input(Input::Answer(Decision::accept(""))),
            "quest" => Word::Input(Input::Answer(Decision::Challenge(json("41")))),
            "refuse" => Word::Input(Input::Answer(Decision::Refuse(Reason::default()))),
            "refuse as" => Word::Input(Input::Answer(Decision::Refuse("banned".into()))),
            "later" => Word::Input(Input::Answer(Decision::Later(Duration::from_secs(7)))),
            "garbage" => Word::Frame(r#"{"name":"say","args":[]}"#),
            "heard" => Word::Heard,
            "pong" => Word::AnsweredPing,
            "deaf" => Word::Input(Input::Deaf),
            "close" => Word::Close,
            word => panic!("no input {word}"),
        }
    }

    fn asked(Question { hello, solution, .. }: &Question) -> String {
        let solution = solution.as_ref().map(|it| format!(" quest {} answer {}", text(&it.quest), text(&it.answer)));
        format!("{} {}{}", text(&hello.identity), text(&hello.meta), solution.unwrap_or_default())
    }

    fn opened(Accepted { cid, welcome, hello, .. }: &Accepted) -> String {
        format!("{cid} {} for {}", text(welcome), text(&hello.identity))
    }
}

#[test]
fn every_input_in_every_state_has_its_step() {
    check::<ServerMachine>(
        r#"
        stranger   | hi            | ask "ann" {"os":1}                    | thinking
        stranger   | bad hi        | close 1000 wse.protocol-error         | closed
        stranger   | hi list       | close 1000 wse.protocol-error         | closed
        stranger   | solution      | close 1000 wse.protocol-error         | closed
        stranger   | welcome       | close 1000 wse.protocol-error         | closed
        stranger   | reserved      | close 1000 wse.protocol-error         | closed
        stranger   | result        | close 1000 wse.protocol-error         | closed
        stranger   | result S      | close 1000 wse.protocol-error         | closed
        stranger   | error         | close 1000 wse.protocol-error         | closed
        stranger   | error S       | close 1000 wse.protocol-error         | closed
        stranger   | message       | close 1000 wse.protocol-error         | closed
        stranger   | call, probe, bare probe, cancel, bare cancel, renew, bare renew | close 1000 wse.protocol-error         | closed
        stranger   | garbage       | close 1000 wse.protocol-error         | closed
        stranger   | accept, accept nobody, quest, refuse, refuse as, later | wait | stranger
        stranger   | heard, pong   | wait                                  | stranger
        stranger   | deaf          | wait                                  | stranger
        stranger   | tick before   | wait                                  | stranger
        stranger   | tick at       | close 1000 wse.auth-timeout           | closed
        stranger   | tick after    | close 1000 wse.auth-timeout           | closed
        stranger   | close         | wait                                  | closed

        thinking   | hi            | wait                                  | thinking
        thinking   | bad hi        | wait                                  | thinking
        thinking   | hi list       | wait                                  | thinking
        thinking   | solution      | wait                                  | thinking
        thinking   | welcome       | wait                                  | thinking
        thinking   | reserved      | wait                                  | thinking
        thinking   | result        | wait                                  | thinking
        thinking   | result S      | wait                                  | thinking
        thinking   | error         | wait                                  | thinking
        thinking   | error S       | wait                                  | thinking
        thinking   | message       | hold say "hello"                      | thinking
        thinking   | call          | hold add [1,2] S                      | thinking
        thinking   | probe, bare probe, cancel, bare cancel, renew, bare renew | wait                                  | thinking
        thinking   | garbage       | close 1000 wse.protocol-error         | closed
        thinking   | accept        | open a7 3 for "ann"                   | open
        thinking   | accept nobody | close 1000 wse.not-authorized         | closed
        thinking   | quest         | send ~wse:challenge 41                | challenged
        thinking   | refuse        | close 1000 wse.not-authorized         | closed
        thinking   | refuse as     | close 1000 banned                     | closed
        thinking   | later         | close 1013 wse.later after=7000       | closed
        thinking   | heard, pong   | wait                                  | thinking
        thinking   | deaf          | wait                                  | thinking
        thinking   | tick before   | wait                                  | thinking
        thinking   | tick at       | close 1013 wse.later                  | closed
        thinking   | tick after    | close 1013 wse.later                  | closed
        thinking   | close         | wait                                  | closed

        challenged | hi            | close 1000 wse.protocol-error         | closed
        challenged | bad hi        | close 1000 wse.protocol-error         | closed
        challenged | hi list       | close 1000 wse.protocol-error         | closed
        challenged | solution      | ask "ann" {"os":1} quest 41 answer 42 | thinking
        challenged | welcome       | close 1000 wse.protocol-error         | closed
        challenged | reserved      | close 1000 wse.protocol-error         | closed
        challenged | result        | close 1000 wse.protocol-error         | closed
        challenged | result S      | close 1000 wse.protocol-error         | closed
        challenged | error         | close 1000 wse.protocol-error         | closed
        challenged | error S       | close 1000 wse.protocol-error         | closed
        challenged | message       | close 1000 wse.protocol-error         | closed
        challenged | call, probe, bare probe, cancel, bare cancel, renew, bare renew | close 1000 wse.protocol-error         | closed
        challenged | garbage       | close 1000 wse.protocol-error         | closed
        challenged | accept, accept nobody, quest, refuse, refuse as, later | wait | challenged
        challenged | heard, pong   | wait                                  | challenged
        challenged | deaf          | wait                                  | challenged
        challenged | tick before   | wait                                  | challenged
        challenged | tick at       | close 1000 wse.auth-timeout           | closed
        challenged | tick after    | close 1000 wse.auth-timeout           | closed
        challenged | close         | wait                                  | closed

        open       | hi            | close 1000 wse.protocol-error         | closed
        open       | bad hi        | close 1000 wse.protocol-error         | closed
        open       | hi list       | close 1000 wse.protocol-error         | closed
        open       | solution      | close 1000 wse.protocol-error         | closed
        open       | welcome       | close 1000 wse.protocol-error         | closed
        open       | reserved      | close 1000 wse.protocol-error         | closed
        open       | result        | wait                                  | open
        open       | result S      | settle S ok 5                         | open
        open       | error         | wait                                  | open
        open       | error S       | settle S err {"code":"X"}             | open
        open       | message       | deliver say "hello"                   | open
        open       | call          | invoke add [1,2] S                    | open
        open       | probe         | answer ~wse:response null S           | open
        open       | cancel        | cancel S                              | open
        open       | renew         | renew S                               | open
        open       | bare probe, bare cancel, bare renew | wait                                  | open
        open       | garbage       | close 1000 wse.protocol-error         | closed
        open       | accept, accept nobody, quest, refuse, refuse as, later | wait | open
        open       | heard         | wait                                  | open
        open       | pong          | wait                                  | open
        open       | deaf          | ping                                  | open
        open       | tick before   | wait                                  | open
        open       | tick at       | ping                                  | open
        open       | tick after    | ping                                  | open
        open       | close         | wait                                  | closed

        closed     | hi, bad hi, hi list, solution, welcome, reserved     | wait | closed
        closed     | result, result S, error, error S                     | wait | closed
        closed     | message, call, probe, bare probe, cancel, bare cancel, renew, bare renew, garbage            | wait | closed
        closed     | heard, pong, deaf                                    | wait | closed
        closed     | accept, accept nobody, quest                         | wait | closed
        closed     | refuse, refuse as, later                             | wait | closed
        closed     | tick before, tick at, tick after, close              | wait | closed
        "#,
    );
}

#[test]
fn every_way_to_end_is_deaf_for_ever_and_has_no_deadline() {
    let ends: &[(&[&str], &str)] = &[
        (&["hi", "refuse"], "close 1000 wse.not-authorized"),
        (&["hi", "refuse as"], "close 1000 banned"),
        (&["hi", "later"], "close 1013 wse.later after=7000"),
        (&["hi", "accept nobody"], "close 1000 wse.not-authorized"),
        (&["hi", "quest", "solution", "refuse"], "close 1000 wse.not-authorized"),
        (&["message"], "close 1000 wse.protocol-error"),
        (&["hi", "garbage"], "close 1000 wse.protocol-error"),
        (&["hi", "quest", "hi"], "close 1000 wse.protocol-error"),
        (&["hi", "accept", "welcome"], "close 1000 wse.protocol-error"),
        (&["hi", "quest", "message"], "close 1000 wse.protocol-error"),
        (&["tick at"], "close 1000 wse.auth-timeout"),
        (&["hi", "tick at"], "close 1013 wse.later"),
        (&["hi", "quest", "tick at"], "close 1000 wse.auth-timeout"),
        (&["hi", "quest", "solution", "tick at"], "close 1013 wse.later"),
        (&["hi", "accept", "tick at", "tick at"], "close 1006 wse.silent"),
        (&["close"], "wait"),
        (&["hi", "close"], "wait"),
        (&["hi", "accept", "close"], "wait"),
    ];
    for (past, last) in ends {
        let (end, before) = past.split_last().unwrap();
        let mut driver = Driver::<ServerMachine>::after(before);
        assert_eq!(driver.say(end), *last, "{past:?}");
        for input in ServerMachine::INPUTS {
            assert_eq!((driver.say(input), driver.deadline()), ("wait".to_owned(), None), "{past:?}, then {input}");
        }
    }
}

#[test]
fn what_is_held_comes_out_whole_and_in_order_once_open() {
    let now = Instant::now();
    let mut machine = ServerMachine::fresh(now);
    let script = [
        ServerMachine::word("hi"),
        Word::Frame(r#"["one",1]"#),
        Word::Frame(r#"["two",[2],"S2"]"#),
        ServerMachine::word("quest"),
        ServerMachine::word("solution"),
        Word::Frame(r#"["three"]"#),
        Word::Frame(r#"["four",{"4":4}]"#),
        ServerMachine::word("accept"),
    ];
    let mut held = Vec::new();
    for word in script {
        let input = match word {
            Word::Frame(frame) => hear(&mut machine, frame),
            Word::Input(input) => input,
            _ => panic!("a script of inputs"),
        };
        match machine.step(input, now) {
            Step::Hold(envelope) => held.push(envelope),
            Step::Ask(_) | Step::Send(..) | Step::Open(_) => {}
            step => panic!("{step:?}"),
        }
    }
    let mut driver = Driver::with(|_| machine);
    let given: Vec<String> = held.into_iter().map(|envelope| driver.give(Input::Envelope(envelope))).collect();
    assert_eq!(given, ["deliver one 1", "invoke two [2] S2", "deliver three null", r#"deliver four {"4":4}"#]);
}

#[test]
fn three_solutions_may_be_tried_and_a_fourth_challenge_refuses() {
    let mut driver = Driver::<ServerMachine>::new();
    assert_eq!(driver.say("hi"), r#"ask "ann" {"os":1}"#);
    for number in 1..=3 {
        let quest = json(format!(r#""quest {number}""#));
        let sent = driver.give(Input::Answer(Decision::Challenge(quest)));
        assert_eq!(sent, format!(r#"send ~wse:challenge "quest {number}""#));
        assert_eq!(driver.say("solution"), format!(r#"ask "ann" {{"os":1}} quest "quest {number}" answer 42"#));
    }
    assert_eq!(driver.say("quest"), "close 1000 wse.not-authorized");
    assert_eq!(driver.say("solution"), "wait");
}

#[test]
fn the_third_solution_can_still_be_accepted() {
    let mut driver =
        Driver::<ServerMachine>::after(&["hi", "quest", "solution", "quest", "solution", "quest", "solution"]);
    assert_eq!(driver.say("accept"), r#"open a7 3 for "ann""#);
}

#[test]
fn a_server_that_allows_no_solution_refuses_at_the_first_challenge() {
    let limits = Limits { challenges: 0, ..Limits::default() };
    let mut driver = Driver::with(|now| ServerMachine::new(Codec::Json, &limits, now));
    driver.say("hi");
    assert_eq!(driver.say("quest"), "close 1000 wse.not-authorized");
}

#[test]
fn the_ten_seconds_for_a_verdict_start_with_the_connection_and_are_never_prolonged() {
    let (theirs, ours) = ("close 1000 wse.auth-timeout", "close 1013 wse.later");
    let pasts: [(&[(u64, &str)], &str); 5] = [
        (&[], theirs),
        (&[(9, "heard")], theirs),
        (&[(9, "hi"), (9, "message")], ours),
        (&[(3, "hi"), (6, "quest"), (9, "heard")], theirs),
        (&[(3, "hi"), (6, "quest"), (9, "solution")], ours),
    ];
    for (past, end) in pasts {
        let mut driver = Driver::<ServerMachine>::new();
        for (seconds, word) in past {
            driver.at(*seconds, word);
            assert_eq!(driver.deadline(), Some(10.0), "{past:?}");
        }
        assert_eq!(driver.at(9, "tick"), "wait", "{past:?}");
        assert_eq!(driver.at(10, "tick"), end, "{past:?}");
        assert_eq!(driver.at(10, "accept"), "wait", "{past:?}: a verdict that comes too late");
    }
}

#[test]
fn a_verdict_after_the_deadline_opens_nothing_even_before_the_tick() {
    let mut driver = Driver::<ServerMachine>::new();
    driver.at(3, "hi");
    assert_eq!(driver.at(10, "accept"), "close 1013 wse.later");
}

#[test]
fn the_verdict_ends_the_auth_deadline_and_starts_the_heartbeat() {
    let mut driver = Driver::<ServerMachine>::new();
    driver.at(1, "hi");
    driver.at(9, "accept");
    assert_eq!(driver.deadline(), Some(34.0));
    assert_eq!(driver.at(10, "tick"), "wait");
    assert_eq!(driver.at(33, "tick"), "wait");
    assert_eq!(driver.at(34, "tick"), "ping");
    assert_eq!(driver.deadline(), Some(44.0));
    assert_eq!(driver.at(43, "tick"), "wait");
    assert_eq!(driver.at(44, "tick"), "close 1006 wse.silent");
    assert_eq!(driver.deadline(), None);
}

#[test]
fn anything_from_the_peer_is_a_sign_of_life_and_nothing_from_the_application_is() {
    for (word, prolongs) in
        [("heard", true), ("pong", true), ("message", true), ("result", true), ("accept", false), ("quest", false)]
    {
        let mut driver = Driver::<ServerMachine>::new();
        driver.at(0, "hi");
        driver.at(0, "accept");
        assert_eq!(driver.at(25, "tick"), "ping");
        driver.at(34, word);
        assert_eq!(driver.deadline(), Some(if prolongs { 59.0 } else { 35.0 }), "{word}");
        let expected = if prolongs { "wait" } else { "close 1006 wse.silent" };
        assert_eq!(driver.at(35, "tick"), expected, "{word}");
    }
}

#[test]
fn a_late_tick_pings_first_and_leaves_the_peer_its_ten_seconds() {
    let mut driver = Driver::<ServerMachine>::after(&["hi", "accept"]);
    assert_eq!(driver.at(600, "tick"), "ping");
    assert_eq!(driver.at(609, "tick"), "wait");
    assert_eq!(driver.at(610, "tick"), "close 1006 wse.silent");
}

#[test]
fn deadlines_too_far_to_count_are_never_reached_and_never_panic() {
    let never = Duration::MAX;
    let limits = Limits { auth_timeout: never, ping_interval: never, ping_timeout: never, ..Limits::default() };
    let mut driver = Driver::with(|now| ServerMachine::new(Codec::Json, &limits, now));
    assert_eq!(driver.at(1_000_000, "tick"), "wait");
    driver.at(1_000_000, "hi");
    assert_eq!(driver.at(1_000_000, "accept"), r#"open a7 3 for "ann""#);
    assert_eq!(driver.at(2_000_000, "tick"), "wait");
}
