//! The other end of a connection that this server has accepted.

use crate::server::admission::remote_addr::{OverUnixSocket, RemoteAddr};
use http::Extensions;
use ipnet::IpNet;
use std::net::IpAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// That address, over TCP.
    Tcp(IpAddr),
    /// A process of this machine, over a Unix socket.
    Unix,
    /// The application knows.
    Unknown,
}

impl Peer {
    pub(crate) fn addr(self) -> Option<IpAddr> {
        match self {
            Peer::Tcp(addr) => Some(addr),
            Peer::Unix | Peer::Unknown => None,
        }
    }

    /// Whether it is a trusted proxy.
    pub(crate) fn is_trusted(self, trusted: &[IpNet]) -> bool {
        match self {
            Peer::Tcp(addr) => trusted.iter().any(|net| net.contains(&addr.to_canonical())),
            Peer::Unix => true,
            Peer::Unknown => false,
        }
    }

    /// Tells a request from where it comes.
    pub(crate) fn mark(self, extensions: &mut Extensions) {
        match self {
            Peer::Tcp(addr) => _ = extensions.insert(RemoteAddr(addr)),
            Peer::Unix => _ = extensions.insert(OverUnixSocket),
            Peer::Unknown => {}
        }
    }
}
