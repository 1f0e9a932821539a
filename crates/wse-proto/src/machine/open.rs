//! An open conversation: what each envelope means, the heartbeat, and in a session the counts and the
//! time without a connection. Both sides share it. It cannot open a conversation.

use crate::{
    closing::reason::Closed,
    limits::later,
    machine::{
        Input, Step,
        heartbeat::{Beat, Heartbeat},
    },
    protocol::codec::Codec,
    session::received::Received,
    wire::{
        envelope::{Envelope, Kind},
        error::ProtocolError,
        payload::Payload,
        ws_messaging::names::{PING, is_reserved},
    },
};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) codec: Codec,
    heartbeat: Heartbeat,
    /// Boxed, since most conversations may have no session.
    session: Option<Box<SessionState>>,
}

#[derive(Debug)]
struct SessionState {
    received: Received,
    /// Boxed, since few sessions are parked at a time.
    parked: Option<Box<Parked>>,
}

/// The session has no connection.
#[derive(Debug)]
struct Parked {
    until: Instant,
    /// How the connection ended.
    closed: Closed,
}

impl Open {
    pub(crate) fn new(codec: Codec, ping_interval: Duration, ping_timeout: Duration, now: Instant) -> Self {
        Self { codec, heartbeat: Heartbeat::new(ping_interval, ping_timeout, now), session: None }
    }

    /// Opens the conversation: silence counts from now on.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.heartbeat.heard(now);
    }

    /// Takes one input. It is generic over question and opening, so that it can make neither.
    #[inline]
    pub(crate) fn step<'a, A, Q, O>(&mut self, input: Input<'a, A>, now: Instant) -> Step<'a, Q, O> {
        match input {
            Input::Envelope(envelope) => self.envelope(envelope, now),
            Input::Garbage(error) => self.garbage(error),
            Input::Deaf => self.deaf(now),
            Input::Tick => self.tick(now),
            Input::Answer(_) => Step::Wait,
        }
    }

    #[inline]
    fn envelope<'a, Q, O>(&mut self, envelope: Envelope<'a>, now: Instant) -> Step<'a, Q, O> {
        if let Codec::WsMessaging(..) = self.codec {
            return ws_messaging_meaning(envelope);
        }
        self.heartbeat.heard(now);
        let Some(session) = &mut self.session else { return meaning(envelope) };
        let kind = Kind::of(&envelope.name);
        if !matches!(kind, Some(Kind::Ack | Kind::Skip)) {
            session.received.take(envelope.weight(), now);
            return meaning(envelope);
        }
        match envelope.payload.decode() {
            Ok(count) if kind == Some(Kind::Ack) => Step::Acknowledged(count),
            Ok(count) => match session.received.skip(count, now) {
                Ok(()) => Step::Wait,
                Err(error) => Step::Reject(Closed::protocol_error(), error),
            },
            Err(error) => Step::Reject(Closed::protocol_error(), error.into()),
        }
    }

    fn garbage<'a, Q, O>(&self, error: ProtocolError) -> Step<'a, Q, O> {
        match &self.codec {
            Codec::WsMessaging(options, format) => Step::Send(options.garbage(&error, *format)),
            _ => Step::Reject(Closed::protocol_error(), error),
        }
    }

    fn tick<'a, Q, O>(&mut self, now: Instant) -> Step<'a, Q, O> {
        if let Some(Parked { until, closed }) = self.parked() {
            return if now >= *until { Step::Close(closed.clone()) } else { Step::Wait };
        }
        match self.heartbeat.tick(now) {
            Beat::Nothing => self.acknowledge_due(now).map_or(Step::Wait, Step::Send),
            Beat::Ping => Step::Ping,
            Beat::Dead => {
                let closed = self.unanswered();
                if self.park(&closed, now) { Step::Park(closed) } else { Step::Close(closed) }
            }
        }
    }

    /// Handles a deadline that has come while this side is not reading. It acknowledges what is due.
    /// Otherwise it pings, so that a broken connection is found, and silence counts from now on.
    fn deaf<'a, Q, O>(&mut self, now: Instant) -> Step<'a, Q, O> {
        if now < self.heartbeat.deadline()
            && let Some(acknowledgement) = self.acknowledge_due(now)
        {
            return Step::Send(acknowledgement);
        }
        self.heartbeat.heard(now);
        Step::Ping
    }

    /// What an envelope means after the end: until its own close frame the peer may still acknowledge.
    pub(crate) fn after_end<'a, Q, O>(&self, envelope: &Envelope<'_>) -> Step<'a, Q, O> {
        let acknowledges = self.session.is_some() && Kind::of(&envelope.name) == Some(Kind::Ack);
        let count = acknowledges.then(|| envelope.payload.decode().ok()).flatten();
        count.map_or(Step::Wait, Step::Acknowledged)
    }

    /// When the next tick is due.
    pub(crate) fn deadline(&self) -> Instant {
        match self.session.as_deref() {
            None => self.heartbeat.deadline(),
            Some(SessionState { parked: Some(parked), .. }) => parked.until,
            Some(session) => self.heartbeat.deadline().min(session.received.due()),
        }
    }

    /// Notes that bytes have come, so many of them behind a message that has begun. On `ws-messaging` only
    /// the answer to a ping counts as a sign of life, and a message that comes at 1 kB/s or more: the answer
    /// waits behind it.
    pub(crate) fn heard(&mut self, bytes: usize, now: Instant) {
        match self.codec {
            Codec::WsMessaging(..) => self.heartbeat.moved(bytes as u64, true),
            _ => self.heartbeat.heard(now),
        }
    }

    pub(crate) fn wrote(&mut self, bytes: usize, proven: bool) {
        self.heartbeat.moved(bytes as u64, proven);
    }

    pub(crate) fn answered_ping(&mut self, now: Instant) {
        self.heartbeat.heard(now);
    }

    /// Parks the session, whose connection is lost; false where there is no session.
    pub(crate) fn park(&mut self, closed: &Closed, now: Instant) -> bool {
        let Some(session) = &mut self.session else { return false };
        if session.parked.is_none() {
            let until = later(now, session.received.window());
            session.parked = Some(Box::new(Parked { until, closed: closed.clone() }));
        }
        true
    }

    /// Lets a parked session wait without an end, or for its window from now on.
    pub(crate) fn hold(&mut self, held: bool, now: Instant) {
        if let Some(SessionState { received, parked: Some(parked) }) = self.session.as_deref_mut() {
            parked.until = later(now, if held { Duration::MAX } else { received.window() });
        }
    }

    /// Notes that the session has another connection. Its welcome has acknowledged what the server
    /// received. The client acknowledges at once, so that the server knows that the welcome has
    /// arrived.
    pub(crate) fn resume(&mut self, is_client: bool, now: Instant) {
        self.heartbeat.heard(now);
        if let Some(session) = &mut self.session {
            session.parked = None;
            if is_client {
                session.received.acknowledge_at_once(now);
            } else {
                session.received.mark_acknowledged(now);
            }
        }
    }

    /// Makes the conversation a session. The protocol `ws-messaging` has none.
    pub(crate) fn keep(&mut self, received: Received) {
        if !matches!(self.codec, Codec::WsMessaging(..)) {
            self.session = Some(Box::new(SessionState { received, parked: None }));
        }
    }

    pub(crate) fn seal(&mut self, whole: bool) {
        if let Some(session) = &mut self.session {
            session.received.seal(whole);
        }
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.session.as_ref().map_or(0, |session| session.received.acknowledged())
    }

    pub(crate) fn taken(&self) -> u64 {
        self.session.as_ref().map_or(0, |session| session.received.taken())
    }

    /// An acknowledgement that announces how many bytes follow; `None` where there is no session.
    pub(crate) fn announce(&mut self, bytes: usize, now: Instant) -> Option<Envelope<'static>> {
        let session = self.session.as_mut().filter(|session| session.parked.is_none())?;
        let count = session.received.mark_acknowledged(now);
        Some(Envelope { stamp: Some(bytes.to_string().into()), ..self.acknowledgement(count) })
    }

    /// The acknowledgement before a close frame, where something is not acknowledged yet.
    pub(crate) fn acknowledge_rest(&mut self, now: Instant) -> Option<Envelope<'static>> {
        let session = self.session.as_mut().filter(|session| session.parked.is_none())?;
        let count = session.received.acknowledge_rest(now)?;
        Some(self.acknowledgement(count))
    }

    fn acknowledge_due(&mut self, now: Instant) -> Option<Envelope<'static>> {
        let count = self.session.as_mut()?.received.acknowledge(now)?;
        Some(self.acknowledgement(count))
    }

    fn acknowledgement(&self, count: u64) -> Envelope<'static> {
        let format = self.codec.format();
        let payload = Payload::encode(format, &count).unwrap_or_else(|_| Payload::null(format)); // a number encodes
        Envelope::own(Kind::Ack, payload)
    }

    fn parked(&self) -> Option<&Parked> {
        self.session.as_deref()?.parked.as_deref()
    }

    /// How the connection of a peer ends that has not answered a ping.
    fn unanswered(&self) -> Closed {
        match self.codec {
            Codec::WsMessaging(..) => Closed { code: 4008, reason: "Ping timeout".into() },
            _ => Closed::silent(),
        }
    }
}

