//! Every fault at every step of a short conversation, and any faults of a long one: what arrives is in order and once,
//! and what does not arrive is told.

use super::Ends;
use crate::Config;
use bytes::Bytes;
use proptest::prelude::*;

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Arrives,
    Lost,
    Twice,
    /// After the two next ones of its direction.
    Late,
}
use Fate::{Arrives, Late, Lost, Twice};

/// What happens beside the sending of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Nothing,
    /// The sender gives up what waits.
    GiveUp,
    /// The sender, or the receiver, forgets the other one.
    SenderForgets,
    ReceiverForgets,
    /// Time passes, in milliseconds.
    Wait(u64),
}

/// One direction of the bus.
#[derive(Default)]
struct Way {
    /// Datagrams that are late, and after how many others they come.
    late: Vec<(u8, Bytes)>,
}

impl Way {
    /// What arrives when that datagram is sent.
    fn carry(&mut self, datagram: Bytes, fate: Fate) -> Vec<Bytes> {
        let mut arrive = match fate {
            Arrives => vec![datagram.clone()],
            Twice => vec![datagram.clone(); 2],
            Lost | Late => Vec::new(),
        };
        self.late.iter_mut().for_each(|(others, _)| *others -= 1);
        arrive.extend(self.late.extract_if(.., |(others, _)| *others == 0).map(|(_, late)| late));
        if fate == Late {
            self.late.push((2, datagram));
        }
        arrive
    }
}

/// A conversation over a bus with faults.
struct Talk<F> {
    ends: Ends,
    there: Way,
    back: Way,
    fate: F,
    said: Vec<u32>,
    refused: Vec<u32>,
}

impl<F: FnMut() -> Fate> Talk<F> {
    fn new(fate: F) -> Self {
        // Each datagram is acknowledged, so that acknowledgements meet every fate too.
        let config = Config { ack: 0, ..Config::default() };
        let ends = Ends::with(config);
        Talk { ends, there: Way::default(), back: Way::default(), fate, said: Vec::new(), refused: Vec::new() }
    }

    fn say(&mut self, number: u32) {
        match self.ends.a.say(self.ends.now, number, 0) {
            Ok(()) => self.said.push(number),
            Err(_) => self.refused.push(number),
        }
    }

    fn happens(&mut self, event: Event) {
        let now = self.ends.now;
        match event {
            Event::Nothing => {}
            Event::GiveUp => {
                let told = self.ends.a.link.give_up();
                self.ends.a.told.extend(told);
            }
            Event::SenderForgets => self.ends.a.bury(now),
            Event::ReceiverForgets => self.ends.b.bury(now),
            Event::Wait(ms) => self.ends.now += ms,
        }
    }

    /// Both ends send what they have.
    fn exchange(&mut self) {
        let Ends { a, b, now } = &mut self.ends;
        a.tick(*now);
        b.tick(*now);
        for datagram in a.all(*now) {
            let arrive = self.there.carry(datagram, (self.fate)());
            arrive.iter().for_each(|datagram| b.hear(*now, datagram));
        }
        for datagram in b.all(*now) {
            let arrive = self.back.carry(datagram, (self.fate)());
            arrive.iter().for_each(|datagram| a.hear(*now, datagram));
        }
    }

    /// The bus has no faults any more: what is under way arrives, and one frame more.
    fn ends_well(mut self) -> Result<(), TestCaseError> {
        for (_, late) in std::mem::take(&mut self.there.late) {
            self.ends.b.hear(self.ends.now, &late);
        }
        for (_, late) in std::mem::take(&mut self.back.late) {
            self.ends.a.hear(self.ends.now, &late);
        }
        for round in 0..20 {
            if self.ends.a.link.is_broken() {
                self.ends.a.begin(self.ends.now); // as a beat of the peer makes it
            }
            if self.ends.b.link.is_broken() {
                self.ends.b.begin(self.ends.now);
            }
            if round == 10 {
                self.say(u32::MAX);
            }
            self.ends.step();
            self.ends.now += 400;
        }
        let Ends { a, b, .. } = self.ends;
        let ordered = b.got.is_sorted_by(|one, other| one < other);
        prop_assert!(ordered, "out of order or twice: {:?}", b.got);
        for number in &self.said {
            let count = a.told.iter().filter(|told| *told == number).count();
            prop_assert!(count <= 1, "{number} was told {count} times");
            prop_assert!(count == 1 || b.got.contains(number), "{number} was lost and nobody was told");
        }
        prop_assert!(b.got.iter().all(|number| self.said.contains(number)), "{:?} were refused", self.refused);
        prop_assert_eq!(b.got.last(), Some(&u32::MAX));
        prop_assert!(a.complete && b.complete, "a side has not the state of the other");
        prop_assert_eq!((a.malformed, b.malformed), (0, 0));
        prop_assert_eq!((a.link.bytes(), b.link.bytes()), (0, 0));
        Ok(())
    }
}

