//! A conversation made of bytes: what happens to a machine, and which steps it may return. It sees what a
//! driver sees, and does not look into the machine.
//!
//! Each byte chooses what happens next; some events take the bytes behind it too. After the last byte come zeros.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};
use wse_proto::{Closed, Codec, Envelope, Input, Kind, Machine, Payload, ProtocolError, Reason, Received, Step};

pub struct Script<'a>(pub &'a [u8]);

impl<'a> Script<'a> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }
}

const PAYLOADS: [&str; 12] = [
    r#"{"identity":"ann","meta":{}}"#,
    r#"{"identity":"ann","session":{}}"#,
    r#"{"session":{"resume":"AAAAAAAAAAAAAAAAAAAAAA","seen":3}}"#,
    "null",
    "0",
    "1",
    "2",
    "40",
    "-1",
    "18446744073709551615",
    "\"text\"",
    "[[]]",
];
const STAMPS: [Option<&str>; 5] = [
    None,
    Some("AAAAAAAAAAAAAAAA"),
    Some("x"),
    Some(r#"{"session":"A","cid":"ann","seen":0,"resumed":false,"beat":25000,"window":60000}"#),
    Some(r#"{"session":"A","cid":"ann","seen":7,"resumed":true,"window":60000}"#),
];
/// Milliseconds around every limit there is.
const WAITS: [u64; 12] = [0, 1, 999, 1_000, 9_999, 10_000, 24_999, 25_000, 35_000, 60_000, 1 << 30, 1 << 40];

/// What is known of a machine from outside.
pub struct Case<S> {
    machine: S,
    codec: Codec,
    now: Instant,
    open: bool,
    closed: bool,
    kept: bool,
    /// Until when a session waits for a connection.
    parked: Option<Instant>,
    asked: bool,
    taken: u64,
    told: u64,
}

/// What differs between the two sides.
pub trait Law<S: Machine> {
    /// An answer of the application.
    fn answer(&mut self, script: &mut Script<'_>) -> S::Answer;
    /// Whether this input may open the conversation.
    fn opens(&self, answer: Option<&S::Answer>, kind: Option<Kind>) -> bool;
    /// Whether this envelope may lead to a question.
    fn asks(&self, kind: Kind) -> bool;
}

const WINDOW: Duration = Duration::from_secs(60);

impl<S: Machine> Case<S>
where
    S::Question: Debug,
    S::Opening: Debug,
{
    pub fn new(machine: S, codec: Codec, now: Instant) -> Self {
        Self {
            machine,
            codec,
            now,
            open: false,
            closed: false,
            kept: false,
            parked: None,
            asked: false,
            taken: 0,
            told: 0,
        }
    }

    pub fn run(mut self, mut script: Script<'_>, mut law: impl Law<S>) {
        while !script.0.is_empty() {
            let raw;
            let choice = script.byte() % 16;
            let input = match choice {
                // The session has no connection, so nothing comes.
                0..=5 | 7..=9 | 15 if self.parked.is_some() => continue,
                0 => Input::Envelope(envelope(Kind::Hi.as_str(), &mut script)),
                1 => Input::Envelope(envelope(Kind::Welcome.as_str(), &mut script)),
                2 => Input::Envelope(envelope(Kind::Challenge.as_str(), &mut script)),
                3 => {
                    let names =
                        ["m", "~wse:response", "~wse:response-err", "~wse:call", "~wse:ping", "~wse:", "n", "~wse:identity", "~wse:skip"];
                    let name = script.pick(&names);
                    Input::Envelope(envelope(name, &mut script))
                }
                4 => Input::Envelope(envelope(Kind::Ack.as_str(), &mut script)),
                5 => {
                    raw = script.bytes();
                    match self.machine.read(raw, self.codec.binary()) {
                        Ok(envelope) => Input::Envelope(envelope),
                        Err(error) => Input::Garbage(error),
                    }
                }
                6 => Input::Answer(law.answer(&mut script)),
                7 => {
                    self.machine.heard(1, self.now);
                    self.rest();
                    continue;
                }
                8 => {
                    self.machine.answered_ping(self.now);
                    self.rest();
                    continue;
                }
                9 => Input::Deaf,
                10 => {
                    self.now += Duration::from_millis(script.pick(&WAITS));
                    Input::Tick
                }
                11 => {
                    self.lose();
                    continue;
                }
                12 if self.parked.is_some() => {
                    self.machine.resumed(self.now);
                    if !self.closed {
                        (self.parked, self.told) = (None, self.taken);
                    }
                    self.rest();
                    continue;
                }
                13 => {
                    self.close();
                    continue;
                }
                14 if self.open && !self.kept && !self.closed && self.taken == 0 => {
                    let beat = Duration::from_millis(script.pick(&WAITS));
                    self.machine.keep(Received::new(beat, WINDOW, self.now));
                    self.kept = true;
                    continue;
                }
                15 => Input::Garbage(ProtocolError::new("no envelope")),
                _ => continue,
            };
            self.happens(input, &law);
        }
    }

    /// Takes one step with one input, and checks that the step is lawful.
    fn happens(&mut self, input: Input<'_, S::Answer>, law: &impl Law<S>) {
        let (mut came, mut answer) = (None, false);
        let (mut tick, mut deaf, mut garbage) = (false, false, false);
        let mut may_open = false;
        match &input {
            Input::Envelope(envelope) => {
                let kind = kind(&envelope.name);
                may_open = law.opens(None, kind);
                came = Some((kind, envelope.clone().into_owned()));
            }
            Input::Answer(given) => {
                may_open = law.opens(Some(given), None);
                answer = true;
            }
            Input::Tick => tick = true,
            Input::Deaf => (deaf, tick) = (true, true),
            Input::Garbage(_) => garbage = true,
        }
        let step = self.machine.step(input, self.now);
        if self.closed {
            let ack = came.as_ref().is_some_and(|(kind, _)| self.kept && *kind == Some(Kind::Ack));
            assert!(
                matches!(step, Step::Wait) || ack && matches!(step, Step::Acknowledged(_)),
                "after the end: {step:?}"
            );
            return self.rest();
        }
        if let (true, Some((kind, came))) = (self.open && self.kept, &came) {
            self.taken += match (kind, &step) {
                (Some(Kind::Ack), _) => 0,
                (Some(Kind::Skip), Step::Wait) => came.payload.decode().expect("so many were given up"),
                (Some(Kind::Skip), step) => {
                    assert!(matches!(step, Step::Reject(..)), "{step:?}");
                    0
                }
                _ => 1,
            };
        }
        match step {
            Step::Wait => {}
            Step::Close(_) | Step::Reject(..) => {
                let parked = self.parked.is_some_and(|until| self.now >= until);
                let silent = tick && self.parked.is_none() && !(self.open && self.kept);
                assert!(came.is_some() || answer || garbage || parked || silent, "it ends by itself");
                self.closed = true;
            }
            Step::Open(opening) => {
                assert!(!self.open && may_open, "it opens without a decision: {opening:?}");
                self.open = true;
            }
            Step::Ask(question) => {
                let asks = came.as_ref().and_then(|(kind, _)| *kind).is_some_and(|kind| law.asks(kind));
                assert!(!self.open && !self.asked && asks, "it asks: {question:?}");
                self.asked = true;
            }
            Step::Park(_) => {
                assert!(self.open && self.kept && tick, "parked without a session");
                self.parked.get_or_insert(self.now + WINDOW);
            }
            Step::Ping => assert!((tick || deaf) && self.parked.is_none(), "a ping by itself"),
            Step::Send(sent) if sent.name == Kind::Ack.as_str() => {
                assert!(tick && self.open && self.kept && self.parked.is_none(), "an ack by itself");
                let count: u64 = sent.payload.decode().expect("a count");
                assert!(count == self.taken && count >= self.told, "{count} of {} after {}", self.taken, self.told);
                self.told = count;
            }
            Step::Send(sent) => {
                assert!(!self.open && answer && sent.name == Kind::Challenge.as_str(), "{sent:?}");
            }
            Step::Acknowledged(count) => {
                let (kind, ack) = came.clone().expect("it was told");
                assert!(self.open && self.kept && kind == Some(Kind::Ack));
                assert_eq!(ack.payload.decode::<u64>().ok(), Some(count));
            }
            Step::Hold(held) => {
                assert!(!self.open && came.as_ref().is_some_and(|(kind, came)| kind.is_none() && *came == held));
            }
            step => {
                assert!(self.open, "the application hears before it is let in: {step:?}");
                let (kind, came) = came.as_ref().expect("an envelope has come");
                delivered(*kind, came, step);
            }
        }
        if answer {
            self.asked = false;
        }
        self.rest();
    }

    /// Loses the connection: only a session outlives that.
    fn lose(&mut self) {
        let parked = self.machine.lost(&Closed::broken(Reason::default()), self.now);
        assert_eq!(parked, self.open && self.kept && !self.closed, "a session is parked, and nothing else");
        if parked {
            self.parked.get_or_insert(self.now + WINDOW);
        }
        self.closed |= !parked;
        self.rest();
    }

    /// Closes: before the close frame the peer is told the count that it does not know, and nothing else.
    fn close(&mut self) {
        let counts = self.open && self.kept && self.parked.is_none();
        match self.machine.close(self.now) {
            Some(last) => {
                assert!(counts && last.name == Kind::Ack.as_str(), "at the end: {last:?}");
                assert_eq!(last.payload.decode::<u64>().ok(), Some(self.taken));
                self.told = self.taken;
            }
            None => assert!(!counts || self.told == self.taken, "{} of {} told", self.told, self.taken),
        }
        self.closed = true;
        self.rest();
    }

    /// Checks what holds after every step.
    fn rest(&self) {
        let due = self.machine.deadline();
        assert_eq!(due.is_none(), self.closed, "a deadline while it lives, and none after");
        if let (Some(until), Some(due), false) = (self.parked, due, self.closed) {
            assert_eq!(due, until, "a parked session waits for its window");
        }
        if !self.closed {
            assert_eq!(self.machine.taken(), self.taken, "it has counted wrong");
        }
    }
}

/// Checks that this very envelope reaches the application, as a message or as a call.
fn delivered<Q: Debug, O: Debug>(kind: Option<Kind>, came: &Envelope<'_>, step: Step<'_, Q, O>) {
    match (kind, step) {
        (None, Step::Deliver(envelope)) => assert_eq!(&envelope, came),
        (Some(Kind::Response), Step::Settle { stamp, outcome: Ok(payload) })
        | (Some(Kind::ResponseErr), Step::Settle { stamp, outcome: Err(payload) }) => {
            assert_eq!((Some(stamp), payload), (came.stamp.clone(), came.payload.clone()));
        }
        (Some(Kind::Ping), Step::Answer(answer)) => {
            assert_eq!((&*answer.name, answer.stamp), (Kind::Response.as_str(), came.stamp.clone()));
        }
        (Some(Kind::Cancel), Step::Cancel { stamp }) => assert_eq!(Some(stamp), came.stamp.clone()),
        (Some(Kind::Identity), Step::Renew { stamp }) => assert_eq!(Some(stamp), came.stamp.clone()),
        (_, step) => panic!("{came:?} leads to {step:?}"),
    }
}

fn envelope(name: &'static str, script: &mut Script<'_>) -> Envelope<'static> {
    let payload = Payload::json(script.pick(&PAYLOADS)).expect("it is JSON");
    Envelope { name: name.into(), payload, stamp: script.pick(&STAMPS).map(Into::into) }
}

fn kind(name: &str) -> Option<Kind> {
    use Kind::{Ack, Call, Cancel, Challenge, Hi, Identity, Ping, Response, ResponseErr, Skip, Welcome};
    let all = [Hi, Challenge, Welcome, Response, ResponseErr, Ack, Skip, Ping, Cancel, Identity, Call];
    all.into_iter().find(|kind| kind.as_str() == name)
}
