//! The server and the client with a real nginx and a real HAProxy between them, on the loopback.

mod addresses;
mod cookies;
mod parts;
mod proxy;
mod rollout;
mod tunnel;
