//! Ends a connection: by a signal, by this side, by the peer, or with its stream.

use crate::connection::{
    backlog::LateQueue,
    outbox::signals::Signals,
    owner::{Life, Owner},
    task::{Cause, Connection, Entering},
};
use wse_proto::{Closed, Machine, Reason};

/// An end without a close frame.
const ABNORMAL: u16 = 1006;

impl<O: Owner> Connection<O> {
    /// Ends the connection if its handle was closed. What the peer says is not handled from then on.
    #[inline]
    pub(super) fn check_closed(&mut self) {
        if !self.handle.is_open() && self.cause.is_none() {
            self.close_as_handle();
        }
    }

    #[cold]
    fn close_as_handle(&mut self) {
        if let Some(closed) = self.handle.closed() {
            self.close_now(closed);
        }
    }

    pub(super) fn apply_signals(&mut self, Signals { drain, abort, cut, handover, became_late, orders }: Signals) {
        if became_late {
            self.late_until = Some(Box::new(self.now + self.owner.env().limits.slow_timeout));
            self.progressed = true; // the timer has to learn the new deadline
        }
        if abort {
            self.close_now(Closed::broken(Reason::default()));
            self.io = None;
            self.running.clear();
        }
        if let (Some(closed), None) = (drain, &self.draining)
            && !(self.cause.is_none() && self.owner.leaves(&closed))
        {
            self.draining = Some(closed);
            self.drop_waiting();
        }
        if handover {
            self.take_over();
        }
        if cut && self.io.is_some() {
            self.lost(Closed::broken(Reason::default()));
        }
        orders.into_iter().for_each(|order| self.obey(order));
    }

    /// Ends the connection when nothing but the peer can free its inbox, and more waits there than may come
    /// before an answer. Of a listener that handlers wait for it is not known whether it waits for the peer.
    pub(super) fn check_inbox(&mut self) {
        if self.cause.is_none()
            && !matches!(self.entering, Entering::Ready(_))
            && self.inbox.is_beyond_answers(self.owner.env().limits.inbox_bytes)
            && !self.may_start() // else the next turn takes from the inbox
            && self.handle.awaits_peer()
            && self.running.wait_for_peer()
            && self.checking.as_ref().is_none_or(|checking| checking.waits.for_peer())
        {
            self.close_now(Closed::answers_behind());
        }
    }

    /// Ends the connection as slow if its peer has not read what is too much.
    pub(super) fn end_if_late(&mut self) {
        self.handle.expire(self.now); // what is too old is not waited for
        if self.handle.outbox.is_late() {
            self.handle.shed();
            self.check_closed();
        }
    }

    /// Drops a stream that is lost, with or without a close frame, and parks the session or ends.
    pub(super) fn lost(&mut self, closed: Closed) {
        self.io = None;
        match self.machine.lost(&closed, self.now.into_std()) {
            true => self.park(closed),
            false => self.end(closed),
        }
    }

    /// Ends the connection from this side. What waits for handlers is dropped, and what the peer says is
    /// not handled any more.
    pub(super) fn close_now(&mut self, closed: Closed) {
        self.drop_waiting();
        if closed.code == ABNORMAL {
            self.io = None;
        }
        self.end(self.handle.end(closed));
    }

    /// Drops messages and calls that have not reached their handlers. They do not count as taken in,
    /// unless the peer was told so before.
    pub(super) fn drop_waiting(&mut self) {
        self.machine.seal(self.inbox.is_empty() && self.checking.is_none());
        self.inbox.clear();
        self.checking = None;
    }

    /// Ends the connection once. An end that the handle was given before holds.
    pub(super) fn end(&mut self, closed: Closed) {
        if self.cause.is_some() {
            return;
        }
        let closed = self.handle.close_as(closed);
        let deadline = self.now + self.owner.env().limits.close_timeout;
        self.progressed = true; // the timer has to learn the new deadline
        let last = self.machine.close(self.now.into_std());
        if closed == Closed::slow() {
            // What is too much is not kept until the peer has read it.
            self.handle.gone(self.writing.drop_rest());
        }
        if self.io.is_some() {
            self.handle.goodbye(last.as_ref(), &closed);
        }
        if let Entering::Asked(_) | Entering::Resumes(_) | Entering::Leaves(_) | Entering::Left = self.entering {
            self.entering = Entering::Done;
        }
        self.handle.calls().disconnect();
        if !self.welcomed {
            self.inbox.clear();
        }
        self.owner.on(Life::Ended(&closed));
        self.cause = Some(Box::new(Cause { closed, deadline }));
    }
}
