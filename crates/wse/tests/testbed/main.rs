//! The built testbed and the built test client, from outside.

mod client;
mod devices;
mod options;
mod protocols;
mod reach;
mod rooms;
mod sessions;
mod strangers;
mod talk;
mod two_servers;
