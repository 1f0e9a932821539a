//! Tables of cases, one line a case: `state | input | step | state after`; several inputs that do
//! the same may share a line: `state | input, input | step | state after`.

use std::time::{Duration, Instant};
use wse_proto::{Closed, Envelope, Input, Machine, Payload, Step};

/// A machine whose states and inputs have names.
pub(crate) trait TableMachine: Machine + Sized {
    /// Each state with the inputs that lead to it.
    const STATES: &[(&str, &[&str])];
    /// Each input; `tick before`, `tick at` and `tick after` go by the machine's own deadline.
    const INPUTS: &[&str];

    fn fresh(now: Instant) -> Self;
    fn word(word: &str) -> Word<Self::Answer>;
    fn asked(question: &Self::Question) -> String;
    fn opened(opening: &Self::Opening) -> String;
}

/// What a word stands for: a frame in JSON, which the machine reads itself, an input, or a method that
/// tells the machine what has happened.
pub(crate) enum Word<A> {
    Frame(&'static str),
    Input(Input<'static, A>),
    Heard,
    AnsweredPing,
    Close,
}

/// The input that a frame is.
pub(crate) fn hear<'a, M: Machine>(machine: &mut M, frame: &'a str) -> Input<'a, M::Answer> {
    match machine.read(frame.as_bytes(), false) {
        Ok(envelope) => Input::Envelope(envelope),
        Err(error) => Input::Garbage(error),
    }
}

/// A machine, spoken to in words.
pub(crate) struct Driver<M> {
    machine: M,
    start: Instant,
    now: Instant,
}

impl<M: TableMachine> Driver<M> {
    pub(crate) fn new() -> Self {
        Self::with(M::fresh)
    }

    pub(crate) fn with(machine: impl FnOnce(Instant) -> M) -> Self {
        let start = Instant::now();
        Self { machine: machine(start), start, now: start }
    }

    pub(crate) fn after(words: &[&str]) -> Self {
        let mut driver = Self::new();
        words.iter().for_each(|word| drop(driver.say(word)));
        driver
    }

    /// The step for the input of that name, in words.
    pub(crate) fn say(&mut self, word: &str) -> String {
        let due = self.machine.deadline().unwrap_or(self.now + Duration::from_secs(3600));
        match word {
            "tick before" => self.now = due - Duration::from_millis(1),
            "tick at" => self.now = due,
            "tick after" => self.now = due + Duration::from_secs(1),
            _ => {}
        }
        self.hear(word)
    }

    /// The same, at a time in seconds since the start.
    pub(crate) fn at(&mut self, seconds: u64, word: &str) -> String {
        self.now = self.start + Duration::from_secs(seconds);
        self.hear(word)
    }

    fn hear(&mut self, word: &str) -> String {
        let input = match word {
            "tick" | "tick before" | "tick at" | "tick after" => Input::Tick,
            word => match M::word(word) {
                Word::Frame(frame) => hear(&mut self.machine, frame),
                Word::Input(input) => input,
                Word::Heard => return self.told(|machine, now| machine.heard(1, now)),
                Word::AnsweredPing => return self.told(|machine, now| machine.answered_ping(now)),
                Word::Close => return words::<M>(&self.machine.close(self.now).map_or(Step::Wait, Step::Send)),
            },
        };
        self.give(input)
    }

    /// What has no step: the caller has nothing to do.
    fn told(&mut self, tell: impl FnOnce(&mut M, Instant)) -> String {
        tell(&mut self.machine, self.now);
        words::<M>(&Step::Wait)
    }

    pub(crate) fn give(&mut self, input: Input<'_, M::Answer>) -> String {
        words::<M>(&self.machine.step(input, self.now))
    }

    /// The machine's deadline in seconds since the start.
    pub(crate) fn deadline(&self) -> Option<f64> {
        self.machine.deadline().map(|due| (due - self.start).as_secs_f64())
    }
}

fn words<M: TableMachine>(step: &Step<'_, M::Question, M::Opening>) -> String {
    match step {
        Step::Wait => "wait".to_owned(),
        Step::Hold(envelope) => format!("hold {}", whole(envelope)),
        Step::Ask(question) => format!("ask {}", M::asked(question)),
        Step::Send(envelope) => format!("send {}", whole(envelope)),
        Step::Answer(envelope) => format!("answer {}", whole(envelope)),
        Step::Open(opening) => format!("open {}", M::opened(opening)),
        Step::Deliver(envelope) if envelope.is_call() => format!("invoke {}", whole(envelope)),
        Step::Deliver(envelope) => format!("deliver {}", whole(envelope)),
        Step::Settle { stamp, outcome: Ok(payload) } => format!("settle {stamp} ok {}", text(payload)),
        Step::Settle { stamp, outcome: Err(payload) } => format!("settle {stamp} err {}", text(payload)),
        Step::Cancel { stamp } => format!("cancel {stamp}"),
        Step::Acknowledged(count) => format!("acknowledged {count}"),
        Step::Renew { stamp } => format!("renew {stamp}"),
        Step::Ping => "ping".to_owned(),
        Step::Park(closed) => format!("park {closed}"),
        // What a stranger is told besides is shown elsewhere.
        Step::Reject(closed, _) if closed.is_protocol_error() => format!("close {}", Closed::protocol_error()),
        Step::Close(closed) | Step::Reject(closed, _) => format!("close {closed}"),
    }
}

fn whole(Envelope { name, payload, stamp }: &Envelope<'_>) -> String {
    let stamp = stamp.as_ref().map_or(String::new(), |stamp| format!(" {stamp}"));
    format!("{name} {}{stamp}", text(payload))
}

pub(crate) fn text<'a>(payload: &'a Payload<'_>) -> &'a str {
    std::str::from_utf8(payload.as_bytes()).expect("JSON is text")
}

/// What a machine with this past does on every next input: two pasts in one state look the same.
fn face<M: TableMachine>(past: &[&str]) -> Vec<String> {
    let inputs = M::INPUTS.iter().filter(|input| !input.starts_with("tick"));
    inputs.map(|input| Driver::<M>::after(past).say(input)).collect()
}

fn path<M: TableMachine>(state: &str) -> &'static [&'static str] {
    M::STATES.iter().find(|(name, _)| *name == state).unwrap_or_else(|| panic!("no state {state}")).1
}

/// Checks every line, that no case is missing or stands twice, and that no two states are one.
pub(crate) fn check<M: TableMachine>(table: &str) {
    let mut left: Vec<(&str, &str)> =
        M::STATES.iter().flat_map(|(state, _)| M::INPUTS.iter().map(move |input| (*state, *input))).collect();
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [state, inputs, step, then] = cells[..] else { panic!("four cells a line: {line}") };
        for input in inputs.split(',').map(str::trim) {
            let case = left.iter().position(|case| *case == (state, input));
            left.remove(case.unwrap_or_else(|| panic!("{input} is unknown or stands twice: {line}")));

            let before = path::<M>(state);
            assert_eq!(Driver::<M>::after(before).say(input), step, "{input}: {line}");
            let past = [before, &[input]].concat();
            assert_eq!(face::<M>(&past), face::<M>(path::<M>(then)), "{input}, another state follows: {line}");
        }
    }
    assert_eq!(left, [], "no line says what happens here");
    for (index, (one, _)) in M::STATES.iter().enumerate() {
        for (other, _) in &M::STATES[..index] {
            assert_ne!(face::<M>(path::<M>(one)), face::<M>(path::<M>(other)), "{one} and {other}");
        }
    }
}
