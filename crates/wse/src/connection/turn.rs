//! How much a connection's task reads and produces in one turn, before the tasks that write have theirs. It
//! knows no connection.

use std::cell::Cell;

/// Bytes that a connection reads in one turn, and bytes that its handlers send, whoever gets them. After
/// that other connections have their turn: a few bytes that are read can cause many that are sent.
pub(super) const TURN: usize = 64 << 10;

thread_local! {
    /// Bytes sent since the turn began that this thread is in. What is sent to many counts once, since
    /// no queue gets it twice.
    static PRODUCED: Cell<usize> = const { Cell::new(0) };
}

/// Begins a turn.
pub(super) fn begin() {
    PRODUCED.set(0);
}

/// Notes that so many bytes were sent.
pub(crate) fn produced(bytes: usize) {
    PRODUCED.set(PRODUCED.get().saturating_add(bytes));
}

/// Whether enough was sent in this turn.
pub(super) fn is_over() -> bool {
    PRODUCED.get() >= TURN
}
