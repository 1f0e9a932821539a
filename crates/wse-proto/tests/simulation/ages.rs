//! What ages in a run: the plan of it, how a party sends it, and what the history knows of it. Of a place that was
//! given up nothing is sent any more.

use crate::{
    chance::Chance,
    event::{Event, EventOf},
    frames::MESSAGE,
    history::{History, Name},
    party::{Party, Said},
    plan::{Action, Place, TROUBLE},
    world::World,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use wse_proto::{Again, Closed, FrameAge, Full, Kind, Machine, Payload, Placed, Reason};

/// What ages in a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ages {
    /// Both sides know of places that are given up.
    pub(crate) can_skip: bool,
    /// With the milliseconds after the start.
    pub(crate) acts: Vec<(u64, Action)>,
}

impl Ages {
    /// Some tell where they are, again and again.
    pub(crate) fn new(chance: &mut Chance) -> Self {
        let mut acts = Vec::new();
        for _ in 0..1 + chance.below(4) {
            let number = chance.below(100);
            let from = chance.pick(&[Place::Client(number), Place::Server(number)]);
            let key = chance.below(3) as u64;
            let ttl = chance.pick(&[None, Some(300), Some(3_000), Some(20_000)]).map(Duration::from_millis);
            let ttl = ttl.or((key == 0).then_some(Duration::from_secs(5)));
            let (start, every) = (chance.bits() % TROUBLE, chance.pick(&[100, 300, 1_000]));
            let end = TROUBLE.min(start + chance.pick(&[5_000, 20_000]));
            acts.extend((start..end).step_by(every).map(|at| (at, Action::Age { from, key, ttl })));
        }
        Self { can_skip: !chance.one_in(5), acts }
    }
}

/// What the history knows of a place.
#[derive(Debug, Default)]
struct Held {
    /// What is in it, and of which text; 0 and none where it does not age.
    update: u64,
    text: Option<String>,
    until: Option<Instant>,
    given_up: bool,
    received: bool,
}

/// What the history knows of what ages.
#[derive(Debug, Default)]
pub(crate) struct Record {
    places: BTreeMap<(Name, u64), Held>,
    newest: BTreeMap<(Name, String), (u64, bool)>,
    heard: BTreeMap<(Name, String), u64>,
    pub(crate) can_skip: bool,
}

impl History {
    /// The place of that number holds this from now on.
    fn holds(&mut self, name: Name, number: u64, update: u64, age: &FrameAge) {
        self.note(|| format!("{name} holds {update} at {number}, {age:?}"));
        let held = self.ages.places.entry((name, number)).or_default();
        assert!(!held.given_up && !held.received, "{name} fills a place that is gone: {held:?}");
        self.count.replaced += u64::from(held.update > 0);
        let text = age.latest.as_ref().map(ToString::to_string);
        if let Some(text) = &text {
            self.ages.newest.insert((name, text.clone()), (update, age.until.is_none()));
        }
        (held.update, held.text, held.until) = (update, text, age.until);
    }

    /// The place of that number was given up.
    pub(crate) fn gave_up(&mut self, name: Name, number: u64) {
        self.note(|| format!("{name} gives up {number}"));
        assert!(self.ages.can_skip, "the other side does not understand it");
        let held = self.ages.places.entry((name, number)).or_default();
        assert!(!std::mem::replace(&mut held.given_up, true), "{name} gives {number} up twice");
    }

    /// A frame was handed to a connection, for the first time or again.
    pub(crate) fn wrote(&mut self, name: Name, number: u64) {
        let (now, can_skip) = (self.now, self.ages.can_skip);
        let Some(held) = self.ages.places.get(&(name, number)) else { return };
        assert!(!held.given_up, "{name} sends {number} again, which it has given up");
        let newest = held.text.as_ref().and_then(|text| self.ages.newest.get(&(name, text.clone())));
        let replaced = newest.is_some_and(|(newest, _)| *newest != held.update);
        assert!(!can_skip || !replaced, "{name} sends what was replaced: {held:?}");
        assert!(!can_skip || held.until.is_none_or(|until| now < until), "{name} sends what is too old: {held:?}");
    }

