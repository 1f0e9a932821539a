//! The calls that are in flight, and the errors that they fail with.

pub(crate) mod code;
pub(crate) mod error;
pub(crate) mod pending;
pub(crate) mod stamp;
pub(crate) mod timed;
