//! What the clients and the server of a run share.

use crate::{
    chance::Chance,
    history::{History, Name},
    network::Network,
    plan::Plan,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};
use wse_proto::Codec;

pub(crate) struct World {
    pub(crate) net: Network,
    pub(crate) history: History,
    pub(crate) chance: Chance,
    pub(crate) plan: Plan,
    pub(crate) names: u64,
    /// What is spoken on a socket that the server has not heard from.
    pub(crate) dialled: BTreeMap<u64, Codec>,
    /// The welcomes that have arrived.
    pub(crate) welcomed: BTreeSet<Name>,
    /// Nothing bad happens any more.
    pub(crate) peace: bool,
}

impl World {
    pub(crate) fn now(&self) -> Instant {
        self.history.now
    }

    /// Whether the application cannot decide about anybody now.
    pub(crate) fn is_undecided(&self) -> bool {
        let millis = self.history.age().as_millis() as u64;
        self.plan.hardship.outage.as_ref().is_some_and(|outage| outage.contains(&millis))
    }

    pub(crate) fn name(&mut self) -> Name {
        self.names += 1;
        self.names
    }
}
