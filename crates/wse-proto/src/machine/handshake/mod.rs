//! The handshakes.

pub(crate) mod client;
pub(crate) mod server;
pub(crate) mod ws_messaging_client;
pub(crate) mod ws_messaging_server;
