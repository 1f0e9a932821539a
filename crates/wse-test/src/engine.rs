//! The engine of a bus in memory, as a value: who is there, what is on its way to whom, and what becomes of it.
//! It decides and never acts: it has no task and no timer, and the caller passes the time.

use crate::bus_settings::{BusCounts, NodeCut, NodeSettings, Random};
use bytes::Bytes;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};
use wse::cluster::{NodeId, To};

/// Datagrams that an engine keeps for a node that does not read.
const KEPT: usize = 65_536;

/// What happens to a node on its bus.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    Datagram(Bytes),
    Link(bool),
    Nobody(NodeId),
}

/// A node that is connected to the engine, or tries to be. Its number is that of the connection.
pub(crate) type Number = u64;

struct Place {
    name: Arc<str>,
    cluster: String,
    node: NodeId,
    /// Told when something may be due.
    changed: Arc<Notify>,
    /// By the time at which they arrive, then in the order in which they were published.
    on_the_way: BinaryHeap<Reverse<(Instant, u64, Bytes)>>,
    happened: VecDeque<Happening>,
    /// What the node was told of its link.
    link: bool,
    killed: bool,
}

#[derive(Clone)]
pub(crate) struct SharedEngine(Arc<Mutex<Engine>>);

impl SharedEngine {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Engine::new(seed))))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Engine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Engine {
    places: BTreeMap<Number, Place>,
    settings: HashMap<Arc<str>, NodeSettings>,
    /// Of nodes that no settings were made for.
    others: NodeSettings,
    down: bool,
    /// The names of the half that is split off.
    split_off: Vec<Arc<str>>,
    random: Random,
    counts: BusCounts,
    next: u64,
}

