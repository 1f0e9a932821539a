//! One connection and its one task. It knows no user and no server.

mod dispatch;
pub(crate) mod handle;
pub(crate) mod kept;
pub(crate) mod outbox;
pub(crate) mod owner;
pub(crate) mod queue;
mod read;
pub(crate) mod receipt;
pub(crate) mod resume;
mod running;
pub(crate) mod send;
pub(crate) mod task;
mod write;