/// Says so many frames, each in a datagram of its own; the datagrams of both directions meet these fates in turn, and
/// then arrive. Before the frame of that number something happens.
fn talk(frames: u32, fates: &[Fate], at: u32, event: Event) {
    let mut next = fates.iter().copied();
    let mut talk = Talk::new(|| next.next().unwrap_or(Arrives));
    for number in 0..frames {
        if number == at {
            talk.happens(event);
        }
        talk.say(number);
        talk.exchange();
    }
    if at == frames {
        talk.happens(event);
    }
    if let Err(error) = talk.ends_well() {
        panic!("{frames} frames, {fates:?}, {event:?} at {at}: {error}");
    }
}

const FATES: [Fate; 4] = [Arrives, Lost, Twice, Late];
const EVENTS: [Event; 4] = [Event::Nothing, Event::GiveUp, Event::SenderForgets, Event::ReceiverForgets];

/// Every event before every frame, and after the last.
fn every_event(frames: u32, fates: &[Fate]) {
    for event in EVENTS {
        for at in 0..=frames {
            talk(frames, fates, at, event);
            if event == Event::Nothing {
                break;
            }
        }
    }
}

#[test]
fn every_fate_of_the_first_datagrams_of_a_conversation() {
    // Both directions take turns: 6 datagrams are those of three frames.
    for number in 0..4_usize.pow(6) {
        let fates: Vec<_> = (0..6).map(|place| FATES[number >> (2 * place) & 3]).collect();
        every_event(3, &fates);
    }
}

#[test]
fn every_pair_of_faults_in_every_prefix_of_twelve_frames() {
    for frames in 0..=12 {
        let datagrams = 2 * frames as usize;
        let mut fates = vec![Arrives; datagrams];
        every_event(frames, &fates);
        for first in 0..datagrams {
            for second in first + 1..datagrams {
                for (one, other) in FATES[1..].iter().flat_map(|one| FATES[1..].iter().map(move |other| (one, other))) {
                    (fates[first], fates[second]) = (*one, *other);
                    let at = (first + second) as u32 / 4; // between the two
                    EVENTS.into_iter().for_each(|event| talk(frames, &fates, at, event));
                }
                (fates[first], fates[second]) = (Arrives, Arrives);
            }
        }
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![4 => Just(Arrives), 1 => Just(Lost), 1 => Just(Twice), 1 => Just(Late)]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => Just(Event::Nothing),
        1 => Just(Event::GiveUp),
        1 => Just(Event::SenderForgets),
        1 => Just(Event::ReceiverForgets),
        4 => (0..400_u64).prop_map(Event::Wait),
        1 => (400..12_000_u64).prop_map(Event::Wait),
    ]
}

proptest! {
    #[test]
    fn any_faults_of_a_long_conversation(
        steps in proptest::collection::vec((event(), 0..4_u32), 1..80),
        fates in proptest::collection::vec(fate(), 200),
    ) {
        let mut next = fates.iter().copied();
        let mut talk = Talk::new(|| next.next().unwrap_or(Arrives));
        let mut number = 0;
        for (event, frames) in steps {
            talk.happens(event);
            for _ in 0..frames {
                talk.say(number);
                number += 1;
            }
            talk.exchange();
        }
        talk.ends_well()?;
    }
}
