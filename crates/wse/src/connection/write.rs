//! Writes what the outbox holds to the stream. It waits for no peer but its own.

use crate::connection::{outbox::signals::Collected, owner::Owner, queue::Out, task::Connection};
use std::{
    io::IoSlice,
    mem::take,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;
use wse_frame::{Role, put_close, put_frame};
use wse_proto::{Closed, Machine, Reason};

/// A larger batch is announced in a session.
const ANNOUNCED: usize = 16 << 10;

impl<O: Owner> Connection<O> {
    /// Returns true when the task sleeps: whatever changes in the outbox from now on wakes it.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> bool {
        let mut written = 0;
        loop {
            let fresh = self.writing.is_empty();
            let Collected { signals, sleeps, .. } =
                self.handle.collect(&mut self.writing, take(&mut written), cx.waker(), self.now);
            if fresh && self.writing.behind_mark() > ANNOUNCED {
                self.announce();
            }
            self.check_closed();
            if let Some(signals) = signals {
                self.apply_signals(*signals);
            }
            if let (None, Some(closed)) = (&self.cause, &self.draining)
                && (self.running.is_empty() || !self.welcomed)
            {
                self.close_now((**closed).clone());
                continue;
            }
            if self.io.is_none() {
                return sleeps;
            }
            if self.writing.is_empty() {
                self.full = false;
                self.poll_flush(cx);
                return sleeps;
            }
            match self.poll_write_some(cx) {
                Poll::Ready(Some(some)) => written = some,
                Poll::Ready(None) => {
                    self.lost(Closed::broken(Reason::default()));
                    return false;
                }
                Poll::Pending => return false,
            }
        }
    }

    /// Writes as much as the stream takes at once. Returns how many bytes that is, of which the outbox has
    /// to be told; `None` when the stream is broken.
    #[inline]
    fn poll_write_some(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        let Some(io) = &mut self.io else { return Poll::Ready(None) };
        // Most often one buffer holds everything, and a plain write is faster than a list of one.
        let written = match self.writing.whole() {
            Some(bytes) => Pin::new(io).poll_write(cx, bytes),
            None => {
                let mut slices = [IoSlice::new(&[]); 16];
                let filled = self.writing.slices(&mut slices);
                Pin::new(io).poll_write_vectored(cx, &slices[..filled])
            }
        };
        match written {
            Poll::Ready(Ok(written)) if written > 0 => {
                self.writing.advance(written);
                self.machine.wrote(written, self.full);
                self.flushed = false;
                Poll::Ready(Some(written))
            }
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => {
                self.full = true;
                Poll::Pending
            }
        }
    }

    /// Answers a close frame that the session may outlive, behind the frame that is being written, as
    /// far as the stream takes it at once. Then the connection is lost.
    pub(super) fn leave(&mut self, closed: Closed, cx: &mut Context<'_>) {
        let mut frame = Vec::new();
        let mask = (self.role == Role::Client).then(rand::random);
        put_close(&mut frame, mask, closed.code, closed.reason.as_str());
        self.handle.outbox.wrote_ahead(frame.len());
        self.writing.put(Out::Own(&frame));
        while !self.writing.is_empty()
            && let Poll::Ready(Some(written)) = self.poll_write_some(cx)
        {
            self.handle.gone(written);
        }
        if let Some(io) = &mut self.io {
            let _ = Pin::new(io).poll_shutdown(cx); // it flushes first
        }
        self.lost(closed);
    }

    /// Puts an announcement before a batch of which nothing was written yet, behind a welcome in it.
    fn announce(&mut self) {
        let bytes = self.writing.behind_mark();
        let Some(announcement) = self.machine.announce(bytes, self.now.into_std()) else { return };
        let mut frame = Vec::new();
        let opcode = self.handle.opcode();
        // What a codec of the application cannot write is not sent.
        if put_frame(&mut frame, opcode, None, self.handle.write_envelope(&announcement)).is_ok() {
            self.handle.outbox.wrote_ahead(frame.len());
            self.writing.put_at_mark(&frame);
        }
    }

    /// Everything queued was written: flushes it, and shuts the stream down after the last frame of both
    /// sides.
    fn poll_flush(&mut self, cx: &mut Context<'_>) {
        let Some(io) = &mut self.io else { return };
        if !self.flushed {
            match Pin::new(&mut *io).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.flushed = true,
                Poll::Ready(Err(_)) => return self.lost(Closed::broken(Reason::default())),
                Poll::Pending => return,
            }
        }
        // RFC 6455 section 7.1.1: the server closes the TCP connection first, and the client waits for it.
        let shut_down = self.peer_closed && self.cause.is_some() && self.role == Role::Server;
        if shut_down && Pin::new(io).poll_shutdown(cx).is_ready() {
            self.io = None;
        }
    }
}