/// What an envelope means once the conversation is open.
#[inline]
fn meaning<Q, O>(envelope: Envelope<'_>) -> Step<'_, Q, O> {
    let Some(kind) = Kind::of(&envelope.name) else { return Step::Deliver(envelope) };
    match (kind, envelope.stamp) {
        (Kind::Response, Some(stamp)) => Step::Settle { stamp, outcome: Ok(envelope.payload) },
        (Kind::ResponseErr, Some(stamp)) => Step::Settle { stamp, outcome: Err(envelope.payload) },
        // It is answered before and beside all that the application does.
        (Kind::Ping, Some(stamp)) => {
            let result = Payload::null(envelope.payload.format());
            Step::Answer(Envelope { stamp: Some(stamp), ..Envelope::own(Kind::Response, result) })
        }
        (Kind::Cancel, Some(stamp)) => Step::Cancel { stamp },
        (Kind::Identity, Some(stamp)) => Step::Renew { stamp },
        // An answer without a stamp belongs to no call, and an answer is not answered.
        (Kind::Response | Kind::ResponseErr | Kind::Ping | Kind::Cancel | Kind::Identity, None) => Step::Wait,
        (Kind::Hi | Kind::Challenge | Kind::Welcome | Kind::Ack | Kind::Skip | Kind::Call, _) => {
            let error = ProtocolError::of_envelope(&format!("{} in an open conversation", kind.as_str()));
            Step::Reject(Closed::protocol_error(), error)
        }
    }
}

/// The same on `ws-messaging`, which answers pings itself and ignores the names that it reserves.
fn ws_messaging_meaning<Q, O>(envelope: Envelope<'_>) -> Step<'_, Q, O> {
    match (&*envelope.name, &envelope.stamp) {
        (name, _) if is_reserved(name) => Step::Wait,
        (PING, Some(id)) => {
            let pong = Envelope::own(Kind::Response, Payload::null(envelope.payload.format()));
            Step::Send(Envelope { stamp: Some(id.clone().into_owned().into()), ..pong })
        }
        _ => meaning(envelope),
    }
}
