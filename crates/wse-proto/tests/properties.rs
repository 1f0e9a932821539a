//! What holds for both machines whatever happens to them.

mod json;

use json::json;
use proptest::{
    collection::vec,
    option,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::{
    cell::RefCell,
    collections::BTreeSet,
    time::{Duration, Instant},
};
use wse_proto::{
    Cid, ClientMachine, Closed, Codec, Decision, Envelope, Hello, Input, Kind, Limits, Machine, Payload, ProtocolError,
    Reason, ServerMachine, Step,
};

/// What can happen, as a value that can be kept and shown.
#[derive(Clone, Debug)]
enum Event<A> {
    Envelope(Envelope<'static>),
    Garbage,
    Answer(A),
    Heard,
    Pong,
    Deaf,
    Tick,
    Close,
}

impl<A: Clone> Event<A> {
    /// Tells the machine. Where it has no step for that, the caller has to wait.
    fn happen<M: Machine<Answer = A>>(&self, machine: &mut M, now: Instant) -> Step<'static, M::Question, M::Opening> {
        let input = match self {
            Event::Envelope(envelope) => Input::Envelope(envelope.clone()),
            Event::Garbage => Input::Garbage(ProtocolError::new("no envelope")),
            Event::Answer(answer) => Input::Answer(answer.clone()),
            Event::Deaf => Input::Deaf,
            Event::Tick => Input::Tick,
            Event::Heard => {
                machine.heard(1, now);
                return Step::Wait;
            }
            Event::Pong => {
                machine.answered_ping(now);
                return Step::Wait;
            }
            Event::Close => return machine.close(now).map_or(Step::Wait, Step::Send),
        };
        machine.step(input, now)
    }
}

/// An event and the milliseconds that pass before it.
type Happening<A> = (u64, Event<A>);

fn payload() -> impl Strategy<Value = Payload<'static>> {
    prop_oneof![
        3 => Just(json(r#"{"identity":"ann","meta":{}}"#)),
        1 => prop::sample::select(vec!["null", "7", "[]", "{}", r#"{"identity":1,"identity":2}"#]).prop_map(json),
        1 => any::<String>().prop_map(|text| json(serde_json::Value::from(text).to_string())),
    ]
}

fn envelope() -> impl Strategy<Value = Envelope<'static>> {
    let own = vec![
        "~wse:hi",
        "~wse:challenge",
        "~wse:welcome",
        "~wse:response",
        "~wse:response-err",
        "~wse:ping",
        "~wse:cancel",
        "~wse:identity",
        "~wse:call",
    ];
    let name = prop_oneof![
        3 => prop::sample::select(own).prop_map(str::to_owned),
        2 => prop::sample::select(vec!["say", "", "~wse:", "~wse:resume"]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    (name, payload(), option::of("[A-C]{0,2}")).prop_map(|(name, payload, stamp)| Envelope {
        name: name.into(),
        payload,
        stamp: stamp.map(Into::into),
    })
}

/// Anything at all, most often behind a beginning that opens, so that every state is reached.
fn happenings<A: Clone + std::fmt::Debug + 'static>(
    answer: impl Strategy<Value = A> + 'static,
    beginning: Vec<Event<A>>,
) -> impl Strategy<Value = Vec<Happening<A>>> {
    let event = prop_oneof![
        6 => envelope().prop_map(Event::Envelope),
        4 => answer.prop_map(Event::Answer),
        1 => Just(Event::Garbage),
        2 => prop::sample::select(vec![Event::Heard, Event::Pong, Event::Deaf]),
        3 => Just(Event::Tick),
        1 => Just(Event::Close),
    ];
    let wait =
        prop_oneof![4 => Just(0), 2 => 0..12_000u64, 2 => 10_000..40_000u64, 1 => any::<u32>().prop_map(u64::from)];
    let length = beginning.len();
    (0..=length, vec((wait, event), 0..32))
        .prop_map(move |(taken, rest)| beginning[..taken].iter().map(|event| (0, event.clone())).chain(rest).collect())
}

fn peer<A>(kind: Kind) -> Event<A> {
    let payload = json(r#"{"identity":"bob"}"#);
    Event::Envelope(Envelope { name: kind.as_str().into(), payload, stamp: None })
}

fn challenge(payload: &Payload<'static>) -> Envelope<'static> {
    Envelope { name: Kind::Challenge.as_str().into(), payload: payload.clone(), stamp: None }
}

fn verdict() -> impl Strategy<Value = Decision> {
    prop_oneof![
        3 => ("[a-c]?", payload()).prop_map(|(cid, welcome)| Decision::Accept(Cid::from(cid), welcome)),
        3 => payload().prop_map(Decision::Challenge),
        1 => Just(Decision::Refuse(Reason::default())),
        1 => Just(Decision::Later(Duration::from_secs(7))),
    ]
}

/// Whether a peer that broke the protocol is told what was expected: until it is let in.
fn is_told(open: bool, end: &Closed) -> bool {
    end.is_protocol_error() && open == (*end == Closed::protocol_error())
}

/// Checks what holds for both machines; `lawful` says whether a step is right for this side, given
/// whether the conversation is open. Returns the kinds of step that were seen.
fn obey<S: Machine>(
    mut machine: S,
    mut now: Instant,
    happenings: &[Happening<S::Answer>],
    mut lawful: impl FnMut(bool, &Event<S::Answer>, &Step<'_, S::Question, S::Opening>) -> bool,
) -> Result<BTreeSet<String>, TestCaseError>
where
    S::Answer: Clone + std::fmt::Debug,
    S::Question: std::fmt::Debug,
    S::Opening: std::fmt::Debug,
{
    let (mut asked, mut open, mut closed, mut seen) = (false, false, false, BTreeSet::new());
    for (wait, event) in happenings {
        now += Duration::from_millis(*wait);
        let due = machine.deadline().is_some_and(|deadline| now >= deadline);
        let step = event.happen(&mut machine, now);
        let right = match (event, &step) {
            (_, step) if closed => matches!(step, Step::Wait),
            (Event::Heard | Event::Pong | Event::Close, step) => matches!(step, Step::Wait),
            (Event::Garbage, Step::Reject(end, _)) => is_told(open, end),
            (Event::Garbage, _) => false,
            (Event::Deaf, Step::Wait) => !due && !open,
            (Event::Deaf, Step::Ping | Step::Close(_)) => lawful(open, event, &step),
            (Event::Tick, Step::Wait) => !due,
            (Event::Tick, Step::Ping | Step::Close(_)) => due && lawful(open, event, &step),
            (Event::Answer(_), Step::Wait) => !asked,
            (Event::Answer(_), Step::Close(end)) if *end == Closed::later() => asked && due,
            (Event::Answer(_), _) => asked && !open && lawful(open, event, &step),
            // What is the application's is never lost.
            (Event::Envelope(sent), Step::Wait) => Kind::of(&sent.name).is_some(),
            (Event::Envelope(_), Step::Reject(end, _)) => is_told(open, end),
            (Event::Envelope(sent), Step::Deliver(delivered)) => open && sent == delivered,
            (Event::Envelope(sent), Step::Settle { stamp, outcome }) => {
                let kind = if outcome.is_ok() { Kind::Response } else { Kind::ResponseErr };
                let (Ok(payload) | Err(payload)) = outcome;
                let (name, payload) = (kind.as_str().into(), payload.clone());
                open && *sent == Envelope { name, payload, stamp: Some(stamp.clone()) }
            }
            (Event::Envelope(sent), Step::Answer(answer)) => {
                let to = (&answer.name, answer.payload.as_bytes(), &answer.stamp);
                open && sent.name == Kind::Ping.as_str()
                    && to == (&Kind::Response.as_str().into(), b"null", &sent.stamp)
            }
            (Event::Envelope(sent), Step::Cancel { stamp }) => {
                open && sent.name == Kind::Cancel.as_str() && sent.stamp.as_ref() == Some(stamp)
            }
            (Event::Envelope(sent), Step::Renew { stamp }) => {
                open && sent.name == Kind::Identity.as_str() && sent.stamp.as_ref() == Some(stamp)
            }
            (Event::Envelope(_), _) => !open && lawful(open, event, &step),
            (Event::Deaf | Event::Tick, _) => false,
        };
        prop_assert!(right, "{step:?} after {event:?}; asked {asked}, open {open}, closed {closed}");
        asked = (asked && !matches!(event, Event::Answer(_))) || matches!(step, Step::Ask(_));
        open |= matches!(step, Step::Open(_));
        closed |= matches!(step, Step::Close(_) | Step::Reject(..)) || matches!(event, Event::Close);
        prop_assert_eq!(machine.deadline().is_none(), closed);
        let spinning =
            matches!(event, Event::Tick | Event::Deaf) && machine.deadline().is_some_and(|deadline| deadline <= now);
        prop_assert!(!spinning, "a tick moves the deadline on");
        let call = matches!(&step, Step::Deliver(envelope) if envelope.is_call());
        let kind = if call { "Invoke".to_owned() } else { format!("{step:?}") };
        seen.insert(kind.split(['(', ' ']).next().unwrap_or_default().to_owned());
    }
    Ok(seen)
}

/// Runs a property over arbitrary happenings, which must have seen every kind of step of that side.
fn run<A: Clone + std::fmt::Debug>(
    happenings: impl Strategy<Value = Vec<Happening<A>>>,
    steps: &[&str],
    property: impl Fn(&[Happening<A>]) -> Result<BTreeSet<String>, TestCaseError>,
) {
    let seen = RefCell::new(BTreeSet::new());
    let result = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(512) })
        .run(&happenings, |happenings| property(&happenings).map(|steps| seen.borrow_mut().extend(steps)));
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(seen.into_inner().iter().eq(steps), "these steps and no others were seen");
}

#[test]
fn the_server_opens_on_an_accepting_verdict_only_and_never_speaks_after_the_end() {
    let beginning = vec![
        peer(Kind::Hi),
        Event::Answer(Decision::Challenge(json("41"))),
        peer(Kind::Challenge),
        Event::Answer(Decision::accept("ann")),
    ];
    let limits = Limits { challenges: 2, ..Limits::default() };
    let steps = [
        "Answer", "Ask", "Cancel", "Close", "Deliver", "Hold", "Invoke", "Open", "Ping", "Reject", "Renew", "Send",
        "Settle", "Wait",
    ];
    run(happenings(verdict(), beginning), &steps, |happenings| {
        let now = Instant::now();
        let (mut hello, mut quest, mut quests) = (None, None, 0);
        obey(ServerMachine::new(Codec::Json, &limits, now), now, happenings, |open, event, step| match (event, step) {
            (Event::Envelope(sent), Step::Ask(question)) => match &question.solution {
                None => {
                    let first = hello.replace(question.hello.clone()).is_none();
                    let said = Hello::read(&sent.payload).ok().map(|(hello, ..)| hello);
                    first && Kind::of(&sent.name) == Some(Kind::Hi) && said.as_ref() == Some(&*question.hello)
                }
                Some(solution) => {
                    let asked = quest.take() == Some(solution.quest.clone()) && hello.as_ref() == Some(&question.hello);
                    asked && Kind::of(&sent.name) == Some(Kind::Challenge) && solution.answer == sent.payload
                }
            },
            (Event::Envelope(sent), Step::Hold(held)) => {
                sent == held && Kind::of(&sent.name).is_none() && hello.is_some()
            }
            (Event::Answer(Decision::Accept(cid, welcome)), Step::Open(accepted)) => {
                let known = hello.as_ref() == Some(&accepted.hello);
                known && !cid.is_empty() && (cid, welcome) == (&accepted.cid, &accepted.welcome)
            }
            (Event::Answer(Decision::Challenge(asked)), Step::Send(sent)) => {
                quests += 1;
                quest = Some(asked.clone());
                *sent == challenge(asked) && quests <= 2
            }
            (Event::Answer(Decision::Accept(cid, _)), Step::Close(end)) => {
                cid.is_empty() && *end == Closed::not_authorized()
            }
            (Event::Answer(Decision::Challenge(_)), Step::Close(end)) => {
                quests == 2 && *end == Closed::not_authorized()
            }
            (Event::Answer(Decision::Refuse(_)), Step::Close(end)) => *end == Closed::not_authorized(),
            (Event::Answer(Decision::Later(after)), Step::Close(end)) => *end == Closed::later_after(*after),
            (Event::Tick, Step::Close(end)) if open => *end == Closed::silent(),
            (Event::Tick | Event::Deaf, Step::Close(end)) => {
                !open && [Closed::auth_timeout(), Closed::later()].contains(end)
            }
            (Event::Tick | Event::Deaf, Step::Ping) => open,
            _ => false,
        })
    });
}

#[test]
fn the_client_opens_on_a_welcome_only_and_never_speaks_after_the_end() {
    let beginning = vec![peer(Kind::Challenge), Event::Answer(json("42")), peer(Kind::Welcome)];
    let hello = Hello { identity: json("1"), meta: json("{}") };
    let steps = [
        "Answer", "Ask", "Cancel", "Close", "Deliver", "Invoke", "Open", "Ping", "Reject", "Renew", "Send", "Settle",
        "Wait",
    ];
    run(happenings(payload(), beginning), &steps, |happenings| {
        let now = Instant::now();
        let (machine, _) = ClientMachine::new(Codec::Json, &hello, None, &Limits::default(), now);
        obey(machine, now, happenings, |_, event, step| match (event, step) {
            (Event::Envelope(sent), Step::Ask(quest)) => {
                Kind::of(&sent.name) == Some(Kind::Challenge) && *quest == sent.payload
            }
            (Event::Envelope(sent), Step::Open(welcome)) => {
                Kind::of(&sent.name) == Some(Kind::Welcome) && welcome.payload == sent.payload
            }
            (Event::Answer(solution), Step::Send(sent)) => *sent == challenge(solution),
            (Event::Tick, Step::Close(end)) => *end == Closed::silent(),
            (Event::Tick | Event::Deaf, Step::Ping) => true,
            _ => false,
        })
    });
}
