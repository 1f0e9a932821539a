//! A run from its seed to its end: what comes next in virtual time, and what is checked after it.
//! Two things do not happen at once.

use crate::{
    ages::Ages,
    chance::Chance,
    client::Client,
    count::Count,
    event::EventOf,
    hardship::{Hardship, POISON},
    history::{History, Name},
    network::{End, Network, Side},
    party::Party,
    plan::{Action, PEACE, Place, Plan, TROUBLE},
    server::Server,
    world::World,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};
use wse_proto::{Closed, Kind, Machine, Reason, Stamp};

pub(crate) struct Run {
    world: World,
    server: Server,
    clients: Vec<Client>,
    actions: VecDeque<(Instant, Action)>,
    trouble: Instant,
}

impl Run {
    pub(crate) fn new(seed: u64, told: bool) -> Self {
        let (mut chance, start) = (Chance::new(seed), Instant::now());
        let plan = Plan::new(&mut chance);
        // Every other seed is harder; the others are what they have always been.
        let hard = seed.is_multiple_of(2);
        let plan = if hard { plan.harder(Hardship::new(&mut Chance::new(!seed))) } else { plan };
        // So is every other pair of seeds.
        let ages = (seed / 2) % 2 == 1;
        let plan = if ages { plan.aging(Ages::new(&mut Chance::new(seed.rotate_left(32)))) } else { plan };
        let mut history = History::new(start, plan.limits.clone(), told);
        history.ages.can_skip = plan.ages.can_skip;
        history.note(|| format!("{plan:#?}"));
        let net = Network::new(plan.latency, plan.hardship.rate);
        let client = |(number, client): (usize, &crate::plan::Client)| Client::new(number, client.clone(), start);
        let clients = plan.clients.iter().enumerate().map(client).collect();
        let server = Server::new(plan.hardship.returns_per_second);
        let actions = plan.actions.iter().map(|(at, action)| (start + Duration::from_millis(*at), *action)).collect();
        let world = World {
            net,
            history,
            chance,
            plan,
            names: 0,
            dialled: BTreeMap::new(),
            welcomed: BTreeSet::new(),
            peace: false,
        };
        Self { world, server, clients, actions, trouble: start + Duration::from_millis(TROUBLE) }
    }

    pub(crate) fn run(mut self) -> (u64, Count) {
        let end = self.trouble + PEACE;
        let mut steps = 0;
        while let Some(next) = self.next().filter(|next| *next < end) {
            self.world.history.now = next.max(self.world.now());
            self.happen();
            let now = self.world.now();
            let sights = self.server.parties().map(|party| party.sight(now));
            let sights = sights.chain(self.clients.iter().flat_map(Client::parties).map(|party| party.sight(now)));
            self.world.history.check(sights);
            steps += 1;
            assert!(steps < 100_000, "it never ends");
        }
        let live = self.server.parties().map(|party| party.name);
        let live = live.chain(self.clients.iter().flat_map(Client::parties).map(|party| party.name)).collect();
        self.world.history.finish(&live);
        // The server does not know a socket that was cut before anything came.
        for end in self.world.net.ends().filter(|end| !self.world.dialled.contains_key(&end.socket)) {
            let served = self.server.parties().any(|party| party.end == Some(end));
            assert!(served || self.clients.iter().any(|client| client.owns(end)), "no party has closed {end:?}");
        }
        (self.world.history.print, self.world.history.count)
    }

    fn next(&self) -> Option<Instant> {
        let action = self.actions.front().map(|(at, _)| *at);
        let peace = (!self.world.peace).then_some(self.trouble);
        let clients = self.clients.iter().filter_map(Client::due);
        let others = [action, peace, self.world.net.due(), self.server.due()];
        others.into_iter().flatten().chain(clients).min()
    }