impl Engine {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            places: BTreeMap::new(),
            settings: HashMap::new(),
            others: NodeSettings::default(),
            down: false,
            split_off: Vec::new(),
            random: Random::new(seed),
            counts: BusCounts::default(),
            next: 1,
        }
    }

    pub(crate) fn counts(&self) -> BusCounts {
        self.counts
    }

    /// A node connects.
    pub(crate) fn enter(&mut self, name: &Arc<str>, cluster: &str, node: NodeId) -> (Number, Arc<Notify>) {
        let number = self.number();
        let changed = Arc::new(Notify::new());
        let place = Place {
            name: name.clone(),
            cluster: cluster.to_owned(),
            node,
            changed: changed.clone(),
            on_the_way: BinaryHeap::new(),
            happened: VecDeque::new(),
            link: false,
            killed: false,
        };
        self.places.insert(number, place);
        self.look_at_links();
        (number, changed)
    }

    pub(crate) fn leave(&mut self, number: Number) {
        self.places.remove(&number);
    }

    /// The node publishes a datagram.
    pub(crate) fn publish(&mut self, from: Number, to: To, datagram: &Bytes, now: Instant) {
        let Some(sender) = self.places.get(&from) else { return };
        let (name, cluster) = (sender.name.clone(), sender.cluster.clone());
        if !sender.link || !self.carries(from) {
            self.counts.lost += 1;
            return;
        }
        let half = self.is_split_off(&name);
        let of = |place: &&Place| place.cluster == cluster && self.is_split_off(&place.name) == half;
        let is_meant = |node: NodeId| match to {
            To::All => true,
            To::Node(one) => node == one,
        };
        // The engine knows of those that it cannot reach without having been told.
        let there =
            |place: &&Place| !place.killed && (place.link || self.of(&place.name).cut == Some(NodeCut::HalfOpen));
        let meant = |(_, place): &(&Number, &Place)| of(place) && there(place) && is_meant(place.node);
        let receivers: Vec<Number> = self.places.iter().filter(meant).map(|(number, _)| *number).collect();
        if let To::Node(node) = to
            && receivers.is_empty()
        {
            self.counts.lost += 1;
            self.happen(from, Happening::Nobody(node));
        }
        for receiver in receivers {
            self.send(receiver, datagram, now);
        }
    }

    fn send(&mut self, to: Number, datagram: &Bytes, now: Instant) {
        let Some(place) = self.places.get(&to) else { return };
        let settings = self.of(&place.name).clone();
        if !self.carries(to) || place.on_the_way.len() >= KEPT || self.random.is(settings.lose) {
            self.counts.lost += 1;
            return;
        }
        self.counts.carried += 1;
        self.counts.bytes += datagram.len() as u64;
        let arrives = |engine: &mut Self| {
            let (likely, by) = settings.late;
            let late = if engine.random.is(likely) { by.mul_f64(engine.random.part()) } else { Duration::ZERO };
            let number = engine.number();
            if let Some(place) = engine.places.get_mut(&to) {
                place.on_the_way.push(Reverse((now + settings.latency + late, number, datagram.clone())));
                place.changed.notify_one();
            }
        };
        arrives(self);
        if self.random.is(settings.repeat) {
            self.counts.repeated += 1;
            arrives(self);
        }
    }

    /// The node is told to connect again. What was on its way is lost.
    pub(crate) fn reconnect(&mut self, number: Number) {
        self.counts.reconnects += 1;
        if let Some(place) = self.places.get_mut(&number) {
            self.counts.lost += place.on_the_way.len() as u64;
            place.on_the_way.clear();
            place.link = false;
            place.happened.push_back(Happening::Link(false));
            place.changed.notify_one();
        }
        self.look_at_links();
    }

    /// What has happened to a node until now.
    pub(crate) fn take(&mut self, number: Number, now: Instant) -> Vec<Happening> {
        if self.is_paused(number) {
            return Vec::new();
        }
        let Some(place) = self.places.get_mut(&number) else { return Vec::new() };
        let mut taken: Vec<Happening> = place.happened.drain(..).collect();
        while place.on_the_way.peek().is_some_and(|Reverse((due, ..))| *due <= now)
            && let Some(Reverse((_, _, datagram))) = place.on_the_way.pop()
        {
            taken.push(Happening::Datagram(datagram));
        }
        taken
    }

    /// When something happens to a node next, as far as is known now.
    pub(crate) fn due(&self, number: Number, now: Instant) -> Option<Instant> {
        let place = self.places.get(&number).filter(|_| !self.is_paused(number))?;
        let arrives = || place.on_the_way.peek().map(|Reverse((due, ..))| *due);
        if place.happened.is_empty() { arrives() } else { Some(now) }
    }

    /// Whether a node's process stands still.
    pub(crate) fn is_paused(&self, number: Number) -> bool {
        self.places.get(&number).is_some_and(|place| self.of(&place.name).paused)
    }

    /// Changes the settings of one node, or of all.
    pub(crate) fn change(&mut self, name: Option<&Arc<str>>, change: impl Fn(&mut NodeSettings)) {
        match name {
            Some(name) => change(self.settings.entry(name.clone()).or_insert_with(|| self.others.clone())),
            None => {
                change(&mut self.others);
                self.settings.values_mut().for_each(&change);
            }
        }
        self.look_at_links();
    }

    /// Kills the processes of that name that are there, or all.
    pub(crate) fn kill(&mut self, name: Option<&Arc<str>>) {
        for place in self.places.values_mut().filter(|place| name.is_none_or(|name| *name == place.name)) {
            place.killed = true;
        }
        self.look_at_links();
    }

    pub(crate) fn set_down(&mut self, down: bool) {
        self.down = down;
        self.look_at_links();
    }

    pub(crate) fn split_off(&mut self, names: Vec<Arc<str>>) {
        self.split_off = names;
    }

    fn is_split_off(&self, name: &Arc<str>) -> bool {
        self.split_off.contains(name)
    }

    fn of(&self, name: &Arc<str>) -> &NodeSettings {
        self.settings.get(name).unwrap_or(&self.others)
    }

    /// Whether anything passes between the engine and a node.
    fn carries(&self, number: Number) -> bool {
        let place = self.places.get(&number);
        !self.down && place.is_some_and(|place| !place.killed && self.of(&place.name).cut.is_none())
    }

    /// Tells every node whose link has changed, and drops what was on its way over a broken one.
    fn look_at_links(&mut self) {
        let numbers: Vec<Number> = self.places.keys().copied().collect();
        for number in numbers {
            let carries = self.carries(number);
            let down = self.down;
            let Some(place) = self.places.get(&number) else { continue };
            let cut = self.of(&place.name).cut;
            let Some(place) = self.places.get_mut(&number) else { continue };
            place.changed.notify_one(); // it may be paused no more
            if !carries {
                self.counts.lost += place.on_the_way.len() as u64;
                place.on_the_way.clear();
            }
            let notices = down || cut == Some(NodeCut::Told);
            let link = carries || place.link && !notices;
            if place.killed || link == place.link {
                continue; // nobody tells a process that was killed
            }
            place.link = link;
            place.happened.push_back(Happening::Link(link));
        }
    }

    fn happen(&mut self, number: Number, happening: Happening) {
        if let Some(place) = self.places.get_mut(&number) {
            place.happened.push_back(happening);
            place.changed.notify_one();
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

#[cfg(test)]
mod tests;
