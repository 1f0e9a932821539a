//! A client of a run: its attempts, its conversation, the session it comes back to. It does not see what
//! the server knows.

use crate::{
    event::{Event, EventOf},
    frames::{MESSAGE, frame},
    history::Name,
    network::{End, Side},
    party::Party,
    server::Meta,
    world::World,
};
use std::time::{Duration, Instant};
use wse_proto::{
    ClientMachine, Closed, Features, Hello, Hint, Input, Kind, Machine, Payload, Reason, Sent, SessionRequest, Token,
    Welcome,
};

pub(crate) struct Client {
    number: usize,
    plan: crate::plan::Client,
    link: Option<Link>,
    attempt: Option<Attempt>,
    /// When it tries again.
    retry: Option<Instant>,
    failed: u32,
}

/// A conversation that is open, or the session of one that was.
struct Link {
    party: Party<ClientMachine>,
    /// The token to come back with, and the welcome that brought it.
    grant: Option<(Token, Name)>,
    /// How many frames were taken in and confirmed when it was last resumed.
    resumed_at: Option<(u64, u64)>,
    /// How often in a row it was resumed without one more.
    in_vain: u32,
}

/// A session that was resumed so often in vain is given up.
const IN_VAIN: u32 = 8;

struct Attempt {
    party: Party<ClientMachine>,
    until: Instant,
    /// It asks for the session of the link.
    resumes: bool,
}

impl Link {
    fn progress(&self, world: &World) -> (u64, u64) {
        (self.party.machine.taken(), world.history.confirmed(self.party.name))
    }
}

impl Client {
    pub(crate) fn new(number: usize, plan: crate::plan::Client, now: Instant) -> Self {
        Self { number, plan, link: None, attempt: None, retry: Some(now), failed: 0 }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        let link = self.link.as_ref().and_then(|link| link.party.due());
        let attempt =
            self.attempt.as_ref().map(|attempt| attempt.party.due().unwrap_or(attempt.until).min(attempt.until));
        [link, attempt, self.retry].into_iter().flatten().min()
    }

    pub(crate) fn parties(&self) -> impl Iterator<Item = &Party<ClientMachine>> {
        self.link.iter().map(|link| &link.party).chain(self.attempt.iter().map(|attempt| &attempt.party))
    }

    /// The conversation that its application talks through.
    pub(crate) fn party(&mut self) -> Option<&mut Party<ClientMachine>> {
        self.link.as_mut().map(|link| &mut link.party)
    }

    pub(crate) fn owns(&self, end: End) -> bool {
        self.parties().any(|party| party.end == Some(end))
    }

    /// Something has arrived at its socket, or the end of it.
    pub(crate) fn hear(&mut self, end: End, bytes: Option<Vec<u8>>, world: &mut World) {
        let at_attempt = self.attempt.as_ref().is_some_and(|attempt| attempt.party.end == Some(end));
        let Some(party) = (if at_attempt { self.attempting() } else { self.party() }) else { return };
        let event = match bytes {
            Some(bytes) => {
                party.hear(&bytes, world);
                party.read(world)
            }
            None => Some(party.lost(world)),
        };
        self.act(at_attempt, event, world);
    }

    /// So many bytes that were written to a slow socket are through.
    pub(crate) fn took(&mut self, end: End, bytes: usize, now: Instant) {
        if let Some(party) = self.party().filter(|party| party.end == Some(end)) {
            party.took(bytes, now);
        }
    }

    fn attempting(&mut self) -> Option<&mut Party<ClientMachine>> {
        self.attempt.as_mut().map(|attempt| &mut attempt.party)
    }

