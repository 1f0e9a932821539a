//! One end of a conversation with all that its driver keeps: the machine, the copies of a session, calls
//! and handlers, the bytes of its socket. It decides nothing that a machine decides.

use crate::{
    event::{Event, EventOf},
    frames::{CLOSE, MESSAGE, PING, PONG, frame},
    hardship::POISON,
    history::{Ending, Name, Sight},
    network::End,
    taking::Taking,
    world::World,
};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use wse_proto::{
    Closed, Codec, Envelope, Full, Input, Kind, Limits, Machine, Payload, Pending, Reason, Received, Sent, Settled,
    Stamp, Step,
};

pub(crate) struct Party<S> {
    pub(crate) name: Name,
    pub(crate) machine: S,
    pub(crate) codec: Codec,
    pub(crate) end: Option<End>,
    /// Bytes that are not a whole frame yet.
    unread: Vec<u8>,
    pub(crate) copies: Option<Sent<Vec<u8>>>,
    calls: Pending<u64>,
    /// In the order in which they end, with the numbers of the call and of its frame.
    timeouts: VecDeque<(Instant, Stamp, u64, u64)>,
    /// Running procedures: when they finish, the stamp and the call that they answer.
    handlers: Vec<(Instant, String, u64)>,
    pub(crate) held: Vec<Envelope<'static>>,
    pub(crate) sent: u64,
    /// Bytes of the frames that were sent, summed up after each.
    bytes: Vec<usize>,
    full: bool,
    /// How many frames were received and not acknowledged, and since when.
    untold: Option<(u64, Instant)>,
    pub(crate) open: bool,
    pub(crate) heard: Instant,
    taking: Taking,
    /// An envelope has come over this connection, so its peer has the welcome.
    pub(crate) spoken: bool,
}

/// The payload of a frame: its sender, its number, the call that it is about, and filling bytes.
pub(crate) type Said = (u64, u64, u64, String);

impl<S: Machine> Party<S> {
    pub(crate) fn new(name: Name, machine: S, codec: Codec, end: End, limits: &Limits, now: Instant) -> Self {
        Self {
            name,
            machine,
            codec,
            end: Some(end),
            unread: Vec::new(),
            copies: None,
            calls: Pending::new(limits.calls_per_conn, false),
            timeouts: VecDeque::new(),
            handlers: Vec::new(),
            held: Vec::new(),
            sent: 0,
            bytes: vec![0],
            full: false,
            untold: None,
            open: false,
            heard: now,
            taking: Taking::default(),
            spoken: false,
        }
    }

    /// From now on it is a session.
    pub(crate) fn keep(&mut self, beat: Duration, window: Duration, world: &World) {
        self.machine.keep(Received::new(beat, window, world.now()));
        self.copies = Some(Sent::new(world.plan.limits.session_bytes, world.plan.ages.can_skip));
    }

    /// Its peer has taken so many bytes from a full socket.
    pub(crate) fn took(&mut self, bytes: usize, now: Instant) {
        self.taking.note(now);
        self.machine.wrote(bytes, true);
    }

    pub(crate) fn hear(&mut self, bytes: &[u8], world: &World) {
        self.heard = world.now();
        self.machine.heard(bytes.len(), world.now());
        self.unread.extend_from_slice(bytes);
    }

    /// Acts on the frames that have come, up to one that the side has to act on.
    pub(crate) fn read(&mut self, world: &mut World) -> Option<EventOf<S>> {
        loop {
            let (header, rest) = self.unread.split_first_chunk::<5>()?;
            let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
            let (kind, frame) = (header[4], rest.get(..length)?.to_vec());
            self.unread.drain(..5 + length);
            let event = match kind {
                PING => {
                    self.put(PONG, &[], world);
                    None
                }
                CLOSE => {
                    let reason = std::str::from_utf8(&frame[2..]).expect("a reason");
                    let code = u16::from_le_bytes([frame[0], frame[1]]);
                    world.history.received_close(self.name);
                    Some(Event::Ended(Closed { code, reason: Reason::from(reason) }))
                }
                MESSAGE => {
                    self.spoken = true;
                    let envelope = self.machine.read(&frame, self.codec.binary()).expect("an envelope");
                    if envelope.name == POISON {
                        return Some(self.lost(world));
                    }
                    if envelope.name == Kind::Skip.as_str() {
                        let count = envelope.payload.decode().expect("a number");
                        world.history.skipped(self.name, count);
                        self.untold.get_or_insert((0, world.now())).0 += count;
                    }
                    self.step(Input::Envelope(envelope), world)
                }
                _ => None,
            };
            if event.is_some() {
                return event;
            }
        }
    }

