//! What an application has set up for requests before the verdict, and for the sockets they come over.

use crate::{app::erased::BoxFuture, server::admission::origin::Origins};
use http::{HeaderMap, StatusCode, request::Parts};
use ipnet::IpNet;
use std::sync::Arc;

pub(crate) type UpgradeHook = Box<dyn Fn(Arc<Parts>) -> BoxFuture<Result<(), StatusCode>> + Send + Sync>;

#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) origins: Origins,
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Whether trusted proxies send a PROXY header.
    pub(crate) proxy_protocol: bool,
    pub(crate) upgrade: Option<UpgradeHook>,
    /// The only path that is served.
    pub(crate) path: Option<String>,
    /// The path that tells whether the server takes connections.
    pub(crate) health: Option<String>,
    /// Threads of its own that serve what is accepted.
    pub(crate) cores: usize,
    /// Headers of the answer that grants an upgrade.
    pub(crate) headers: HeaderMap,
}
