//! The server, driven frame by frame by raw peers and over its HTTP.

mod axum;
mod bounds;
mod calls;
mod codec;
mod drop;
mod events;
mod flow;
mod garbage;
mod handlers;
mod hooks_receiving;
mod hooks_sending;
mod hooks_waiting;
mod http;
mod identify;
mod limits;
mod meanwhile;
mod messaging_replayed;
mod replay;
mod replayed;
mod sending;
mod shutdown;
mod spread;
mod strangers;
mod time;
mod tls;
mod users;
