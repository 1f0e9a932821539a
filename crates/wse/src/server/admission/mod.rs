//! Everything until the verdict: sockets, TLS, HTTP, the upgrade, identify.

pub(crate) mod before_request;
pub(crate) mod before_verdict;
pub(crate) mod breaches;
mod listen;
pub(crate) mod remote_addr;
pub(crate) mod service;
#[cfg(feature = "tls")]
mod tls;
pub(crate) mod upgrade;
pub(crate) mod verdict;
