//! The two machines of `ws-messaging` against each other, through the codec in either format: both
//! open or both close.

mod json;

use json::json;
use proptest::{collection::vec, option, prelude::*};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
    vec,
};
use wse_proto::{
    Cid, Codec, Decision, Envelope, Format, Hello, Input, Kind, Machine, Payload, Step, WsMessaging,
    WsMessagingClientMachine, WsMessagingServerMachine,
};

/// Both sides of a connection: a server whose application decides after so many more frames, or does not
/// decide, and a client that speaks early.
struct BothSides {
    start: Instant,
    codec: Codec,
    server: WsMessagingServerMachine,
    client: WsMessagingClientMachine,
    up: VecDeque<Vec<u8>>,
    down: VecDeque<Vec<u8>>,
    verdict: Option<Decision>,
    thinks: usize,
    held: Vec<Envelope<'static>>,
    /// Whom the server has let in, what the client was welcomed with, what each side has heard.
    accepted: Option<String>,
    welcomed: Option<Payload<'static>>,
    heard: Vec<String>,
    answered: Vec<String>,
    told: Vec<String>,
    ended: Option<String>,
}

impl BothSides {
    fn new(format: Format, verdict: Option<Decision>, thinks: usize, eager: &[Vec<u8>]) -> Self {
        let start = Instant::now();
        let options = WsMessaging::new();
        let options = Arc::new(if format == Format::MessagePack { options.messagepack() } else { options });
        let identity = json(r#"{"token":"t1"}"#).translated(format).expect("JSON has a form").into_owned();
        let hello = Hello { identity, meta: Hello::no_meta(format) };
        let (client, auth) = WsMessagingClientMachine::new(options.clone(), &hello, start);
        let mut it = Self {
            start,
            codec: Codec::WsMessaging(options.clone(), format),
            server: WsMessagingServerMachine::new(options, start),
            client,
            up: VecDeque::new(),
            down: VecDeque::new(),
            verdict,
            thinks,
            held: Vec::new(),
            accepted: None,
            welcomed: None,
            heard: Vec::new(),
            answered: Vec::new(),
            told: Vec::new(),
            ended: None,
        };
        it.up.push_back(it.frame(Kind::Hi.as_str(), &auth, None));
        it.up.extend(eager.iter().cloned());
        it
    }

    fn frame(&self, name: &str, payload: &Payload<'_>, id: Option<&str>) -> Vec<u8> {
        let mut frame = Vec::new();
        self.codec.write_encoded(&mut frame, name, payload, id).expect("it has a form");
        frame
    }

    /// Until the connection has ended or everything has arrived.
    fn run(mut self) -> Self {
        let mut read = 0;
        while self.ended.is_none() {
            if read > self.thinks
                && let Some(verdict) = self.verdict.take()
            {
                self.serve(Input::Answer(verdict), self.start);
            } else if let Some(frame) = self.up.pop_front() {
                read += 1;
                let input = match self.server.read(&frame, self.codec.binary()) {
                    Ok(envelope) => Input::Envelope(envelope.into_owned()),
                    Err(error) => Input::Garbage(error),
                };
                self.serve(input, self.start);
            } else if let Some(frame) = self.down.pop_front() {
                let input = match self.client.read(&frame, self.codec.binary()) {
                    Ok(envelope) => Input::Envelope(envelope.into_owned()),
                    Err(error) => Input::Garbage(error),
                };
                self.follow(input);
            } else if self.accepted.is_some() {
                break;
            } else {
                self.serve(Input::Tick, self.server.deadline().expect("it waits for its verdict"));
                assert!(self.ended.is_some(), "no side speaks and the deadline does not end it");
            }
        }
        if self.ended.is_some() {
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
                let identity: serde_json::Value = question.hello.identity.decode().expect("it decodes");
                assert_eq!(identity, serde_json::json!({"token": "t1"}));
                assert_eq!(question.hello.meta, Hello::no_meta(self.codec.format()));
            }
            Step::Send(Envelope { name, payload, stamp }) => {
                self.down.push_back(self.frame(&name, &payload, stamp.as_deref()));
            }
            Step::Open(accepted) => {
                self.down.push_back(self.frame(Kind::Welcome.as_str(), &accepted.welcome, None));
                self.accepted = Some(accepted.cid.to_string());
                for envelope in std::mem::take(&mut self.held) {
                    self.serve(Input::Envelope(envelope), now);
                }
            }
            Step::Deliver(Envelope { name, payload, stamp }) => {
                if let Some(stamp) = stamp {
                    self.down.push_back(self.frame(Kind::Response.as_str(), &payload, Some(&stamp)));
                }
                self.heard.push(said(&name, &payload));
            }
            Step::Close(closed) | Step::Reject(closed, _) => self.ended = Some(closed.to_string()),
            step => panic!("{step:?}"),
        }
    }

