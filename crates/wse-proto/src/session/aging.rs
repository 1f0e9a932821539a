//! Which frames of a session age, and which of their places were given up. It knows numbers only: the frames
//! are with [`Sent`](crate::Sent).

use std::{collections::BTreeMap, sync::Arc, time::Instant};

/// How a frame ages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameAge {
    /// A newer frame of the same text takes its place.
    pub latest: Option<Arc<str>>,
    /// It is not sent any more from then on.
    pub until: Option<Instant>,
    /// It is a call whose stamp tells how much of its time is left.
    pub told: bool,
}

impl FrameAge {
    /// Whether it is too old to be sent.
    pub fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    /// The bytes that keeping it takes, with its places in two maps.
    pub fn weight(&self) -> usize {
        160 + self.latest.as_ref().map_or(0, |latest| latest.len())
    }
}

/// The bytes of a run of places that were given up.
const RUN: usize = 48;

/// The ages of frames that are not acknowledged, and the places among them that were given up.
#[derive(Debug)]
pub(super) struct Aging {
    /// By the number of the frame.
    ages: BTreeMap<u64, FrameAge>,
    /// The last of each text.
    latest: BTreeMap<Arc<str>, u64>,
    /// Places that were given up: the first of each run, and how many follow one another.
    runs: BTreeMap<u64, u64>,
    /// How many they are together.
    given_up: u64,
    /// The frames that age were handed to the connection up to this number.
    written: u64,
    /// What the ages weigh.
    weight: usize,
    /// No frame is too old before; `None` where none ever is.
    earliest: Option<Instant>,
}

impl Aging {
    /// Nothing ages yet, and all frames up to that number were handed to the connection.
    pub(super) fn new(written: u64) -> Self {
        let (ages, latest, runs) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { ages, latest, runs, given_up: 0, written, weight: 0, earliest: None }
    }

    /// Notes how the frame of that number ages, in place of what was noted before.
    pub(super) fn note(&mut self, number: u64, age: FrameAge) {
        self.forget(number);
        self.weight += age.weight();
        self.earliest = self.earliest.into_iter().chain(age.until).min();
        if let Some(text) = &age.latest {
            self.latest.insert(text.clone(), number);
        }
        self.ages.insert(number, age);
    }

    fn forget(&mut self, number: u64) {
        let Some(age) = self.ages.remove(&number) else { return };
        self.weight -= age.weight();
        if let Some(text) = age.latest
            && self.latest.get(&text) == Some(&number)
        {
            self.latest.remove(&text);
        }
    }

    /// How the frame of that number ages, if it does.
    pub(super) fn age(&self, number: u64) -> Option<&FrameAge> {
        self.ages.get(&number)
    }

    /// The last frame of a text.
    pub(super) fn latest(&self, text: &str) -> Option<u64> {
        self.latest.get(text).copied()
    }

    /// Whether the connection of now had it already.
    pub(super) fn is_written(&self, number: u64) -> bool {
        number <= self.written
    }

    /// Notes that the connection of now had the frames up to that number, and none behind it.
    pub(super) fn set_written(&mut self, number: u64) {
        if number < self.written {
            self.earliest = self.ages.values().filter_map(|age| age.until).min(); // some are to be written again
        }
        self.written = number;
    }

    /// The frames that were not written, and are too old for it. It looks at them only if there may be some.
    pub(super) fn over(&mut self, now: Instant) -> Vec<u64> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        let waiting = self.ages.range(self.written + 1..);
        let over = waiting.filter(|(_, age)| age.is_over(now)).map(|(number, _)| *number).collect();
        // Those that were written are looked at once they are to be written again.
        self.earliest = self.ages.values().filter_map(|age| age.until).filter(|until| *until > now).min();
        over
    }

    /// Notes that so many places from that number on were given up, behind all that are known.
    pub(super) fn give_up_run(&mut self, first: u64, count: u64) {
        if count > 0 {
            self.runs.insert(first, count);
            self.given_up += count;
        }
    }

    /// Notes that the place of that number was given up.
    pub(super) fn give_up(&mut self, number: u64) {
        self.forget(number);
        self.given_up += 1;
        let behind = self.runs.remove(&(number + 1)).unwrap_or(0);
        if let Some((first, count)) = self.runs.range_mut(..number).next_back()
            && *first + *count == number
        {
            *count += 1 + behind;
            return;
        }
        self.runs.insert(number, 1 + behind);
    }

    /// The runs of places that were given up: the first of each, and how many.
    pub(super) fn runs(&self) -> impl Iterator<Item = (u64, u64)> {
        self.runs.iter().map(|(first, count)| (*first, *count))
    }

    /// Whether the place of that number was given up.
    pub(super) fn is_given_up(&self, number: u64) -> bool {
        self.runs.range(..=number).next_back().is_some_and(|(first, count)| number < first + count)
    }

    /// How many places were given up.
    pub(super) fn given_up(&self) -> u64 {
        self.given_up
    }

    /// How many of them have a greater number.
    pub(super) fn given_up_behind(&self, number: u64) -> u64 {
        self.runs.range(number..).map(|(_, count)| count).sum()
    }

    /// Forgets the first `count` frames. Returns how many of them had been given up.
    pub(super) fn acknowledge(&mut self, count: u64) -> u64 {
        while let Some(number) = self.ages.first_key_value().map(|(number, _)| *number).filter(|first| *first <= count)
        {
            self.forget(number);
        }
        let before = self.given_up;
        while let Some(run) = self.runs.first_entry().filter(|run| *run.key() <= count) {
            let (first, places) = run.remove_entry();
            let gone = places.min(count - first + 1);
            self.given_up -= gone;
            if gone < places {
                self.runs.insert(count + 1, places - gone);
            }
        }
        before - self.given_up
    }

    /// Whether there is nothing to know any more.
    pub(super) fn is_empty(&self) -> bool {
        self.ages.is_empty() && self.runs.is_empty()
    }

    /// The bytes that this takes.
    pub(super) fn bytes(&self) -> usize {
        self.weight + RUN * self.runs.len()
    }
}
