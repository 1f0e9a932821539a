//! What a run is made of: who takes part, within which limits, what the applications do and what
//! becomes of the network. It does not look at the run that it is for.

use crate::{
    ages::Ages,
    chance::Chance,
    hardship::Hardship,
    network::{Fate, Seen, Side},
};
use std::time::Duration;
use wse_proto::{Backoff, Codec, Limits};

/// So many milliseconds things happen; then the network is whole again and no party starts anything.
pub(crate) const TROUBLE: u64 = 60_000;
/// After this time of quiet everything has arrived that should.
pub(crate) const PEACE: Duration = Duration::from_secs(90);

/// A client.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) cid: &'static str,
    /// It asks for sessions.
    pub(crate) resume: bool,
    pub(crate) codec: Codec,
}

/// Something that the application or the network does. The numbers choose among those there are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// So many messages of so many bytes.
    Say {
        from: Place,
        messages: usize,
        bytes: usize,
    },
    Call {
        from: Place,
    },
    /// Answers a call that another party was asked.
    Forge {
        from: Place,
    },
    /// The client closes, or the server drops it.
    Close {
        from: Place,
    },
    /// A message that its receiver does not survive.
    Poison {
        from: Place,
    },
    /// A message that ages, of a key of which the newest counts unless it is 0.
    Age {
        from: Place,
        key: u64,
        ttl: Option<Duration>,
    },
    Cut {
        socket: usize,
        seen: Seen,
    },
    Stall {
        socket: usize,
        side: Side,
        wait: Duration,
    },
}

/// A client, or the server's end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Client(usize),
    Server(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) clients: Vec<Client>,
    pub(crate) limits: Limits,
    pub(crate) backoff: Backoff,
    pub(crate) latency: u64,
    /// One in so many sockets has a fate, questions an odd answer, attempts a double.
    pub(crate) fates: usize,
    pub(crate) moods: usize,
    pub(crate) doubles: usize,
    /// With the milliseconds after the start, in order.
    pub(crate) actions: Vec<(u64, Action)>,
    pub(crate) hardship: Hardship,
    pub(crate) ages: Ages,
}

impl Plan {
    pub(crate) fn new(chance: &mut Chance) -> Self {
        let count = 1 + chance.below(4);
        let clients = (0..count).map(|_| Client {
            cid: chance.pick(&["ann", "bob"]),
            resume: !chance.one_in(6),
            codec: if chance.one_in(2) { Codec::Json } else { Codec::MessagePack },
        });
        let clients = clients.collect();
        let second = Duration::from_secs(1);
        let limits = Limits {
            auth_timeout: 3 * second,
            connect_timeout: 3 * second,
            conns_per_user: chance.pick(&[1, 2, 4, 4]),
            calls_per_conn: chance.pick(&[2, 1024]),
            rpc_timeout: chance.pick(&[2, 5, 20]) * second,
            ping_interval: chance.pick(&[2, 5, 10]) * second,
            ping_timeout: chance.pick(&[1, 3]) * second,
            resume_window: chance.pick(&[0, 2, 10, 30, 30, 30]) * second,
            session_bytes: chance.pick(&[1_000, 5_000, 1 << 20, 1 << 20]),
            parked_bytes: chance.pick(&[10_000, 64 << 20, 64 << 20]),
            ..Limits::default()
        };
        let backoff =
            Backoff { min: Duration::from_millis(200), max: chance.pick(&[1, 4]) * second, ..Backoff::default() };
        let many = chance.pick(&[20, 60, 150]);
        let trouble = chance.pick(&[3, 6, 12, 40]);
        let mut actions: Vec<_> = (0..many).map(|_| (chance.bits() % TROUBLE, Action::new(trouble, chance))).collect();
        actions.sort_by_key(|(at, _)| *at);
        Self {
            clients,
            limits,
            backoff,
            latency: chance.pick(&[2, 50, 400]),
            fates: chance.pick(&[2, 4, 100]),
            moods: chance.pick(&[4, 20, 1000]),
            doubles: chance.pick(&[8, 100]),
            actions,
            hardship: Hardship::default(),
            ages: Ages::default(),
        }
    }

    /// The same plan, made harder.
    pub(crate) fn harder(mut self, hardship: Hardship) -> Self {
        self.actions.extend(&hardship.acts);
        self.actions.sort_by_key(|(at, _)| *at);
        Self { hardship, ..self }
    }

    /// The same plan, with what ages.
    pub(crate) fn aging(mut self, ages: Ages) -> Self {
        self.actions.extend(&ages.acts);
        self.actions.sort_by_key(|(at, _)| *at);
        Self { ages, ..self }
    }

    /// What becomes of the next socket.
    pub(crate) fn fate(&self, chance: &mut Chance) -> Option<Fate> {
        let side = chance.pick(&[Side::Client, Side::Server]);
        let bytes = chance.pick(&[300, 500, 500, 5_000]);
        let bytes = chance.below(bytes);
        chance.one_in(self.fates).then(|| Fate { side, bytes, seen: seen(chance) })
    }
}

fn seen(chance: &mut Chance) -> Seen {
    chance.pick(&[Seen::Both, Seen::Both, Seen::By(Side::Client), Seen::By(Side::Server), Seen::Neither])
}

impl Action {
    /// One in `trouble` is the network's.
    fn new(trouble: usize, chance: &mut Chance) -> Self {
        let number = chance.below(100);
        if chance.one_in(trouble) {
            return match chance.below(3) {
                0 => Action::Stall {
                    socket: number,
                    side: chance.pick(&[Side::Client, Side::Server]),
                    wait: chance.millis(10..8_000),
                },
                _ => Action::Cut { socket: number, seen: seen(chance) },
            };
        }
        let from = chance.pick(&[Place::Client(number), Place::Server(number)]);
        match chance.below(40) {
            0 => Action::Close { from },
            1 | 2 => Action::Forge { from },
            3 | 4 => Action::Say { from, messages: 1 + chance.below(80), bytes: 10 },
            5 => Action::Say { from, messages: 1, bytes: chance.pick(&[2_000, 2_000, 2_000, 70_000]) },
            6..20 => Action::Call { from },
            _ => Action::Say { from, messages: 1 + chance.below(3), bytes: chance.below(100) },
        }
    }
}
