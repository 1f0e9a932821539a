//! The built testbed and the built test client, from outside.

#[path = "../client_common/mod.rs"]
mod client_common;

mod client;
mod options;
mod protocols;
mod sessions;
mod talk;
