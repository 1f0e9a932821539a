//! Replaces `tls.rs` when the feature `tls` is off: connecting to a `wss` address fails.

use crate::client::dial::WrapTls;
use std::{io, sync::Arc};

/// Fails for every connection.
pub(crate) fn with_system_roots() -> WrapTls {
    Arc::new(|_, _| {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "wss needs the feature `tls`");
        Box::pin(std::future::ready(Err(error)))
    })
}
