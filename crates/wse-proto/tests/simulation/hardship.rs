//! What is hard for a run beside a network that breaks: slow links, an application that cannot decide for a
//! while, and messages that no receiver survives. It decides nothing about who comes back.

use crate::{
    chance::Chance,
    plan::{Action, Place, TROUBLE},
};
use std::ops::Range;

/// The type of a message at which its receiver loses the connection, every time.
pub(crate) const POISON: &str = "poison";

#[derive(Clone, Debug, Default)]
pub(crate) struct Hardship {
    /// The bytes that a direction of a socket carries in a millisecond; `None`: any number.
    pub(crate) rate: Option<u64>,
    /// The milliseconds after the start in which the application cannot decide about anybody.
    pub(crate) outage: Option<Range<u64>>,
    /// How many of those that were told to come back later may return in a second.
    pub(crate) returns_per_second: u32,
    /// Poison, and a large message for a slow link, with the milliseconds after the start.
    pub(crate) acts: Vec<(u64, Action)>,
}

impl Hardship {
    pub(crate) fn new(chance: &mut Chance) -> Self {
        let rate = chance.pick(&[None, None, Some(10), Some(100)]);
        let outage = chance.one_in(2).then(|| {
            let from = chance.bits() % TROUBLE;
            from..(from + 1_000 + chance.bits() % 20_000).min(TROUBLE)
        });
        let poisoned = if chance.one_in(2) { 1 + chance.below(2) } else { 0 };
        let poison = (0..poisoned).map(|_| {
            let number = chance.below(100);
            let from = chance.pick(&[Place::Client(number), Place::Server(number)]);
            (chance.bits() % TROUBLE, Action::Poison { from })
        });
        let mut acts: Vec<_> = poison.collect();
        if rate.is_some() {
            // Late, so that its receiver has nothing to say meanwhile.
            let number = chance.below(100);
            let from = chance.pick(&[Place::Client(number), Place::Server(number)]);
            acts.push((TROUBLE - chance.bits() % 3_000, Action::Say { from, messages: 1, bytes: 200_000 }));
        }
        Self { rate, outage, returns_per_second: chance.pick(&[1, 10, 1000]), acts }
    }
}
