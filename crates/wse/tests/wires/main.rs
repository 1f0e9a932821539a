//! The other wires, at either end, and devices of all of them on one server.

mod ask;
mod cancel;
mod messaging_client;
mod messaging_client_talk;
mod messaging_ends;
mod messaging_handlers;
mod messaging_time;
mod messaging_verdict;
mod mixed_devices;
mod msgpack;
mod msgpack_client;
mod negotiation;
mod slow_links;
