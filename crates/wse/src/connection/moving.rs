//! The task of a session that moves to another server, or has come from one. It lets go of its stream, says what
//! there is of the session, and stays for the handlers that run.

use crate::{
    connection::{
        handle::Handle,
        inbox::Inbox,
        owner::{Life, Owner},
        queue::Out,
        task::{Connection, Entering},
    },
    session::{
        moved::Talk,
        moving::{Given, Held, Order, Relay, Relayed},
        sent::moving::SentParts,
    },
};
use bytes::Bytes;
use std::{
    mem::replace,
    sync::Arc,
    task::{Context, Waker},
};
use tokio::sync::oneshot;
use wse_frame::{Role, whole_message};
use wse_proto::{Closed, Envelope, FrameAge, Kind, Machine, Payload, Reason, Token, TokenCheck, bare};

impl Handle {
    /// Sets the session out for a server that asks for it with a token. Where that is good the receiver gets the
    /// session, or nothing if it has ended meanwhile.
    pub(crate) fn give(
        &self,
        token: &Token,
        seen: u64,
        now: std::time::Instant,
    ) -> (TokenCheck, oneshot::Receiver<Given>) {
        let (reply, given) = oneshot::channel();
        (self.outbox.give(token, seen, now, Order::Give { reply, closed: None }), given)
    }

    /// The same for a server that did not ask. The client is told so. `None` where the session stays.
    pub(crate) fn offer_session(&self, closed: Closed) -> Option<oneshot::Receiver<Given>> {
        let (reply, given) = oneshot::channel();
        self.outbox.offer(Order::Give { reply, closed: Some(closed) }).then_some(given)
    }

    /// Nobody has taken the session: it stays.
    pub(crate) fn come_back(&self) {
        self.outbox.come_back();
    }

    /// The session is at another server. False where it was not on its way, or has ended.
    pub(crate) fn leave(&self, relay: &Arc<dyn Relay>) -> bool {
        let left = self.outbox.leave(relay);
        if left {
            self.parked.free_slot();
        }
        left
    }

    /// Has something carried to the server that has the session. False where that is this one.
    pub(crate) fn relay(&self, what: Relayed) -> bool {
        let Some(relay) = self.outbox.relay_of_session() else { return false };
        relay.put(what);
        relay.carry();
        true
    }

    /// The client does not wait any more for the answer to a call whose procedure runs here, though the session is
    /// elsewhere.
    pub(crate) fn cancel_elsewhere(&self, stamp: &str) {
        self.outbox.cancel(stamp);
    }

    /// Sends a frame that was made at the server that had the session before.
    pub(crate) fn send_relayed(&self, frame: &Bytes, age: Option<&FrameAge>) {
        if whole_message(frame) != Some(self.opcode()) {
            return; // it would break the stream
        }
        if self.outbox.keep_relayed(frame, age) {
            return self.count_kept();
        }
        // Fails only when the session ends, or for a frame that is larger than this server sends.
        let _ = match age {
            None => self.queue(Out::Shared(frame)).map(drop),
            Some(age) => self.send_aging(frame, age).map(drop),
        };
    }

    /// Answers a call whose procedure is lost.
    pub(crate) fn answer_lost(&self, stamp: &str, error: &Payload<'_>) {
        let _ = self.send_encoded(Kind::ResponseErr.as_str(), error, Some(stamp)); // or the session has ended
    }

    /// The client has so many frames, says the server that has the session.
    pub(crate) fn acknowledged_elsewhere(&self, count: u64) {
        let _ = self.outbox.acknowledge(count); // more than were sent here are none of this
    }

    /// The session has ended, says the server that had it.
    pub(crate) fn ended_elsewhere(&self, closed: Closed) {
        self.close_as(closed);
        self.calls().disconnect();
        self.outbox.give_up_receipts();
    }

    /// Continues a session that began at another server. False where it is larger than `limit`.
    pub(crate) fn continue_session(
        &self,
        parts: SentParts,
        held: &Arc<Held>,
        limit: usize,
        now: std::time::Instant,
    ) -> bool {
        self.outbox.continue_session(parts, held, (limit, self.peer_can_skip()), now)
    }