    /// Gives the machine an input and does what its step says.
    pub(crate) fn step(&mut self, input: Input<'_, S::Answer>, world: &mut World) -> Option<EventOf<S>> {
        let now = world.now();
        match self.machine.step(input, now) {
            Step::Wait => {}
            Step::Hold(envelope) => self.held.push(envelope.into_owned()),
            Step::Ask(question) => return Some(Event::Asked(question)),
            Step::Open(opening) => return Some(Event::Opened(opening)),
            Step::Send(envelope) => {
                if envelope.name == Kind::Ack.as_str() {
                    self.untold = None;
                }
                self.send_own(&envelope.name, &envelope.payload, world);
            }
            Step::Deliver(Envelope { payload, stamp: None, .. }) => drop(self.said(&payload, world)),
            Step::Deliver(Envelope { payload, stamp: Some(stamp), .. }) => {
                let call = self.said(&payload, world);
                world.history.invoked(call, self.name);
                let most = if world.chance.one_in(8) { 8_000 } else { 500 };
                self.handlers.push((now + world.chance.millis(0..most), stamp.into_owned(), call));
            }
            Step::Settle { stamp, outcome: Ok(payload) | Err(payload) } => {
                let about = self.said(&payload, world);
                if let Settled::Call(call) = self.calls.settle(&stamp) {
                    assert_eq!(about, call, "the answer to something else");
                    world.history.settled(call, Ending::Answered);
                }
            }
            Step::Acknowledged(count) => {
                world.history.acknowledged(self.name, count);
                let copies = self.copies.as_mut().expect("an ack is of a session");
                copies.acknowledge(count).expect("no more than was sent");
            }
            Step::Cancel { .. } => panic!("no call of {} is cancelled", self.name),
            Step::Answer(_) => panic!("nobody has asked whether {} is there", self.name),
            Step::Renew { .. } => panic!("nobody has asked for the identity of {}", self.name),
            Step::Ping => self.put(PING, &[], world),
            Step::Park(_) => {
                // A peer that takes bytes all the time is not dead.
                let Limits { ping_interval, ping_timeout, .. } = world.plan.limits;
                assert!(!self.taking.lasts(ping_interval + ping_timeout, now), "the peer of {} is slow", self.name);
                return Some(Event::Parked);
            }
            Step::Close(closed) | Step::Reject(closed, _) => return Some(self.ends(closed)),
        }
        None
    }

    /// The machine says that the conversation has ended.
    fn ends(&self, closed: Closed) -> EventOf<S> {
        assert_ne!(closed, Closed::protocol_error(), "{} sees a breach of the protocol", self.name);
        let cut = closed.code == 1006 && self.copies.is_some() && self.end.is_some();
        assert!(!cut, "the session of {} ends with its connection", self.name);
        Event::Ended(closed)
    }

    /// Its connection has gone without a close frame.
    pub(crate) fn lost(&mut self, world: &World) -> EventOf<S> {
        let closed = Closed::broken(Reason::default());
        if self.machine.lost(&closed, world.now()) { Event::Parked } else { self.ends(closed) }
    }

    /// What another party's application has said, and about which call.
    fn said(&mut self, payload: &Payload<'_>, world: &mut World) -> u64 {
        let (from, number, about, _): Said = payload.decode().expect("as it was sent");
        world.history.received(self.name, from, number);
        world.history.heard(self.name, from, number, about);
        self.untold.get_or_insert((0, world.now())).0 += 1;
        about
    }

    /// Lets time pass: calls time out, procedures finish, the machine ticks.
    pub(crate) fn pass(&mut self, world: &mut World) -> Option<EventOf<S>> {
        let now = world.now();
        while let Some((_, stamp, call, number)) = self.timeouts.front().copied().filter(|(at, ..)| *at <= now) {
            self.timeouts.pop_front();
            if self.calls.cancel(&stamp).is_some() {
                world.history.settled(call, Ending::TimedOut);
                self.withdraw(number, world);
            }
        }
        while let Some(done) = self.handlers.iter().position(|(at, ..)| *at <= now) {
            let (_, stamp, call) = self.handlers.remove(done);
            world.history.answered(call, self.name);
            let kind = if call.is_multiple_of(5) { Kind::ResponseErr } else { Kind::Response };
            if let Some(event) = self.send(kind.as_str(), call, Some(&stamp), 0, world) {
                return Some(event);
            }
        }
        for _ in 0..9 {
            if self.machine.deadline().is_none_or(|at| at > now) {
                return None;
            }
            if let Some(event) = self.step(Input::Tick, world) {
                return Some(event);
            }
        }
        panic!("{} ticks for ever", self.name);
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        let timeout = self.timeouts.front().map(|(at, ..)| *at);
        let handler = self.handlers.iter().map(|(at, ..)| *at).min();
        [self.machine.deadline(), timeout, handler].into_iter().flatten().min()
    }

    /// Sends a frame of the application's. The event is the end of a session that has no connection
    /// and no room any more.
    pub(crate) fn send(
        &mut self,
        name: &str,
        about: u64,
        stamp: Option<&str>,
        bytes: usize,
        world: &mut World,
    ) -> Option<EventOf<S>> {
        let said: Said = (self.name, self.sent + 1, about, "x".repeat(bytes));
        let payload = Payload::encode(self.codec.format(), &said).expect("it has a form");
        let mut frame = Vec::new();
        self.codec.write_encoded(&mut frame, name, &payload, stamp).expect("it can be sent");
        self.count(self.sent + 1, frame.len(), world);
        let full = match self.copies.as_mut().map(|copies| copies.push(frame.clone())) {
            Some(Ok(number)) => {
                assert_eq!(number, self.sent, "the count is wrong");
                false
            }
            Some(Err(Full(_))) => {
                self.must_be_full(world);
                true
            }
            None => false,
        };
        self.put_numbered(self.sent, &frame, world);
        (full && self.end.is_none()).then(|| Event::Ended(Closed::broken(Reason::SLOW)))
    }

