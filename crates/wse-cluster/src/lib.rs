//! One node of a cluster of `wse` servers, without I/O: a value that is told what happens and says what to do.
//!
//! A [`Node`] knows which devices are at which node, how many of one user there may be, who is to be told
//! that a user has come or left, which calls wait for other nodes, and what every other node has not
//! acknowledged yet. Between two nodes there is one ordered, acknowledged link in each direction; what
//! carries its datagrams may lose, repeat and delay them.
//!
//! This crate knows no runtime, clock, engine or source of randomness: [`Time`] is an argument.

mod calls;
mod clock;
mod config;
mod datagram;
mod directory;
mod entry;
mod frame;
mod id;
mod limit;
mod link;
mod members;
mod node;
mod output;
mod recipients;
mod reports;
mod rooms;
mod rules;
#[cfg(test)]
mod simulation;
mod takes;
mod time;

pub use config::Config;
pub use entry::{Entry, Leaving};
pub(crate) use frame::Frame;
pub use frame::Malformed;
pub use id::{DeviceId, NodeId, ParseIdError};
pub use node::{Node, Refused};
pub use output::{CallEnd, CallId, Down, Output, TakeId, To, Transmit};
pub use recipients::{Except, Recipients, Scope};
pub use time::{Hlc, Time};
