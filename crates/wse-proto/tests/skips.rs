//! Places that the other side has given up: what counts, what is told of it, and what is a breach of the protocol.

use std::time::{Duration, Instant};
use wse_proto::{Closed, Codec, Decision, Input, Limits, Machine, Payload, Received, ServerMachine, Step};

const S: Duration = Duration::from_secs(1);

/// A conversation that is open, in a session or not.
fn open(session: bool, codec: &Codec, now: Instant) -> ServerMachine {
    let mut machine = ServerMachine::new(codec.clone(), &Limits::default(), now);
    let hi = frame(codec, "~wse:hi", &serde_json::json!({ "identity": "ann" }));
    let hi = machine.read(&hi, codec.binary()).expect("an envelope");
    assert!(matches!(machine.step(Input::Envelope(hi), now), Step::Ask(_)));
    assert!(matches!(machine.step(Input::Answer(Decision::accept("ann")), now), Step::Open(_)));
    if session {
        machine.keep(Received::new(25 * S, 60 * S, now));
    }
    machine
}

fn frame<P: serde::Serialize + ?Sized>(codec: &Codec, name: &str, payload: &P) -> Vec<u8> {
    let (mut frame, payload) = (Vec::new(), Payload::encode(codec.format(), payload).expect("it has a form"));
    codec.write_encoded(&mut frame, name, &payload, None).expect("it has a form");
    frame
}

fn hear<'a, P: serde::Serialize + ?Sized>(
    machine: &mut ServerMachine,
    codec: &Codec,
    (name, payload): (&str, &P),
    read: &'a mut Vec<u8>,
    now: Instant,
) -> Step<'a, <ServerMachine as Machine>::Question, <ServerMachine as Machine>::Opening> {
    *read = frame(codec, name, payload);
    let envelope = machine.read(read, codec.binary()).expect("an envelope");
    machine.step(Input::Envelope(envelope), now)
}

#[test]
fn places_that_are_given_up_count_and_are_acknowledged_with_what_stands_around_them() {
    let now = Instant::now();
    for codec in [Codec::Json, Codec::MessagePack] {
        let mut machine = open(true, &codec, now);
        let frames = &mut [const { Vec::new() }; 4];
        let [one, two, three, four] = frames;
        assert!(matches!(hear(&mut machine, &codec, ("say", "a"), one, now), Step::Deliver(_)));
        assert!(matches!(hear(&mut machine, &codec, ("~wse:skip", &3), two, now), Step::Wait));
        assert!(matches!(hear(&mut machine, &codec, ("say", "b"), three, now), Step::Deliver(_)));
        assert_eq!(machine.taken(), 5);
        let Step::Send(ack) = machine.step(Input::Tick, now + S) else { panic!("an ack is due") };
        assert_eq!((&*ack.name, ack.payload.decode().ok()), ("~wse:ack", Some(5)));
        hear(&mut machine, &codec, ("~wse:skip", &32), four, now + S);
        let Step::Send(ack) = machine.step(Input::Tick, now + S) else { panic!("an ack is due at once") };
        assert_eq!(ack.payload.decode().ok(), Some(37));
    }
}

#[test]
fn what_cannot_be_given_up_and_a_skip_without_a_session_are_breaches_of_the_protocol() {
    let (now, codec) = (Instant::now(), Codec::Json);
    let breach = |session, payload: serde_json::Value| {
        let (mut machine, mut read) = (open(session, &codec, now), Vec::new());
        let step = hear(&mut machine, &codec, ("~wse:skip", &payload), &mut read, now);
        matches!(step, Step::Reject(closed, _) if closed == Closed::protocol_error())
    };
    for payload in ["0", "-1", "1.5", "null", "\"1\"", "[1]", "{}", "9007199254740992", "18446744073709551616"] {
        assert!(breach(true, serde_json::from_str(payload).expect("it is JSON")), "{payload}");
    }
    assert!(breach(false, 1.into()) && !breach(true, 1.into()));
}