    /// Does what an event of the attempt or of the link asks for, and what it leads to.
    pub(crate) fn act(&mut self, mut at_attempt: bool, mut event: Option<EventOf<ClientMachine>>, world: &mut World) {
        while let Some(next) = event.take() {
            let party = if at_attempt { self.attempting() } else { self.party() };
            match (next, party) {
                (_, None) => return,
                (Event::Asked(quest), Some(party)) => {
                    if !world.chance.one_in(8) {
                        event = party.step(Input::Answer(quest), world);
                    }
                }
                (Event::Opened(welcome), _) => {
                    at_attempt = false;
                    self.open(welcome, world);
                }
                (Event::Parked, Some(party)) => {
                    party.detach(world);
                    world.history.parked(party.name);
                    let whole = party.copies.as_ref().is_some_and(Sent::is_whole);
                    let closed = Closed::broken(Reason::default());
                    if whole && !self.gives_up(world) { self.later(&closed, world) } else { self.end(&closed, world) }
                }
                (Event::Ended(closed), _) if at_attempt => self.fail(&closed, world),
                (Event::Ended(closed), _) => self.end(&closed, world),
            }
            let party = if at_attempt { self.attempting() } else { self.party() };
            if event.is_none()
                && let Some(party) = party.filter(|party| party.end.is_some())
            {
                event = party.read(world);
            }
        }
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, world: &mut World) {
        if let Some(party) = self.party() {
            let event = party.pass(world);
            self.act(false, event, world);
        }
        if let Some(party) = self.attempting() {
            let event = party.pass(world);
            self.act(true, event, world);
        }
        if self.attempt.as_ref().is_some_and(|attempt| attempt.until <= world.now()) {
            self.fail(&Closed::broken(Reason::default()), world);
        }
        if self.retry.take_if(|at| *at <= world.now()).is_some() {
            self.dial(world);
        }
    }

    fn dial(&mut self, world: &mut World) {
        assert!(self.attempt.is_none(), "one attempt at a time");
        let (now, name) = (world.now(), world.name());
        let fate = if world.peace { None } else { world.plan.fate(&mut world.chance) };
        let end = world.net.dial(fate);
        world.dialled.insert(end.socket, self.plan.codec.clone());
        world.history.begun(name, Side::Client);

        let (codec, format) = (self.plan.codec.clone(), self.plan.codec.format());
        let grant = self.link.as_ref().and_then(|link| Some((&link.party, link.grant.as_ref()?)));
        let wanted = match grant {
            _ if !self.plan.resume => None,
            None => Some(SessionRequest::New),
            Some((party, (token, _))) => {
                Some(SessionRequest::Resume { token: token.clone(), seen: party.machine.taken() })
            }
        };
        let server = grant.and_then(|(party, _)| world.history.peer(party.name));
        // Who asks for no session may talk before it is let in, unless it may be challenged.
        let patient = wanted.is_some() || world.chance.one_in(2);
        let welcome = grant.map_or(0, |(_, (_, welcome))| *welcome);
        let meta: Meta = (name, server.unwrap_or_default(), welcome, patient);
        let encode = "it has a form";
        let hello = Hello {
            identity: Payload::encode(format, self.plan.cid).expect(encode),
            meta: Payload::encode(format, &meta).expect(encode),
        };
        let limits = &world.plan.limits;
        let (machine, hi) = ClientMachine::new(codec.clone(), &hello, wanted.as_ref(), limits, now);
        let party = Party::new(name, machine, codec.clone(), end, limits, now);
        let until = now + limits.connect_timeout;
        let mut attempt = Attempt { party, until, resumes: server.is_some() };
        let mut frame = Vec::new();
        codec.write_encoded(&mut frame, Kind::Hi.as_str(), &hi, None).expect(encode);
        if !world.peace && world.chance.one_in(10) {
            world.net.stall(end, world.chance.millis(100..6_000), now);
        }
        attempt.party.send_frame(&frame, world);
        if !world.peace && world.chance.one_in(world.plan.doubles) {
            let lie = world.chance.below(3) as u64 * 8;
            let wanted = wanted.clone().map(|wanted| match wanted {
                SessionRequest::Resume { token, seen } => {
                    SessionRequest::Resume { token, seen: seen.saturating_sub(lie) }
                }
                SessionRequest::New => SessionRequest::New,
            });
            let mut frame = Vec::new();
            let hi = hello.write(wanted.as_ref(), Features::ALL, format);
            codec.write_encoded(&mut frame, Kind::Hi.as_str(), &hi, None).expect(encode);
            self.double(&frame, world);
        }
        while !patient && world.chance.one_in(3) {
            attempt.party.send("early", 0, None, 5, world);
        }
        self.attempt = Some(attempt);
    }

