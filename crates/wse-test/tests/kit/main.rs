//! The public test kit: what its faults do, and what they look like to a server and its clients.

mod cuts;
mod faults;
mod memory;
mod proxy;
mod rig;
mod server;
mod standstill;
mod sweep;
mod tcp;
