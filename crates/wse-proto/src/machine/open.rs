//! What both machines of `wse` do once the conversation is open: converse, keep alive, and in a
//! session count and outlive the connection. It may never open a conversation.

use crate::{
    closing::reason::Closed,
    limits::{Limits, later},
    machine::{
        Step, converse,
        heartbeat::{Beat, Heartbeat},
    },
    session::received::Received,
    wire::{
        envelope::{Envelope, Kind},
        payload::{Format, Payload},
        ws_messaging::names::{PING, is_reserved},
    },
};
use std::time::Instant;

#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) heartbeat: Heartbeat,
    format: Format,
    session: Option<Box<SessionState>>,
}

/// Only a conversation with a session pays for one.
#[derive(Debug)]
struct SessionState {
    received: Received,
    /// Without a connection: until when, and how it ended.
    parked: Option<(Instant, Closed)>,
}

impl Talk {
    pub(crate) fn new(format: Format, limits: &Limits, now: Instant) -> Self {
        Self { heartbeat: Heartbeat::new(limits.ping_interval, limits.ping_timeout, now), format, session: None }
    }

    /// Counts from now on.
    pub(crate) fn keep(&mut self, received: Received) {
        self.session = Some(Box::new(SessionState { received, parked: None }));
    }

    pub(crate) fn seal(&mut self, whole: bool) {
        if let Some(kept) = &mut self.session {
            kept.received.seal(whole);
        }
    }

    pub(crate) fn taken(&self) -> u64 {
        self.session.as_ref().map_or(0, |kept| kept.received.taken())
    }

    /// What an envelope means.
    #[inline]
    pub(crate) fn envelope<'a, Q, O>(&mut self, envelope: Envelope<'a>, now: Instant) -> Step<'a, Q, O> {
        let Some(kept) = &mut self.session else { return converse(envelope) };
        if Kind::of(&envelope.name) != Some(Kind::Ack) {
            kept.received.take(envelope.weight(), now);
            return converse(envelope);
        }
        match envelope.payload.decode() {
            Ok(count) => Step::Acknowledged(count),
            Err(_) => Step::Close(Closed::protocol_error()),
        }
    }

    /// What an envelope means after the end: a peer that has not said goodbye yet may still tell
    /// what has arrived.
    pub(crate) fn last_word<'a, Q, O>(&self, envelope: &Envelope<'_>) -> Step<'a, Q, O> {
        let ack = self.session.is_some() && Kind::of(&envelope.name) == Some(Kind::Ack);
        let count = ack.then(|| envelope.payload.decode().ok()).flatten();
        count.map_or(Step::Wait, Step::Acknowledged)
    }

    /// The connection ends: what this side says before its goodbye.
    pub(crate) fn goodbye<'a, Q, O>(&mut self, now: Instant) -> Step<'a, Q, O> {
        match self.session.as_deref_mut() {
            Some(SessionState { received, parked: None }) => {
                received.acknowledge_rest(now).map_or(Step::Wait, |count| self.acknowledge(count))
            }
            _ => Step::Wait,
        }
    }

    pub(crate) fn tick<'a, Q, O>(&mut self, now: Instant) -> Step<'a, Q, O> {
        if let Some(SessionState { parked: Some((until, closed)), .. }) = self.session.as_deref() {
            return if now >= *until { Step::Close(closed.clone()) } else { Step::Wait };
        }
        match self.heartbeat.tick(now) {
            Beat::Ping => Step::Ping,
            Beat::Dead => self.lost(Closed::silent(), now),
            Beat::Nothing => match self.session.as_mut().and_then(|kept| kept.received.acknowledge(now)) {
                Some(count) => self.acknowledge(count),
                None => Step::Wait,
            },
        }
    }

    /// A deadline is there, but this side does not read: silence proves nothing.
    pub(crate) fn deaf<'a, Q, O>(&mut self, now: Instant) -> Step<'a, Q, O> {
        if now < self.heartbeat.due()
            && let Some(count) = self.session.as_mut().and_then(|kept| kept.received.acknowledge(now))
        {
            return self.acknowledge(count);
        }
        self.heartbeat.heard(now);
        Step::Ping
    }

    fn acknowledge<'a, Q, O>(&self, count: u64) -> Step<'a, Q, O> {
        let count = Payload::encode(self.format, &count);
        Step::<(), ()>::send(Kind::Ack, count.unwrap_or_else(|_| Payload::null(self.format))) // a number encodes
    }

    /// The connection is gone without a goodbye.
    pub(crate) fn lost<'a, Q, O>(&mut self, closed: Closed, now: Instant) -> Step<'a, Q, O> {
        let Some(kept) = &mut self.session else { return Step::Close(closed) };
        if kept.parked.is_none() {
            kept.parked = Some((later(now, kept.received.window()), closed.clone()));
        }
        Step::Park(closed)
    }

    /// There is another connection. Its welcome has told the client what was taken in; the server
    /// is told at once, so that it knows that the welcome has arrived.
    pub(crate) fn resumed(&mut self, client: bool, now: Instant) {
        self.heartbeat.heard(now);
        if let Some(kept) = &mut self.session {
            kept.parked = None;
            if client { kept.received.acknowledge_at_once(now) } else { _ = kept.received.mark_acknowledged(now) }
        }
    }

    pub(crate) fn due(&self) -> Instant {
        match self.session.as_deref() {
            None => self.heartbeat.due(),
            Some(SessionState { parked: Some((until, _)), .. }) => *until,
            Some(kept) => self.heartbeat.due().min(kept.received.due()),
        }
    }
}

/// What a frame means once the conversation is open; the same for both sides.
pub(crate) fn converse_ws<'a, Q, O>(envelope: Envelope<'a>) -> Step<'a, Q, O> {
    match (&*envelope.name, &envelope.stamp) {
        (name, _) if is_reserved(name) => Step::Wait,
        (PING, Some(id)) => {
            let nothing = Payload::null(envelope.payload.format());
            let stamp = Some(id.clone().into_owned().into());
            Step::Send(Envelope { name: Kind::Response.as_str().into(), payload: nothing, stamp })
        }
        _ => converse(envelope),
    }
}

/// The end of a peer that has not answered its ping.
pub(crate) fn no_pong() -> Closed {
    Closed { code: 4008, reason: "Ping timeout".into() }
}