    /// Sends the same hi on another socket and leaves that socket. The hi may say that less was seen than
    /// the first one said.
    fn double(&self, hi: &[u8], world: &mut World) {
        let (end, now) = (world.net.dial(None), world.now());
        world.dialled.insert(end.socket, self.plan.codec.clone());
        if world.chance.one_in(2) {
            world.net.stall(end, world.chance.millis(1..4_000), now);
        }
        world.net.send(end, &frame(MESSAGE, hi), now, &mut world.chance);
        if world.chance.one_in(2) { world.net.vanish(end, now) } else { world.net.leave(end, now) }
    }

    /// The server has let it in: the session goes on, or another conversation begins.
    fn open(&mut self, welcome: Welcome, world: &mut World) {
        let mut attempt = self.attempt.take().expect("an attempt is welcomed");
        let (server, number): (Name, Name) = welcome.payload.decode().expect("two names");
        world.welcomed.insert(number);
        self.failed = 0;
        world.history.returns.there(self.number);
        let Some(granted) = welcome.session else {
            self.replace(attempt, None, server, world);
            return;
        };
        let grant = (granted.token.clone(), number);
        assert!(!granted.resumed || attempt.resumes, "the client has not asked for that session");
        match self.link.as_mut().filter(|_| granted.resumed) {
            Some(link) => {
                assert_eq!(world.history.peer(link.party.name), Some(server), "another's session");
                link.party.resume(&mut attempt.party, granted.seen, world);
                link.party.repeat(world);
                link.grant = Some(grant);
                link.resumed_at = Some(link.progress(world));
                self.failed = link.in_vain; // the waits grow meanwhile
            }
            None => {
                assert_eq!(granted.seen, 0, "a new session has taken in nothing");
                let beat = if world.chance.one_in(2) { granted.beat } else { Duration::ZERO };
                attempt.party.keep(beat, granted.window, world);
                self.replace(attempt, Some(grant), server, world);
            }
        }
    }

    /// What was before has ended.
    fn replace(&mut self, mut attempt: Attempt, grant: Option<(Token, Name)>, server: Name, world: &mut World) {
        if let Some(mut link) = self.link.take() {
            link.party.finish(&Closed::broken(Reason::default()), world);
        }
        world.history.opened(attempt.party.name, Some(server), grant.is_some());
        attempt.party.open = true;
        self.link = Some(Link { party: attempt.party, grant, resumed_at: None, in_vain: 0 });
    }

    /// The attempt has failed. Only a final answer ends the session.
    fn fail(&mut self, closed: &Closed, world: &mut World) {
        if let Some(mut attempt) = self.attempt.take() {
            attempt.party.detach(world);
        }
        self.failed += 1;
        world.history.count.told_later += u64::from(closed.code == 1013 && closed.after().is_some());
        if closed.is_temporary() {
            self.later(closed, world);
        } else {
            self.end(closed, world);
        }
    }

    /// The conversation has ended, and with it an attempt to go on with it.
    pub(crate) fn end(&mut self, closed: &Closed, world: &mut World) {
        if let Some(mut link) = self.link.take() {
            link.party.finish(closed, world);
        }
        if let Some(mut attempt) = self.attempt.take() {
            attempt.party.detach(world);
        }
        self.retry = None;
        world.history.returns.away(self.number, closed);
        if closed.is_temporary() {
            self.later(closed, world);
        } else if !world.peace {
            // Its user comes again.
            self.retry = Some(world.now() + world.chance.millis(500..5_000));
        }
    }

    /// Comes back after a wait, which the end of the connection may have told.
    fn later(&mut self, closed: &Closed, world: &mut World) {
        world.history.returns.away(self.number, closed);
        let random = world.chance.bits() as u32;
        self.retry = Some(world.now() + Hint::from(closed).wait(&world.plan.backoff, self.failed, random));
    }

    /// Whether the session that was just parked is given up, since it was resumed in vain too often.
    fn gives_up(&mut self, world: &mut World) -> bool {
        let Some(link) = &mut self.link else { return false };
        let in_vain = link.resumed_at == Some(link.progress(world));
        link.in_vain = if in_vain { link.in_vain + 1 } else { 0 };
        let gives_up = link.in_vain >= IN_VAIN;
        world.history.count.given_up += u64::from(gives_up);
        gives_up
    }
}