    /// A frame has arrived, and this was in it.
    pub(crate) fn heard(&mut self, name: Name, from: Name, number: u64, update: u64) {
        let Some(held) = self.ages.places.get_mut(&(from, number)).filter(|held| held.update > 0) else { return };
        assert_eq!(held.update, update, "{name} hears of {from} what was replaced");
        held.received = true;
        if let Some(text) = &held.text {
            let before = self.ages.heard.insert((from, text.clone()), update);
            assert!(before.is_none_or(|before| before < update), "{name} hears {update} after {before:?}");
        }
    }

    /// So many places of the other side were given up.
    pub(crate) fn skipped(&mut self, name: Name, count: u64) {
        self.note(|| format!("{name} skips {count}"));
        self.count.skipped += count;
        let from = self.peer(name).expect("it is known whose they are");
        for number in self.skip(name, count) {
            let held = self.ages.places.get(&(from, number));
            assert!(held.is_some_and(|held| held.given_up && !held.received), "{name} skips {number}: {held:?}");
        }
    }

    /// Of everything that lives on the newest has arrived.
    pub(crate) fn finish_ages(&self, name: Name) {
        for ((_, text), (newest, _)) in
            self.ages.newest.iter().filter(|((from, _), (_, lasts))| *from == name && *lasts)
        {
            let heard = self.ages.heard.get(&(name, text.clone()));
            assert_eq!(heard, Some(newest), "the newest of {text} of {name} does not arrive");
        }
    }
}

impl<S: Machine> Party<S> {
    /// Sends a message that ages: of that key only the newest counts, 0 being none.
    pub(crate) fn age(&mut self, key: u64, ttl: Option<Duration>, world: &mut World) -> Option<EventOf<S>> {
        let (now, update) = (world.now(), world.name());
        let latest = (key > 0).then(|| key.to_string().into());
        let age = FrameAge { latest, until: ttl.map(|ttl| now + ttl), told: false };
        let Some(copies) = &self.copies else { return self.send("age", update, None, 5, world) };
        let waiting = age.latest.as_deref().and_then(|text| copies.waiting(text));
        let (number, frame) = (waiting.unwrap_or(self.sent + 1), waiting.unwrap_or(self.sent + 1));
        let said: Said = (self.name, frame, update, "xxxxx".into());
        let payload = Payload::encode(self.codec.format(), &said).expect("it has a form");
        let mut frame = Vec::new();
        self.codec.write_encoded(&mut frame, "age", &payload, None).expect("it can be sent");
        if waiting.is_none() {
            self.count(number, frame.len(), world);
        }
        let placed = self.copies.as_mut().expect("a session").push_aging(frame.clone(), age.clone());
        let full = placed.is_err();
        match placed {
            Ok(Placed { number: at, given_up }) => {
                assert_eq!(at, number, "it is put elsewhere");
                given_up.into_iter().for_each(|number| world.history.gave_up(self.name, number));
            }
            Err(Full(at)) => {
                assert_eq!(at, number, "it is put elsewhere");
                self.must_be_full(world);
            }
        }
        world.history.holds(self.name, number, update, &age);
        self.put_numbered(number, &frame, world);
        (full && self.end.is_none()).then(|| Event::Ended(Closed::broken(Reason::SLOW)))
    }

    /// A caller waits no more.
    pub(crate) fn withdraw(&mut self, number: u64, world: &mut World) {
        if self.copies.as_mut().is_some_and(|copies| copies.give_up(number)) {
            world.history.gave_up(self.name, number);
        }
    }

    /// Puts a frame that counts.
    pub(crate) fn put_numbered(&mut self, number: u64, frame: &[u8], world: &mut World) {
        if self.end.is_some() {
            world.history.wrote(self.name, number);
            if let Some(copies) = &mut self.copies {
                copies.wrote(self.sent);
            }
        }
        self.put(MESSAGE, frame, world);
    }

    /// Sends again what the other side has not seen, but for what is too old.
    pub(crate) fn repeat(&mut self, world: &mut World) {
        let Some(copies) = &mut self.copies else { return };
        copies.expire(world.now()).into_iter().for_each(|number| world.history.gave_up(self.name, number));
        let again: Vec<_> = copies
            .again()
            .map(|again| match again {
                Again::Frame(number, frame, _) => Ok((number, frame.clone())),
                Again::Skip(count) => Err(count),
            })
            .collect();
        for again in again {
            match again {
                Ok((number, frame)) => self.put_numbered(number, &frame, world),
                Err(count) => {
                    let payload = Payload::encode(self.codec.format(), &count).expect("a number");
                    self.send_own(Kind::Skip.as_str(), &payload, world);
                }
            }
        }
    }
}
