//! From the outbox to the socket, and how a connection ends. It may never wait for anybody but its
//! own peer.

use crate::connection::{outbox::Signals, owner::Owner, queue::Queue, resume::Line, task::Connection};
use std::{
    future::Future,
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{io::AsyncWrite, time::Instant};
use wse_frame::Role;
use wse_proto::{Closed, Input, Machine, Reason, SessionGrant};

impl<S: Owner> Connection<S> {
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) {
        loop {
            let signals = self.handle.outbox.collect(&mut self.writing);
            self.check_closed();
            if let Some(signals) = signals {
                self.apply_signals(signals);
            }
            if let (None, Some(closed)) = (&self.cause, &self.draining)
                && (self.running.is_empty() || !self.welcomed)
            {
                self.close_now(closed.clone());
                continue;
            }
            let Some(io) = &mut self.io else { return };
            if self.writing.is_empty() {
                return self.poll_written(cx);
            }
            let mut slices = [IoSlice::new(&[]); 16];
            let filled = self.writing.slices(&mut slices);
            // Most often all lies in one buffer, and the kernel takes one faster than a list of one.
            let written = match &slices[..filled] {
                [slice] => Pin::new(io).poll_write(cx, slice),
                slices => Pin::new(io).poll_write_vectored(cx, slices),
            };
            match written {
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.writing.advance(written);
                    self.handle.outbox.written(written);
                    self.flushed = false;
                }
                Poll::Ready(_) => return self.lost(Closed::broken(Reason::default())),
                Poll::Pending => return,
            }
        }
    }

    fn apply_signals(&mut self, Signals { drain, abort, cut, line }: Signals) {
        if abort {
            self.close_now(Closed::broken(Reason::default()));
            self.io = None;
            self.running.clear();
        }
        if let (Some(closed), None) = (drain, &self.draining) {
            self.draining = Some(closed);
            self.drop_waiting();
        }
        if let Some(line) = line {
            self.adopt(*line);
        }
        if cut && self.io.is_some() {
            self.lost(Closed::broken(Reason::default()));
        }
    }

    /// Everything queued was written: flush it, and hang up after the last frame of both sides.
    pub(super) fn poll_written(&mut self, cx: &mut Context<'_>) {
        let Some(io) = &mut self.io else { return };
        if !self.flushed {
            match Pin::new(&mut *io).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.flushed = true,
                Poll::Ready(Err(_)) => return self.lost(Closed::broken(Reason::default())),
                Poll::Pending => return,
            }
        }
        // RFC 6455 section 7.1.1: the server hangs up first, the client waits for it.
        let shut_down_stream = self.peer_closed && self.cause.is_some() && self.role == Role::Server;
        if shut_down_stream && Pin::new(io).poll_shutdown(cx).is_ready() {
            self.io = None;
        }
    }

    /// Ends the connection if somebody has asked for that: nothing is heard from then on.
    pub(super) fn check_closed(&mut self) {
        if self.cause.is_none()
            && let Some(closed) = self.handle.outbox.closed()
        {
            self.close_now(closed);
        }
    }

    /// The stream is gone, with or without a goodbye.
    pub(super) fn lost(&mut self, closed: Closed) {
        self.io = None;
        if self.session.lost(&closed, self.now.into_std()) { self.park(closed) } else { self.end(closed) }
    }

    /// The session waits for another connection, if all is there that it will need.
    pub(super) fn park(&mut self, closed: Closed) {
        self.detach_stream(closed);
        if self.cause.is_none() {
            self.owner.waits(self.inbox.bytes());
        }
    }

    /// The connection goes, the session stays, if all is there that another one will need.
    fn detach_stream(&mut self, closed: Closed) {
        self.io = None;
        (self.read_ahead, self.decoded) = (Vec::new(), 0);
        drop(self.forget_message()); // it will come again
        (self.writing, self.flushed) = (Queue::default(), true);
        self.progressed = true; // the timer has to learn of it
        if self.on_trial || !self.handle.outbox.park() {
            return self.end(closed);
        }
        self.owner.parked(&closed, self.session.taken());
    }

    /// The session goes on over another connection.
    fn adopt(&mut self, Line { io, read_ahead, decoder, resumption }: Line) {
        self.confirmed(); // whoever comes back with its token has had its welcome
        if self.io.is_some() {
            // Only the peer has noticed that the one before is lost.
            let closed = Closed::broken(Reason::default());
            let _ = self.session.lost(&closed, self.now.into_std());
            self.detach_stream(closed);
        }
        if self.cause.is_some() {
            return;
        }
        self.session.resumed(self.now.into_std());
        let seen = self.session.taken();
        let welcome = resumption.welcome.map(|(payload, granted)| (payload, SessionGrant { seen, ..granted }));
        let mark: [u8; 8] = rand::random();
        if self.handle.resume(welcome.as_ref(), resumption.seen, &mark).is_err() {
            return self.close_now(Closed::slow()); // a welcome that no wire could carry
        }
        self.io = Some(io);
        (self.read_ahead, self.decoded, self.decoder) = (read_ahead, 0, decoder);
        self.unconfirmed_welcome = welcome.is_some().then_some(mark);
        self.ready = resumption.ready.or(self.ready.take());
        self.owner.resumed(resumption.token);
        self.progressed = true;
    }

    /// This side ends the connection: what still waits is dropped, nothing more is heard.
    pub(super) fn close_now(&mut self, closed: Closed) {
        self.drop_waiting();
        if closed.code == 1006 {
            self.io = None;
        }
        self.end(self.handle.end(closed));
    }

    /// What has come but not reached its handler is not heard any more, nor counted as taken in where
    /// the peer was not told so before.
    pub(super) fn drop_waiting(&mut self) {
        self.session.seal(self.inbox.is_empty() && self.checking.is_none());
        self.inbox.clear();
        self.checking = None;
    }

    pub(super) fn end(&mut self, closed: Closed) {
        if self.cause.is_some() {
            return;
        }
        // Whoever was first to close the outbox has chosen the cause.
        let closed = self.handle.outbox.close(closed);
        self.close_deadline = self.now + self.owner.limits().close_timeout;
        self.progressed = true; // the timer has to learn of it
        let last = self.session.close(self.now.into_std());
        if self.io.is_some() {
            self.handle.goodbye(last.as_ref(), &closed);
        }
        self.asked = None;
        self.handle.disconnect();
        if !self.welcomed {
            self.inbox.clear();
        }
        self.owner.ended(&closed);
        self.cause = Some(closed);
    }

    pub(super) fn poll_timer(&mut self, cx: &mut Context<'_>) {
        loop {
            let due = match self.session.deadline() {
                Some(deadline) => Instant::from_std(deadline),
                None if self.io.is_some() => self.close_deadline,
                None => return,
            };
            // A deadline that moved away is met early and set anew then, so that traffic costs nothing.
            if due > self.now {
                if due < self.timer.deadline() || self.timer.is_elapsed() {
                    self.timer.as_mut().reset(due);
                }
                if self.timer.as_mut().poll(cx).is_pending() {
                    return;
                }
                self.now = Instant::now();
            }
            if self.cause.is_some() {
                if self.now >= self.close_deadline {
                    self.io = None;
                }
            } else if self.welcomed && self.io.is_some() && !self.has_room() && self.now >= due {
                // A peer that is not read is not silent. A ping finds out whether it is there at all.
                let step = self.session.step(Input::Deaf, self.now.into_std());
                self.act(step, cx);
            } else {
                let step = self.session.step(Input::Tick, self.now.into_std());
                self.act(step, cx);
            }
        }
    }
}