    /// Everything has come that was sent at the server that had the session.
    pub(crate) fn arrive(&self) {
        self.outbox.arrive();
        self.count_kept();
    }
}

impl<O: Owner> Connection<O> {
    /// A session that began at another server, and has no connection. Its inbox waits until its client is back, and
    /// then for `ready`.
    pub(crate) fn moved(
        machine: O::Machine,
        owner: O,
        handle: Arc<Handle>,
        inbox: Inbox,
        ready: Option<oneshot::Receiver<()>>,
    ) -> Self {
        let mut session = Self::without(None, Vec::new(), Role::Server, machine, owner, handle);
        (session.welcomed, session.inbox, session.entering) = (true, inbox, Entering::Resumes(ready));
        session
    }

    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Give { reply, closed } => self.give(reply, closed),
            Order::Return => self.come_back(),
            Order::Leave => self.leave_for_good(),
            Order::Cancel(stamp) => self.cancel(&stamp),
        }
    }

    /// Says what there is of the session. Without an answer the session has ended, or ends.
    fn give(&mut self, reply: oneshot::Sender<Given>, closed: Option<Closed>) {
        match closed {
            _ if self.io.is_none() => {}
            // What is queued goes out as far as the stream takes it at once; the rest is sent again.
            Some(closed) => self.leave(closed, &mut Context::from_waker(Waker::noop())),
            None => {
                self.confirm(); // a client that comes back with its token has had its welcome
                self.lost(Closed::broken(Reason::default())); // it has noticed that, and this side has not
            }
        }
        if self.cause.is_some() {
            return;
        }
        let now = self.now.into_std();
        let Some(parts) = self.handle.session(|session| session.parts(now)) else { return };
        let SentParts { acknowledged, kept, tokens } = parts;
        let (taken, known) = (self.machine.taken(), self.machine.acknowledged());
        let inbox = self
            .inbox
            .iter()
            .map(|(envelope, until)| (envelope.clone(), until.map(|until| until.saturating_duration_since(self.now))));
        let features = self.handle.features();
        let talk = Talk { features, taken, known, acknowledged, kept, tokens, inbox: inbox.collect() };
        let checking = self.checking.iter().filter_map(|checking| checking.envelope.stamp.as_deref().map(bare));
        let at_work = self.running.stamps().chain(checking).map(str::to_owned).collect();
        let given = Given { talk, at_work };
        self.machine.hold(true, now);
        self.entering = Entering::Leaves(Box::new(replace(&mut self.entering, Entering::Done)));
        self.progressed = true; // the timer has to learn the new deadline
        if reply.send(given).is_err() {
            self.handle.come_back(); // nobody waits for it any more
        }
    }

    fn come_back(&mut self) {
        if let Entering::Leaves(before) = replace(&mut self.entering, Entering::Done) {
            self.entering = *before;
            self.machine.hold(false, self.now.into_std());
        }
        self.progressed = true;
    }

    fn leave_for_good(&mut self) {
        if self.cause.is_some() {
            return;
        }
        self.inbox.clear();
        self.entering = Entering::Left;
        self.progressed = true;
        self.handle.parked.free_slot();
        if !self.running.is_empty() || self.checking.is_some() {
            self.owner.on(Life::Left);
        }
    }

    /// Notes that a procedure has answered, whose session may be elsewhere.
    pub(super) fn has_answered(&self, stamp: &str) {
        if let Entering::Left = self.entering {
            self.handle.relay(Relayed::Answered(bare(stamp).to_owned()));
        }
    }
}

/// An inbox with what waited at another server.
pub(crate) fn inbox_of(
    waiting: Vec<(Envelope<'static>, Option<std::time::Duration>)>,
    now: tokio::time::Instant,
) -> Inbox {
    let mut inbox = Inbox::default();
    for (envelope, left) in waiting {
        inbox.push(envelope, left.and_then(|left| now.checked_add(left)));
    }
    inbox
}
