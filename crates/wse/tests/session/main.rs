//! Sessions: each half by itself, both over a network that fails.

mod aborts;
mod aging;
mod announced;
mod away;
mod cancel;
mod client;
mod client_returns;
mod compression;
mod conversation;
mod ends;
mod faults;
mod goodbye;
mod identities;
mod proxy;
mod renewed;
mod returns;
mod revoke;
mod rooms;
mod server;
mod sizes;
mod slow_returns;
mod until;
mod until_away;
