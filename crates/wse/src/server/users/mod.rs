//! The users and devices of a server, and how messages reach them.

pub(crate) mod answers;
pub(crate) mod audience;
mod caller;
mod change;
pub(crate) mod conn;
pub(crate) mod deliver;
pub(crate) mod device;
pub(crate) mod encoded;
pub(crate) mod events;
pub(crate) mod id;
mod member;
pub(crate) mod recall;
pub(crate) mod recipients;
pub(crate) mod registry;
mod shards;
pub(crate) mod standing;
pub(crate) mod user;
mod user_devices;
