//! A server as a node of a cluster: the bus, the driver of the node, and what is done for other nodes.

pub(crate) mod act;
pub(crate) mod asking;
pub(crate) mod bus;
pub(crate) mod calls;
mod clock;
pub(crate) mod closing;
#[expect(clippy::module_inception, reason = "the file of the handle is named after it")]
pub(crate) mod cluster;
pub(crate) mod codecs;
mod counts;
pub(crate) mod driver;
pub(crate) mod event;
mod inbox;
pub(crate) mod member;
pub(crate) mod message;
pub(crate) mod observer;
pub(crate) mod options;
pub(crate) mod order;
pub(crate) mod outside;
#[cfg(test)]
mod races;
mod refusals;
pub(crate) mod retry;
pub(crate) mod script;
#[cfg(feature = "tls")]
pub(crate) mod seal;
#[cfg(not(feature = "tls"))]
#[path = "no_seal.rs"]
pub(crate) mod seal;
pub(crate) mod seat;
pub(crate) mod telling;
pub(crate) mod waiting;
