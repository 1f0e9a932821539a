//! One connection and its one task. It knows no user and no server.

pub(crate) mod backlog;
mod caller;
pub(crate) mod calls;
mod cancel;
mod close;
mod compression;
mod dispatch;
mod excess;
pub(crate) mod handle;
mod handle_aging;
mod inbox;
pub(crate) mod moving;
mod outbox;
pub(crate) mod owner;
pub(crate) mod parked;
pub(crate) mod queue;
#[cfg(test)]
mod races;
mod read;
mod read_ahead;
pub(crate) mod receipt;
mod resume;
mod running_handlers;
pub(crate) mod send;
pub(crate) mod send_aging;
pub(crate) mod shared_frame;
mod spare;
pub(crate) mod spoken;
pub(crate) mod stream;
pub(crate) mod task;
mod timer;
pub(crate) mod turn;
pub(crate) mod waits;
mod write;