    /// One thing happens: something arrives, an application or the network acts, or time passes.
    fn happen(&mut self) {
        let world = &mut self.world;
        let now = world.now();
        if !world.peace && now >= self.trouble {
            world.peace = true;
            world.net.heal();
        } else if let Some((end, bytes)) = world.net.arrival(now) {
            let writer = End { side: end.side.other(), ..end };
            if let Some(bytes) = bytes.as_ref().filter(|_| world.net.is_full(writer)) {
                match writer.side {
                    Side::Server => self.server.took(writer, bytes.len(), now),
                    Side::Client => self.clients.iter_mut().for_each(|client| client.took(writer, bytes.len(), now)),
                }
            }
            match end.side {
                Side::Server => self.server.hear(end, bytes, world),
                Side::Client => {
                    if let Some(client) = self.clients.iter_mut().find(|client| client.owns(end)) {
                        client.hear(end, bytes, world);
                    }
                }
            }
        } else if let Some((_, action)) = self.actions.front().copied().filter(|(at, _)| *at <= now) {
            self.actions.pop_front();
            self.act(action);
        } else {
            self.server.pass(world);
            self.clients.iter_mut().for_each(|client| client.pass(world));
        }
    }

    fn act(&mut self, action: Action) {
        self.world.history.note(|| format!("{action:?}"));
        let world = &mut self.world;
        let now = world.now();
        let chosen = |socket: usize, world: &World| {
            let sockets = world.net.sockets();
            sockets.get(socket % sockets.len().max(1)).copied()
        };
        match action {
            Action::Cut { socket, seen } => {
                if let Some(socket) = chosen(socket, world) {
                    world.net.cut(socket, seen, now, &mut world.chance);
                }
            }
            Action::Stall { socket, side, wait } => {
                if let Some(socket) = chosen(socket, world) {
                    world.net.stall(End { socket, side }, wait, now);
                }
            }
            Action::Say { from, messages, bytes } => {
                (0..messages).for_each(|_| self.talk(from, Talk::Say(bytes)));
            }
            Action::Call { from } => self.talk(from, Talk::Call),
            Action::Age { from, key, ttl } => self.talk(from, Talk::Age(key, ttl)),
            Action::Poison { from } => self.talk(from, Talk::Poison),
            Action::Forge { from } => {
                let number = self.world.chance.below(100);
                let Some(victim) = self.server.choose(number) else { return };
                let Some(stamp) = victim.secret() else { return };
                let victim = victim.name;
                self.talk(from, Talk::Forge { victim, stamp });
            }
            Action::Close { from: Place::Client(number) } => {
                let number = number % self.clients.len();
                self.clients[number].end(&Closed::normal(Reason::BY_CLIENT), world);
            }
            Action::Close { from: Place::Server(number) } => {
                if let Some(name) = self.server.choose(number).map(|party| party.name) {
                    self.server.end(name, &Closed::normal(Reason::BY_SERVER), world);
                }
            }
        }
    }

    fn talk(&mut self, from: Place, what: Talk) {
        let world = &mut self.world;
        match from {
            Place::Client(number) => {
                let number = number % self.clients.len();
                let client = &mut self.clients[number];
                if let Some(party) = client.party() {
                    let event = what.by(party, world);
                    client.act(false, event, world);
                }
            }
            Place::Server(number) => {
                if let Some(party) = self.server.choose(number) {
                    let name = party.name;
                    let event = what.by(party, world);
                    self.server.act(name, event, world);
                }
            }
        }
    }
}

/// What an application does with its party.
enum Talk {
    Say(usize),
    Call,
    Age(u64, Option<Duration>),
    Poison,
    /// Answers what the victim asks, but not of this party.
    Forge {
        victim: Name,
        stamp: Stamp,
    },
}

impl Talk {
    fn by<S: Machine>(&self, party: &mut Party<S>, world: &mut World) -> Option<EventOf<S>> {
        match self {
            Talk::Say(bytes) => party.send("say", 0, None, *bytes, world),
            Talk::Poison => party.send(POISON, 0, None, 0, world),
            Talk::Call => party.call(world),
            Talk::Age(key, ttl) => party.age(*key, *ttl, world),
            Talk::Forge { victim, .. } if world.history.peer(*victim) == Some(party.name) => None,
            Talk::Forge { stamp, .. } => party.send(Kind::Response.as_str(), 0, Some(stamp.as_str()), 0, world),
        }
    }
}
