//! Who is there, and how to reach them.

pub(crate) mod audience;
pub(crate) mod conn;
pub(crate) mod registry;
pub(crate) mod user;