    /// One more frame counts.
    pub(crate) fn count(&mut self, number: u64, bytes: usize, world: &mut World) {
        self.sent = number;
        world.history.sent(self.name, number);
        self.bytes.push(self.bytes[self.bytes.len() - 1] + bytes);
    }

    /// The copies were dropped for the first time only when they had to be.
    pub(crate) fn must_be_full(&mut self, world: &World) {
        if !std::mem::replace(&mut self.full, true) {
            let acknowledged = world.history.confirmed(self.name) as usize;
            let sent = self.bytes.len() - 1;
            let each = if world.plan.ages.acts.is_empty() { 64 } else { 300 };
            let kept = self.bytes[sent] - self.bytes[acknowledged] + each * (sent - acknowledged);
            assert!(kept > world.plan.limits.session_bytes, "{} is full with {kept} bytes", self.name);
        }
    }

    pub(crate) fn call(&mut self, world: &mut World) -> Option<EventOf<S>> {
        let call = world.name();
        let stamp = self.calls.open(world.chance.wide(), call).ok()?;
        world.history.called(call, self.name);
        self.timeouts.push_back((world.now() + world.plan.limits.rpc_timeout, stamp, call, self.sent + 1));
        self.send("add", call, Some(stamp.as_str()), 0, world)
    }

    /// The stamp of a call that this party waits for: for a forger.
    pub(crate) fn secret(&self) -> Option<Stamp> {
        self.timeouts.back().map(|(_, stamp, ..)| *stamp)
    }

    /// Sends an envelope that is not the application's, and of which no copy is kept.
    pub(crate) fn send_own(&mut self, name: &str, payload: &Payload<'_>, world: &mut World) {
        let mut frame = Vec::new();
        self.codec.write_encoded(&mut frame, name, payload, None).expect("it can be sent");
        self.put(MESSAGE, &frame, world);
    }

    pub(crate) fn send_frame(&mut self, frame: &[u8], world: &mut World) {
        self.put(MESSAGE, frame, world);
    }

    pub(crate) fn ping(&mut self, world: &mut World) {
        self.put(PING, &[], world);
    }

    pub(crate) fn put(&mut self, kind: u8, payload: &[u8], world: &mut World) {
        let Some(end) = self.end else { return };
        let now = world.now();
        world.net.send(end, &frame(kind, payload), now, &mut world.chance);
    }

    /// Has no connection any more.
    pub(crate) fn detach(&mut self, world: &mut World) {
        if let Some(end) = self.end.take() {
            let now = world.now();
            world.net.leave(end, now);
        }
    }

    /// Goes on over the connection of a party that has done the handshake for it.
    pub(crate) fn resume(&mut self, handshake: &mut Party<S>, seen: u64, world: &mut World) {
        (self.end, self.unread) = (handshake.end.take(), std::mem::take(&mut handshake.unread));
        (self.heard, self.taking, self.spoken, self.untold) = (world.now(), Taking::default(), false, None);
        self.machine.resumed(world.now());
        world.history.acknowledged(self.name, seen);
        world.history.resumed(self.name);
        self.copies.as_mut().expect("a session").resume(seen).expect("no more than was sent");
    }

    /// The conversation has ended in this way. Calls in flight fail, and the history is told.
    pub(crate) fn finish(&mut self, closed: &Closed, world: &mut World) {
        let last = self.machine.close(world.now());
        assert_eq!(self.machine.deadline(), None, "it ticks after its end");
        if !matches!(closed.code, 1005 | 1006) {
            if let Some(Envelope { name, payload, .. }) = last {
                self.send_own(&name, &payload, world);
            }
            self.put(CLOSE, &[&closed.code.to_le_bytes(), closed.reason.as_str().as_bytes()].concat(), world);
        }
        self.detach(world);
        let calls: std::collections::BTreeSet<_> = self.calls.drain().collect();
        calls.into_iter().for_each(|call| world.history.settled(call, Ending::Disconnected));
        world.history.ended(self.name, self.copies.as_ref().map(Sent::unconfirmed));
    }

    pub(crate) fn sight(&self, now: Instant) -> Sight {
        let waits = self.copies.is_some() && self.end.is_some() && self.machine.deadline().is_some_and(|at| at > now);
        Sight {
            name: self.name,
            kept: self.copies.as_ref().map(Sent::bytes),
            taken: self.machine.taken(),
            untold: self.untold.filter(|_| waits),
            heard: (self.open && self.end.is_some()).then_some((self.heard, self.taking.last())),
        }
    }
}
