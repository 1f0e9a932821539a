//! The public test kit: what its faults do, and what they look like to a server and its clients.

#[path = "../client_common/mod.rs"]
mod client_common;
#[path = "../common/mod.rs"]
mod common;
#[path = "../kit_common/mod.rs"]
mod kit_common;

mod memory;
mod proxy;
mod server;
mod sweep;
mod tcp;
