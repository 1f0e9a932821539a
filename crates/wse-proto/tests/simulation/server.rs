//! The server of a run: which clients it accepts, which sessions it keeps, and when it ends them. It acts
//! on tokens through `Tokens` only, and checks the result against what it knows.

use crate::{
    event::{Event, EventOf},
    history::Name,
    network::{End, Side},
    party::Party,
    world::World,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use wse_proto::{
    Accepted, Cid, Closed, Codec, Decision, Features, Input, Later, Machine, Payload, Question, Reason, Sent,
    ServerMachine, SessionGrant, SessionRequest, Token, TokenCheck, Tokens,
};

/// What a client tells of its attempt beside who it is: who talks if there is no session to resume;
/// whose session it is, and the welcome that brought the token; whether it is silent until the welcome, so
/// that it may be challenged.
pub(crate) type Meta = (Name, Name, Name, bool);

pub(crate) struct Server {
    conns: BTreeMap<Name, Conn>,
    /// The turns of clients about whom the application could not decide.
    turns: Later,
}

struct Conn {
    party: Party<ServerMachine>,
    /// Whose it is, once it is let in.
    cid: Option<Cid>,
    /// The application's decision, and when it comes.
    verdict: Option<(Instant, Decision)>,
    /// The user that the application has accepted.
    accepted: Option<Cid>,
    tokens: Option<Tokens>,
    lost: Option<Instant>,
    /// The welcome that brings the last token.
    last: Name,
    /// Those that brought tokens since an envelope came, and when each was used or followed.
    before: Vec<(Name, Instant)>,
}

/// Whether a client that comes back has its session.
enum Claimed {
    Yes(Name),
    TooSoon,
    No,
}

/// Within this time a second use of a token may be a race.
const RACE: Duration = Duration::from_secs(1);
/// What a parked session takes beside its bytes.
const PARKED: usize = 4 << 10;

impl Server {
    pub(crate) fn new(returns_per_second: u32) -> Self {
        Self { conns: BTreeMap::new(), turns: Later::new(returns_per_second) }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        let due = |conn: &Conn| {
            let verdict = conn.verdict.as_ref().map(|(at, _)| *at);
            conn.party.due().into_iter().chain(verdict).min()
        };
        self.conns.values().filter_map(due).min()
    }

    pub(crate) fn parties(&self) -> impl Iterator<Item = &Party<ServerMachine>> {
        self.conns.values().map(|conn| &conn.party)
    }

    /// One of those that were let in.
    pub(crate) fn choose(&mut self, number: usize) -> Option<&mut Party<ServerMachine>> {
        let mut open: Vec<_> = self.conns.values_mut().filter(|conn| conn.cid.is_some()).collect();
        let count = open.len().max(1);
        (number % count < open.len()).then(|| &mut open.swap_remove(number % count).party)
    }

    /// Something has arrived at a socket, or its end.
    pub(crate) fn hear(&mut self, end: End, bytes: Option<Vec<u8>>, world: &mut World) {
        let known = self.conns.iter().find(|(_, conn)| conn.party.end == Some(end)).map(|(name, _)| *name);
        let name = match (known, world.dialled.remove(&end.socket)) {
            (Some(name), _) => name,
            (None, Some(codec)) => self.accept(end, codec, world),
            (None, None) => return,
        };
        let Some(conn) = self.conns.get_mut(&name) else { return };
        let Some(bytes) = bytes else {
            let event = conn.party.lost(world);
            return self.act(name, Some(event), world);
        };
        conn.party.hear(&bytes, world);
        let event = conn.party.read(world);
        self.act(name, event, world);
    }

    /// So many bytes that were written to a slow socket are through.
    pub(crate) fn took(&mut self, end: End, bytes: usize, now: Instant) {
        let parties = self.conns.values_mut().map(|conn| &mut conn.party);
        parties.filter(|party| party.end == Some(end)).for_each(|party| party.took(bytes, now));
    }

    fn accept(&mut self, end: End, codec: Codec, world: &mut World) -> Name {
        let (name, at) = (world.name(), world.now());
        world.history.begun(name, Side::Server);
        let machine = ServerMachine::new(codec.clone(), &world.plan.limits, at);
        let party = Party::new(name, machine, codec, end, &world.plan.limits, at);
        let conn = Conn {
            party,
            cid: None,
            verdict: None,
            accepted: None,
            tokens: None,
            lost: None,
            last: 0,
            before: Vec::new(),
        };
        self.conns.insert(name, conn);
        name
    }

    /// Does what an event asks for, and what it leads to.
    pub(crate) fn act(&mut self, mut name: Name, mut event: Option<EventOf<ServerMachine>>, world: &mut World) {
        while let Some(next) = event.take() {
            match next {
                Event::Asked(question) => self.ask(name, &question, world),
                Event::Opened(accepted) => name = self.open(name, accepted, world),
                Event::Parked => self.park(name, world),
                Event::Ended(closed) => self.end(name, &closed, world),
            }
            // What has come behind it, or was held before it.
            let Some(conn) = self.conns.get_mut(&name) else { return };
            while conn.cid.is_some() && event.is_none() && !conn.party.held.is_empty() {
                let envelope = conn.party.held.remove(0);
                event = conn.party.step(Input::Envelope(envelope), world);
            }
            if event.is_none() && conn.party.end.is_some() {
                event = conn.party.read(world);
            }
        }
        self.spare(world);
    }

    /// What time alone does.
    pub(crate) fn pass(&mut self, world: &mut World) {
        for name in self.conns.keys().copied().collect::<Vec<_>>() {
            let Some(conn) = self.conns.get_mut(&name) else { continue };
            if let Some((_, verdict)) = conn.verdict.take_if(|(at, _)| *at <= world.now()) {
                conn.accepted = if let Decision::Accept(cid, _) = &verdict { Some(cid.clone()) } else { None };
                let event = conn.party.step(Input::Answer(verdict), world);
                self.act(name, event, world);
            }
            let Some(conn) = self.conns.get_mut(&name) else { continue };
            let event = conn.party.pass(world);
            self.act(name, event, world);
        }
    }

    /// Asks the application, which accepts in most cases.
    fn ask(&mut self, name: Name, question: &Question, world: &mut World) {
        let cid: String = question.hello.identity.decode().expect("a name");
        let (.., patient): Meta = question.hello.meta.decode().expect("as it was sent");
        let odd = !world.peace && world.chance.one_in(world.plan.moods);
        let verdict = match world.chance.below(6) {
            _ if world.is_undecided() => Decision::Later(self.turns.turn(world.now())),
            0 if odd => Decision::Refuse(Reason::default()),
            1 if odd => Decision::accept("eve"),
            2 if odd => return, // never answers
            3.. if odd && patient => Decision::Challenge(question.hello.identity.clone()),
            _ => Decision::accept(cid.as_str()),
        };
        let wait = world.chance.millis(0..if odd { 2_000 } else { 100 });
        if let Some(conn) = self.conns.get_mut(&name) {
            conn.verdict = Some((world.now() + wait, verdict));
        }
    }

    /// A client was accepted. Returns whose conversation goes on over the connection: a session that was
    /// parked, or the one that has just opened.
    fn open(&mut self, name: Name, accepted: Accepted, world: &mut World) -> Name {
        let mut conn = self.conns.remove(&name).expect("it has asked");
        assert_eq!(Some(&accepted.cid), conn.accepted.as_ref(), "the application has not accepted it");
        let meta: Meta = accepted.hello.meta.decode().expect("as it was sent");
        let next = Token::new(1, 1, world.chance.wide());
        let wanted = accepted.session.filter(|_| !world.plan.limits.resume_window.is_zero());
        if let Some(SessionRequest::Resume { token, seen }) = &wanted {
            match self.claim(&accepted.cid, token, &next, (*seen, meta), world) {
                Claimed::Yes(old) => {
                    assert!(conn.party.held.is_empty(), "who asks for a session waits for the welcome");
                    self.resume(old, conn, next, (*seen, meta), world);
                    return old;
                }
                Claimed::TooSoon => {
                    self.conns.insert(name, conn);
                    self.end(name, &Closed::broken(Reason::default()), world);
                    return name;
                }
                Claimed::No => {}
            }
        }
        world.history.opened(name, Some(meta.0), wanted.is_some());
        world.history.arrived(accepted.cid.as_str(), name);
        (conn.cid, conn.last) = (Some(accepted.cid.clone()), world.name());
        (conn.party.open, conn.party.heard) = (true, world.now()); // silence counts from now on
        if wanted.is_some() {
            let limits = &world.plan.limits;
            let (beat, window) = (limits.ping_interval, limits.resume_window);
            conn.party.keep(beat, window, world);
            conn.tokens = Some(Tokens::new(&next));
            conn.welcome(Some((next, false, 0)), world);
        } else {
            conn.welcome(None, world);
        }
        self.conns.insert(name, conn);
        self.make_room(&accepted.cid, world);
        name
    }

    /// The session that the token is of, checked against all that is known of both sides.
    fn claim(
        &mut self,
        cid: &Cid,
        token: &Token,
        next: &Token,
        (seen, (_, session, from, _)): (u64, Meta),
        world: &World,
    ) -> Claimed {
        let now = world.now();
        let (mut claimed, mut due, mut early) = (None, None, false);
        for (name, conn) in self.conns.iter_mut().filter(|(_, conn)| conn.cid.as_ref() == Some(cid)) {
            let (Some(tokens), Some(copies)) = (&mut conn.tokens, &conn.party.copies) else { continue };
            if conn.party.spoken {
                tokens.confirm();
                conn.before.clear();
            }
            let lost = conn.lost.is_some();
            let own = *name == session && copies.is_whole() && world.history.covers(*name, seen);
            let used = conn.before.iter().find(|(before, _)| *before == from).map(|(_, used)| *used);
            let again = used.is_some_and(|used| lost || now >= used + RACE);
            // It must be while the client cannot know better, and may be until the server does.
            if own && (conn.last == from || (used.is_some() && !world.welcomed.contains(&conn.last))) {
                due = Some(*name);
            }
            let may = own && (conn.last == from || again);
            match tokens.check(token, lost, now) {
                TokenCheck::Good if claimed.is_none() && copies.covers(seen) => {
                    assert!(may, "{name} is claimed by an old token, or a stranger's");
                    tokens.use_up(token, next, now);
                    claimed = Some(*name);
                }
                TokenCheck::TooSoon if copies.covers(seen) => {
                    assert!(own && !again && used.is_some(), "{name} is not known to be lost, or is");
                    early = true;
                }
                _ => {}
            }
        }
        assert!(early || due.is_none() || due == claimed, "{due:?} is not resumed");
        match claimed {
            Some(name) => Claimed::Yes(name),
            None if early => Claimed::TooSoon,
            None => Claimed::No,
        }
    }

    fn resume(&mut self, name: Name, mut handshake: Conn, next: Token, (seen, meta): (u64, Meta), world: &mut World) {
        let conn = self.conns.get_mut(&name).expect("it was claimed");
        if conn.party.end.is_some() {
            conn.party.detach(world);
            let event = conn.party.lost(world);
            assert!(matches!(event, Event::Parked), "a session outlives its connection");
            world.history.parked(name);
        }
        conn.party.resume(&mut handshake.party, seen, world);
        // Those of the welcomes that may not have arrived are good once more, but not at once.
        conn.before.retain(|(before, _)| *before != meta.2);
        let given = std::mem::replace(&mut conn.last, world.name());
        let used = (given != meta.2).then_some(meta.2);
        conn.before.extend(used.into_iter().chain([given]).map(|before| (before, world.now())));
        conn.lost = None;
        let taken = conn.party.machine.taken();
        conn.welcome(Some((next, true, taken)), world);
        conn.party.repeat(world);
        conn.party.ping(world);
    }

    fn park(&mut self, name: Name, world: &mut World) {
        let Some(conn) = self.conns.get_mut(&name) else { return };
        conn.party.detach(world);
        conn.lost = Some(world.now());
        world.history.parked(name);
        if !conn.party.copies.as_ref().is_some_and(Sent::is_whole) {
            self.end(name, &Closed::broken(Reason::default()), world);
        }
    }

    pub(crate) fn end(&mut self, name: Name, closed: &Closed, world: &mut World) {
        let Some(mut conn) = self.conns.remove(&name) else { return };
        conn.party.finish(closed, world);
        if let Some(cid) = &conn.cid {
            world.history.left(cid.as_str(), name);
        }
    }

    /// A user has so many devices at most: the oldest goes.
    fn make_room(&mut self, cid: &Cid, world: &mut World) {
        let of_user: Vec<_> = self.conns.iter().filter(|(_, conn)| conn.cid.as_ref() == Some(cid)).collect();
        if of_user.len() > world.plan.limits.conns_per_user {
            let oldest = *of_user[0].0;
            self.end(oldest, &Closed::normal(Reason::CLIENTS_CONCURRENCY), world);
        }
    }

    /// Over the bound of all parked sessions the one that was lost first ends.
    fn spare(&mut self, world: &mut World) {
        loop {
            let parked = self.conns.iter().filter(|(_, conn)| conn.lost.is_some());
            let weigh = |conn: &Conn| PARKED + conn.party.copies.as_ref().map_or(0, Sent::bytes);
            if parked.clone().map(|(_, conn)| weigh(conn)).sum::<usize>() <= world.plan.limits.parked_bytes {
                return;
            }
            let Some((first, _)) = parked.min_by_key(|(_, conn)| conn.lost) else { return };
            self.end(*first, &Closed::broken(Reason::default()), world);
        }
    }
}

impl Conn {
    /// The welcome carries the name of who goes on, and its own.
    fn welcome(&mut self, grant: Option<(Token, bool, u64)>, world: &mut World) {
        let party = &mut self.party;
        let payload = Payload::encode(party.codec.format(), &(party.name, self.last)).expect("numbers");
        let Some((token, resumed, seen)) = grant else { return party.send_own("~wse:welcome", &payload, world) };
        let (beat, window) = (world.plan.limits.ping_interval, world.plan.limits.resume_window);
        let cid = self.cid.clone().expect("it was let in");
        let mut frame = Vec::new();
        let grant = SessionGrant { token, cid, seen, resumed, beat, window, message_bytes: None };
        party.codec.write_welcome(&mut frame, &payload, Some(&grant), Features::ALL).expect("a welcome");
        party.send_frame(&frame, world);
    }
}
