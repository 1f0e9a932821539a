//! One connection and its one task. It knows no user and no server.

pub(crate) mod backlog;
pub(crate) mod calls;
mod close;
mod dispatch;
mod excess;
pub(crate) mod handle;
mod inbox;
mod outbox;
pub(crate) mod owner;
pub(crate) mod parked;
pub(crate) mod queue;
#[cfg(test)]
mod races;
mod read;
pub(crate) mod receipt;
mod resume;
mod running_handlers;
pub(crate) mod send;
pub(crate) mod spoken;
pub(crate) mod stream;
pub(crate) mod task;
pub(crate) mod turn;
mod waits;
mod write;