    fn follow(&mut self, input: Input<'static, Payload<'static>>) {
        match self.client.step(input, self.start) {
            Step::Open(welcome) => {
                self.welcomed = Some(welcome.payload);
                for (name, payload, id) in
                    [("late", json("[0]"), None), ("sum", json("[1,[2]]"), Some("1")), ("ping", json("[]"), Some("2"))]
                {
                    self.up.push_back(self.frame(name, &payload, id));
                }
                self.up.push_back(b"\xc1".to_vec());
            }
            Step::Settle { stamp, outcome } => {
                self.answered.push(said(&stamp, &outcome.expect("every call succeeds")));
            }
            Step::Deliver(Envelope { name, stamp: None, .. }) => self.told.push(name.into_owned()),
            step => panic!("{step:?}"),
        }
    }
}

fn said(name: &str, payload: &Payload<'_>) -> String {
    format!("{name} {}", payload.decode::<serde_json::Value>().expect("it decodes"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn both_ends_of_a_conversation_open_or_both_close(
        format in prop::sample::select(vec![Format::Json, Format::MessagePack]),
        verdict in option::weighted(0.8, prop_oneof![
            6 => prop::sample::select(vec!["null", "5", "[]", "[1,[2]]", "[[]]", "{\"user\":\"t1\"}"])
                .prop_map(|welcome| Decision::Accept(Cid::from("ann"), json(welcome))),
            1 => Just(Decision::accept("")),
            1 => Just(Decision::Challenge(json("41"))),
            1 => Just(Decision::Refuse("Error: Auth error".into())),
            1 => Just(Decision::Later(Duration::from_secs(7))),
        ]),
        eager in vec(prop::sample::select(vec!["event", "call", "ping", "garbage"]), 0..5),
        thinks in any::<prop::sample::Index>(),
    ) {
        let codec = Codec::WsMessaging(Arc::new(WsMessaging::new()), format);
        let early = eager.iter().map(|what| {
            let mut frame = Vec::new();
            match *what {
                "event" => codec.write(&mut frame, "early", &7, None).unwrap(),
                "call" => codec.write(&mut frame, "early", &[8, 8], Some("9")).unwrap(),
                "ping" => codec.write(&mut frame, "ping", &[0; 0], Some("10")).unwrap(),
                _ => frame.extend_from_slice(b"\xc1"),
            }
            frame
        });
        let early: Vec<Vec<u8>> = early.collect();
        let thinks = thinks.index(early.len() + 1);
        let welcome = match &verdict {
            Some(Decision::Accept(cid, welcome)) if !cid.is_empty() => Some(welcome.clone()),
            _ => None,
        };
        let opens = welcome.is_some();
        let refused = match &verdict {
            None => "1013 wse.later",
            Some(Decision::Later(_)) => "1013 wse.later after=7000",
            Some(Decision::Refuse(_)) => "4003 Error: Auth error",
            Some(_) => "4003 wse.not-authorized",
        };

        let end = BothSides::new(format, verdict, thinks, &early).run();
        prop_assert_eq!(end.ended.as_deref(), (!opens).then_some(refused));
        prop_assert_eq!((end.server.deadline().is_some(), end.client.deadline().is_some()), (opens, opens));
        prop_assert_eq!(end.accepted.as_deref(), opens.then_some("ann"));
        prop_assert_eq!(
            end.welcomed.map(|welcome| said("", &welcome)),
            welcome.map(|welcome| said("", &welcome)),
            "the welcome arrives as it was given, a list too"
        );
        let (mut heard, mut answered, mut told) = (Vec::new(), Vec::new(), Vec::new());
        if opens {
            for (index, what) in eager.into_iter().enumerate() {
                match what {
                    "event" => heard.push("early 7".to_owned()),
                    "call" => {
                        heard.push("early [8,8]".to_owned());
                        answered.push("9 [8,8]".to_owned());
                    }
                    // Before the decision these two are not answered.
                    _ if index < thinks => {}
                    "ping" => answered.push("10 null".to_owned()),
                    _ => told.push("preprocessingError"),
                }
            }
            told.push("preprocessingError");
            heard.extend(["late 0".to_owned(), "sum [1,[2]]".to_owned()]);
            answered.extend(["1 [1,[2]]".to_owned(), "2 null".to_owned()]);
        }
        prop_assert_eq!((end.heard, end.answered), (heard, answered));
        prop_assert_eq!(end.told, told);
    }
}

#[test]
fn the_server_speaks_the_format_of_the_first_frame_whatever_its_options_say() {
    for (first, binary, format) in [(&b"{}"[..], false, Format::Json), (b"\x80", true, Format::MessagePack)] {
        let now = Instant::now();
        let mut server = WsMessagingServerMachine::new(Arc::new(WsMessaging::new()), now);
        let auth = server.read(first, binary).unwrap();
        assert_eq!(auth.payload.format(), format);
        assert!(matches!(server.step(Input::Envelope(auth), now), Step::Ask(_)));
        assert!(matches!(server.step(Input::Answer(Decision::accept("ann")), now), Step::Open(_)));
        let other = server.read(first, !binary).unwrap_err();
        let Step::Send(envelope) = server.step(Input::Garbage(other), now) else { panic!("garbage is answered") };
        assert_eq!((&*envelope.name, envelope.payload.format()), ("preprocessingError", format));
    }
}
