//! From the outbox to the socket, and how a connection ends. It may never wait for anybody but its
//! own peer.

use super::Pump;
use crate::side::Side;
use std::{
    future::Future,
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use wse_frame::Role;
use wse_proto::{Closed, Input, Reason, Session};

impl<IO, S> Pump<IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Side,
{
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) {
        loop {
            let signals = self.peer.outbox.collect(&mut self.writing);
            self.heed();
            if signals.cut {
                self.lost();
                self.drop_waiting();
                self.flights.clear();
            }
            if signals.drain && !self.draining {
                self.draining = true;
                self.drop_waiting();
            }
            if self.cause.is_none() && self.draining && (self.flights.is_empty() || !self.welcomed) {
                self.end_deaf(Closed::restart());
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
                    self.peer.outbox.written(written);
                    self.flushed = false;
                }
                Poll::Ready(_) => return self.lost(),
                Poll::Pending => return,
            }
        }
    }

    /// Everything queued was written: flush it, and hang up after the last frame of both sides.
    pub(super) fn poll_written(&mut self, cx: &mut Context<'_>) {
        let Some(io) = &mut self.io else { return };
        if !self.flushed {
            match Pin::new(&mut *io).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.flushed = true,
                Poll::Ready(Err(_)) => return self.lost(),
                Poll::Pending => return,
            }
        }
        // RFC 6455 section 7.1.1: the server hangs up first, the client waits for it.
        let hang_up = self.peer_closed && self.cause.is_some() && self.role == Role::Server;
        if hang_up && Pin::new(io).poll_shutdown(cx).is_ready() {
            self.io = None;
        }
    }

    /// Ends the connection if somebody has asked for that: nothing is heard from then on.
    pub(super) fn heed(&mut self) {
        if self.cause.is_none()
            && let Some(closed) = self.peer.outbox.closed()
        {
            self.end_deaf(closed);
        }
    }

    /// The socket is gone, with or without a goodbye.
    pub(super) fn lost(&mut self) {
        self.io = None;
        self.end(Closed::broken(Reason::default()));
    }

    /// This side ends the connection: what still waits is dropped, nothing more is heard.
    pub(super) fn end_deaf(&mut self, closed: Closed) {
        self.drop_waiting();
        if closed.code == 1006 {
            self.io = None;
        }
        self.end(self.peer.end(closed));
    }

    /// What has come but not reached its handler is not heard any more.
    fn drop_waiting(&mut self) {
        self.inbox.clear();
        self.checking = None;
    }

    pub(super) fn end(&mut self, closed: Closed) {
        if self.cause.is_some() {
            return;
        }
        // Whoever was first to close the outbox has chosen the cause.
        let closed = self.peer.outbox.close(closed);
        self.close_deadline = self.now + self.side.limits().close_timeout;
        self.again = true; // the timer has to learn of it
        let _ = self.session.step(Input::Close, self.now.into_std());
        self.asked = None;
        self.peer.disconnect();
        if !self.welcomed {
            self.inbox.clear();
        }
        self.side.ended(&closed);
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
            if due < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(due);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.now = Instant::now();
            if self.cause.is_some() {
                if self.now >= self.close_deadline {
                    self.io = None;
                }
            } else if self.welcomed && !self.has_room() && self.now >= due {
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
