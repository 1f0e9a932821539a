//! Tells which of a connection's handlers wait for its own peer, and tells a handler when its caller does
//! not wait any more. What frees them comes over the stream that a full inbox keeps unread. It holds no
//! connection.

use crate::connection::{caller::Caller, handle::Handle};
use futures_util::{FutureExt, future::select};
use std::{cell::Cell, future::Future, pin::pin, sync::Arc, task::Poll};

thread_local! {
    /// The code that this thread polls.
    static POLLED: Cell<Polled> = const { Cell::new(NONE) };
    /// Its caller, while it is known.
    static CALLER: Cell<Option<Arc<Caller>>> = const { Cell::new(None) };
}

/// Code of the application while it is polled.
#[derive(Clone, Copy)]
struct Polled {
    /// The connection for which it runs.
    connection: usize,
    /// It was seen to wait for its peer.
    for_peer: bool,
    /// Its caller is known: it has asked for it.
    has_caller: bool,
}

const NONE: Polled = Polled { connection: 0, for_peer: false, has_caller: false };

/// What code of the application waits for that runs for a connection, and who waits for it.
pub(super) struct Waits {
    connection: usize,
    for_peer: bool,
    /// The caller, once the code has asked for it or the caller has given up. Most code never asks.
    caller: Option<Arc<Caller>>,
}

impl Waits {
    /// For code that was not polled yet.
    pub(super) fn new(handle: &Handle) -> Self {
        Self { connection: number(handle), for_peer: false, caller: None }
    }

    /// Polls the code, and notes whether that leaves it waiting for the peer.
    pub(super) fn watch<T>(&mut self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let has_caller = self.caller.is_some();
        if has_caller {
            CALLER.set(self.caller.take());
        }
        POLLED.set(Polled { connection: self.connection, for_peer: false, has_caller });
        let polled = poll();
        let Polled { for_peer, has_caller, .. } = POLLED.replace(NONE);
        self.for_peer = for_peer;
        if has_caller {
            self.caller = CALLER.take();
        }
        polled
    }

    /// Whether the code waits for the peer of the connection that it runs for.
    pub(super) fn for_peer(&self) -> bool {
        self.for_peer
    }

    /// Notes that the caller does not wait any more, and wakes what waits for that.
    pub(super) fn give_up(&mut self) {
        self.caller.get_or_insert_default().give_up();
    }

    /// Whether the caller does not wait any more.
    pub(super) fn is_given_up(&self) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.is_gone())
    }
}

/// Resolves when the caller of the code that is polled now does not wait any more, or the connection has
/// ended; for code that does not run for that connection when that has ended.
pub(crate) fn caller_gone(handle: &Arc<Handle>) -> impl Future<Output = ()> + Send + use<> {
    let (caller, handle) = (caller(handle), handle.clone());
    async move {
        match caller {
            Some(caller) => _ = select(pin!(caller.gone()), pin!(handle.outbox.ended())).await,
            None => handle.outbox.ended().await,
        }
    }
}

/// The caller of the code that is polled now; `None` for code that does not run for that connection.
fn caller(handle: &Handle) -> Option<Arc<Caller>> {
    let polled = POLLED.get();
    if polled.connection != number(handle) {
        return None;
    }
    let known = if polled.has_caller { CALLER.take() } else { None };
    let caller = known.unwrap_or_default();
    CALLER.set(Some(caller.clone()));
    POLLED.set(Polled { has_caller: true, ..polled });
    Some(caller)
}

/// Waits for what only the peer of that connection can send. It does not keep the connection.
pub(super) fn for_peer<F: Future + Unpin>(handle: &Handle, mut sent: F) -> impl Future<Output = F::Output> + use<F> {
    let connection = number(handle);
    std::future::poll_fn(move |cx| {
        let polled = sent.poll_unpin(cx);
        let code = POLLED.get();
        if polled.is_pending() && code.connection == connection {
            POLLED.set(Polled { for_peer: true, ..code });
        }
        polled
    })
}

/// Handles stay where they are, so their place tells them apart.
fn number(handle: &Handle) -> usize {
    std::ptr::from_ref(handle).addr()
}
