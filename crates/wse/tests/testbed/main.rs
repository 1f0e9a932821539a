//! The built testbed and the built test client, from outside.

mod client;
mod options;
mod protocols;
mod sessions;
mod talk;
