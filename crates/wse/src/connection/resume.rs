//! Moves a session from one connection to the next. This is the one file in which a stream changes
//! its task:
//!
//! 1. A connection is lost. Its task drops the stream and waits ([`Connection::park`]).
//! 2. The owner of a new connection finds the session. The new connection's task hands its stream over
//!    ([`Connection::hand_over`]) and ends.
//! 3. The session's task takes it over ([`Connection::take_over`]), and sends again what the peer has not
//!    seen.

use crate::{
    connection::{
        handle::{Handle, write_raw},
        owner::{Life, Owner},
        parked::Handover,
        queue::Queue,
        read_ahead::ReadAhead,
        task::{Cause, Connection, Entering, frame_limits},
    },
    error::SendError,
    session::parking::{ParkedSession, Parking},
};
use std::{mem::take, sync::Arc};
use wse_frame::{Decoder, Opcode, put_frame};
use wse_proto::{Closed, Machine, Payload, Reason, SessionGrant};

impl ParkedSession for Handle {
    fn evict(&self) {
        self.close(Closed::slow());
    }
}

impl Handle {
    /// Takes a slot among the parked sessions, for the frames that are kept and the bytes that wait in
    /// the inbox.
    pub(crate) fn take_slot(self: &Arc<Self>, parking: &Parking, inbox_bytes: usize) {
        let session: Arc<dyn ParkedSession> = self.clone();
        let (slot, evicted) = parking.enter(Arc::downgrade(&session), inbox_bytes);
        self.parked.take(slot);
        evicted.end();
        self.count_kept();
        if !self.is_open() {
            self.parked.free_slot(); // it has ended meanwhile
        }
    }

    /// Counts what the parked session keeps against the bound of all. It, or others, may end.
    pub(super) fn count_kept(&self) {
        self.parked.count(|| self.outbox.session(|session| session.bytes()).unwrap_or(0));
    }

    /// Hands a connection over to this session's task. It replaces one that the task has not taken yet,
    /// and is dropped if the session has ended.
    fn offer(&self, handover: Handover) {
        self.parked.put_handover(handover);
        if !self.outbox.announce_handover() {
            self.parked.drop_handover();
        }
    }

    /// Queues the welcome, where this side writes one, then what the peer has not seen, then a ping:
    /// its pong tells that the welcome has arrived.
    fn resume(&self, welcome: Option<&(Payload<'_>, SessionGrant)>, seen: u64, mark: &[u8]) -> Result<(), SendError> {
        let (mut first, mut last) = (Vec::new(), Vec::new());
        if let Some((payload, granted)) = welcome {
            put_frame(&mut first, self.opcode(), None, self.write_welcome(payload, Some(granted)))?;
            put_frame(&mut last, Opcode::Ping, None, write_raw(mark))?;
        }
        self.send_again(&first, seen, &last);
        self.parked.free_slot();
        Ok(())
    }
}

impl<O: Owner> Connection<O> {
    /// Parks the session of a connection that is lost. A session that cannot be resumed ends.
    pub(super) fn park(&mut self, closed: Closed) {
        self.detach_stream(closed);
        if self.cause.is_none() {
            self.owner.on(Life::Waiting { inbox_bytes: self.inbox.bytes() });
        }
    }

    fn detach_stream(&mut self, closed: Closed) {
        self.io = None;
        self.read_ahead = ReadAhead::default();
        drop(self.forget_message()); // the peer sends it again
        (self.writing, self.flushed, self.full, self.late_until) = (Queue::default(), true, false, None);
        self.progressed = true; // the timer has to learn the new deadline
        if self.provisional || !self.handle.outbox.park() {
            return self.end(closed);
        }
        self.handle.count_excess();
        self.owner.on(Life::Parked { closed: &closed, taken: self.machine.taken() });
    }

    /// Hands the welcomed connection over to the task of its session. This task ends then.
    pub(super) fn hand_over(&mut self) {
        let Some(found) = self.entering.take_found() else { return };
        let Some(io) = self.io.take() else { return };
        let read_ahead = take(&mut self.read_ahead);
        let decoder = self.forget_message();
        self.drop_waiting(); // a client that resumes has nothing to say before the welcome
        let (session, resumption) = *found;
        let deflate = self.handle.outbox.agreed();
        session.offer(Handover { io, read_ahead, decoder, deflate, resumption });
        let closed = self.handle.close_as(Closed::broken(Reason::default()));
        self.cause = Some(Box::new(Cause { closed, deadline: self.now }));
        let _ = self.machine.close(self.now.into_std()); // it owes the peer nothing
    }

    /// Continues the session over a connection that another task has handed over.
    pub(super) fn take_over(&mut self) {
        let Some(handover) = self.handle.parked.take_handover() else { return };
        let Handover { io, read_ahead, decoder, deflate, resumption } = handover;
        self.confirm(); // a client that comes back with its token has had its welcome
        if self.io.is_some() {
            // The peer has noticed that the previous connection is lost, and this side has not.
            self.io = None;
            let closed = Closed::broken(Reason::default());
            match self.machine.lost(&closed, self.now.into_std()) {
                true => self.detach_stream(closed),
                false => self.end(closed),
            }
        }
        if self.cause.is_some() {
            return;
        }
        self.machine.resumed(self.now.into_std());
        let seen = self.machine.taken();
        let welcome = resumption.welcome.map(|(payload, granted)| (payload, SessionGrant { seen, ..granted }));
        let mark: [u8; 8] = rand::random();
        self.handle.set_features(resumption.features);
        if self.handle.resume(welcome.as_ref(), resumption.seen, &mark).is_err() {
            return self.close_now(Closed::slow()); // the welcome does not encode
        }
        self.handle.outbox.agree(deflate);
        self.handle.outbox.compress_from(self.owner.env().compress_from());
        self.io = Some(io);
        (self.read_ahead, self.decoder) = (read_ahead, decoder);
        (self.unconfirmed_welcome, self.unheard) = (welcome.is_some().then(|| Box::new(mark)), true);
        if let Entering::Resumes(ready) = &mut self.entering {
            self.entering = ready.take().map_or(Entering::Done, Entering::Ready);
        }
        if let Some(ready) = resumption.ready {
            self.entering = Entering::Ready(ready);
        }
        self.owner.on(Life::Resumed(resumption.token));
        self.progressed = true;
    }

    /// Begins to decode anew. Returns the decoder with what it holds of an incomplete message.
    fn forget_message(&mut self) -> Decoder {
        let anew = Decoder::new(self.role, frame_limits(&self.owner.env().limits, true));
        std::mem::replace(&mut self.decoder, anew)
    }

    /// Sends a ping to a client that may not be there. Until its pong has come the connection is
    /// provisional: its session ends when the stream is lost.
    pub(super) fn probe(&mut self) {
        let mark = rand::random();
        (self.provisional, self.unconfirmed_welcome) = (true, Some(Box::new(mark)));
        let _ = self.handle.ping_with(&mark); // fails only when the connection ends
    }

    /// Notes that the peer has sent what only a client that has its welcome can send.
    pub(super) fn welcome_arrived(&mut self) {
        if self.unconfirmed_welcome.take().is_some() {
            self.handle.outbox.session(|session| session.confirm_token());
            self.confirm();
        }
    }

    pub(super) fn confirm(&mut self) {
        if std::mem::take(&mut self.provisional) {
            self.owner.on(Life::Confirmed);
        }
    }
}
