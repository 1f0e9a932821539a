//! Tells which of a connection's handlers wait for its own peer. What frees them comes over the stream
//! that a full inbox keeps unread. It holds no connection.

use crate::connection::handle::Handle;
use futures_util::FutureExt;
use std::{cell::Cell, future::Future, task::Poll};

thread_local! {
    /// The connection whose code this thread polls, and whether that code was seen to wait for its peer.
    static POLLED: Cell<(usize, bool)> = const { Cell::new(NONE) };
}

const NONE: (usize, bool) = (0, false);

/// Whether code of the application waits for the peer of the connection that it runs for.
#[derive(Clone, Copy)]
pub(super) struct Waits {
    connection: usize,
    for_peer: bool,
}

impl Waits {
    /// For code that was not polled yet.
    pub(super) fn new(handle: &Handle) -> Self {
        Self { connection: number(handle), for_peer: false }
    }

    /// Polls the code, and notes whether that leaves it waiting for the peer.
    pub(super) fn watch<T>(&mut self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        POLLED.set((self.connection, false));
        let polled = poll();
        self.for_peer = POLLED.replace(NONE).1;
        polled
    }

    pub(super) fn for_peer(self) -> bool {
        self.for_peer
    }
}

/// Waits for what only the peer of that connection can send. It does not keep the connection.
pub(super) fn for_peer<F: Future + Unpin>(handle: &Handle, mut sent: F) -> impl Future<Output = F::Output> + use<F> {
    let connection = number(handle);
    std::future::poll_fn(move |cx| {
        let polled = sent.poll_unpin(cx);
        if polled.is_pending() && POLLED.get().0 == connection {
            POLLED.set((connection, true));
        }
        polled
    })
}

/// Handles stay where they are, so their place tells them apart.
fn number(handle: &Handle) -> usize {
    std::ptr::from_ref(handle).addr()
}
