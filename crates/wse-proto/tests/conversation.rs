//! The two machines against each other, through the JSON codec: both open or both close.

mod json;

use json::json;
use proptest::{option, prelude::*};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
    vec,
};
use wse_proto::{
    Cid, ClientMachine, Codec, Decision, Envelope, Hello, Input, Kind, Limits, Machine, Payload, Reason, ServerMachine,
    Step,
};

/// Frames under way in one direction.
#[derive(Default)]
struct Wire(VecDeque<Vec<u8>>);

impl Wire {
    fn send(&mut self, name: &str, payload: &Payload<'_>) {
        let mut frame = Vec::new();
        Codec::Json.write_encoded(&mut frame, name, payload, None).expect("raw JSON");
        self.0.push_back(frame);
    }

    fn take(&mut self) -> Option<Envelope<'static>> {
        let frame = self.0.pop_front()?;
        Some(Codec::Json.read(&frame, false).expect("an envelope").into_owned())
    }
}

/// Both sides of a connection: a client that solves so many challenges, and a server whose application
/// decides by a script, and does not decide any more when the script ends.
struct BothSides {
    start: Instant,
    server: ServerMachine,
    client: ClientMachine,
    up: Wire,
    down: Wire,
    script: vec::IntoIter<Decision>,
    solves: usize,
    held: Vec<Envelope<'static>>,
    /// Whom the server has let in, what the client was welcomed with, what the server has heard.
    accepted: Option<String>,
    welcomed: Option<String>,
    heard: Vec<String>,
    ended: bool,
}

impl BothSides {
    /// The eager messages leave right behind the hi.
    fn new(script: Vec<Decision>, solves: usize, eager: u32) -> Self {
        let start = Instant::now();
        let hello = Hello { identity: json(r#""ann""#), meta: json("{}") };
        let (client, hi) = ClientMachine::new(Codec::Json, &hello, None, &Limits::default(), start);
        let mut up = Wire::default();
        up.send(Kind::Hi.as_str(), &hi);
        (0..eager).for_each(|number| up.send("eager", &json(number.to_string())));
        Self {
            start,
            server: ServerMachine::new(Codec::Json, &Limits::default(), start),
            client,
            up,
            down: Wire::default(),
            script: script.into_iter(),
            solves,
            held: Vec::new(),
            accepted: None,
            welcomed: None,
            heard: Vec::new(),
            ended: false,
        }
    }

    /// Until the connection has ended or everything has arrived.
    fn run(mut self) -> Self {
        while !self.ended {
            if let Some(envelope) = self.up.take() {
                self.serve(Input::Envelope(envelope), self.start);
            } else if let Some(envelope) = self.down.take() {
                self.follow(Input::Envelope(envelope));
            } else if self.accepted.is_some() {
                break;
            } else {
                self.serve(Input::Tick, self.start + Limits::default().auth_timeout);
                assert!(self.ended, "no side speaks and the deadline does not end it");
            }
        }
        if self.ended {
            // An end reaches both, whichever side it came from.
            assert_eq!(self.server.close(self.start), None);
            assert_eq!(self.client.close(self.start), None);
        }
        self
    }

    fn serve(&mut self, input: Input<'static, Decision>, now: Instant) {
        match self.server.step(input, now) {
            Step::Wait => {}
            Step::Hold(envelope) => self.held.push(envelope),
            Step::Ask(question) => {
                assert_eq!(question.hello.identity.decode::<String>().expect("a name"), "ann");
                if let Some(verdict) = self.script.next() {
                    self.serve(Input::Answer(verdict), now);
                }
            }
            Step::Send(envelope) => self.down.send(&envelope.name, &envelope.payload),
            Step::Open(accepted) => {
                self.down.send(Kind::Welcome.as_str(), &accepted.welcome);
                self.accepted = Some(accepted.cid.to_string());
                for envelope in std::mem::take(&mut self.held) {
                    self.serve(Input::Envelope(envelope), now);
                }
            }
            Step::Deliver(Envelope { name, payload, stamp: None }) => {
                self.heard.push(format!("{name} {}", payload.decode::<u32>().expect("a number")));
            }
            Step::Close(_) | Step::Reject(..) => self.ended = true,
            step => panic!("{step:?}"),
        }
    }

    fn follow(&mut self, input: Input<'static, Payload<'static>>) {
        match self.client.step(input, self.start) {
            Step::Ask(quest) if self.solves > 0 => {
                self.solves -= 1;
                self.follow(Input::Answer(quest));
            }
            Step::Ask(_) => self.ended = true, // it does not solve it
            Step::Send(envelope) => self.up.send(&envelope.name, &envelope.payload),
            Step::Open(welcome) => {
                self.welcomed = Some(welcome.payload.decode().expect("a name"));
                self.up.send("late", &json("0"));
            }
            step => panic!("{step:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn both_ends_of_a_conversation_open_or_both_close(
        challenges in 0..5usize,
        last in option::of(prop_oneof![
            4 => Just(Decision::Accept(Cid::from("ann"), json(r#""hello ann""#))),
            1 => Just(Decision::accept("")),
            1 => Just(Decision::Refuse(Reason::default())),
            1 => Just(Decision::Later(Duration::from_secs(7))),
        ]),
        solves in 0..5usize,
        eager in 0..4u32,
    ) {
        let opens = matches!(&last, Some(Decision::Accept(cid, _)) if !cid.is_empty());
        // A challenged client says nothing but its solution.
        let opens = opens && challenges <= 3 && solves >= challenges && (challenges == 0 || eager == 0);
        let quest = Decision::Challenge(json("41"));
        let script = std::iter::repeat_n(quest, challenges).chain(last).collect();

        let end = BothSides::new(script, solves, eager).run();
        prop_assert_eq!(end.ended, !opens);
        prop_assert_eq!((end.server.deadline().is_some(), end.client.deadline().is_some()), (opens, opens));
        prop_assert_eq!(end.accepted.as_deref(), opens.then_some("ann"));
        prop_assert_eq!(end.welcomed.as_deref(), opens.then_some("hello ann"));
        let sent = (0..eager).map(|number| format!("eager {number}")).chain(["late 0".to_owned()]);
        prop_assert_eq!(end.heard, if opens { sent.collect() } else { Vec::new() });
    }
}
