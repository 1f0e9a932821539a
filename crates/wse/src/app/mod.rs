//! What the application hands in: names, handlers, hooks, listeners. It knows no socket and no user.

pub(crate) mod cancellable;
pub(crate) mod erased;
pub(crate) mod guard;
pub(crate) mod handler_id;
pub(crate) mod handlers;
pub(crate) mod hooks;
pub(crate) mod known;
pub(crate) mod listeners;
pub(crate) mod names;
mod table;
pub(crate) mod with;
