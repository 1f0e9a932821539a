//! One connection and its one task. It knows no user and no server.

pub(crate) mod calls;
mod close;
mod dispatch;
pub(crate) mod handle;
mod inbox;
mod outbox;
pub(crate) mod owner;
pub(crate) mod queue;
#[cfg(test)]
mod races;
mod read;
pub(crate) mod receipt;
pub(crate) mod resume;
pub(crate) mod send;
pub(crate) mod task;
mod write;
