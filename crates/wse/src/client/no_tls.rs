//! Replaces `tls.rs` when the feature `tls` is off: connecting to a `wss` address fails.

use crate::{client::dial::WrapTls, error::ConnectError};
use std::sync::Arc;

/// Fails for every connection.
pub(crate) fn with_system_roots() -> WrapTls {
    Arc::new(|_, _| {
        let error = ConnectError::BadUrl("wss needs the feature `tls`".to_owned());
        Box::pin(std::future::ready(Err(error)))
    })
}
