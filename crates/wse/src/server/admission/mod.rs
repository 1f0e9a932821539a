//! Everything until identify is asked: sockets, TLS, HTTP, the upgrade.

mod accept;
mod accept_failures;
pub(crate) mod admitting;
pub(crate) mod before_request;
pub(crate) mod before_verdict;
mod bind;
pub(crate) mod breaches;
mod cores;
mod forwarded;
mod http1;
mod listen;
pub(crate) mod open_connections;
mod origin;
mod peer;
mod proxy_protocol;
pub(crate) mod remote_addr;
mod request;
pub(crate) mod rules;
pub(crate) mod service;
mod sockets;
#[cfg(feature = "tls")]
mod tls;
pub(crate) mod tls_handshake;
pub(crate) mod unreadable;
pub(crate) mod upgrade;
