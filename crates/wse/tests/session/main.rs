//! Sessions: each half by itself, both over a network that fails.

#[path = "../client_common/mod.rs"]
mod client_common;
#[path = "../common/mod.rs"]
mod common;
#[path = "../session_common/mod.rs"]
mod session_common;

mod aborts;
mod client;
mod client_returns;
mod ends;
mod faults;
mod goodbye;
mod proxy;
mod returns;
mod server;
