//! Stands for TLS where the feature `tls` is off: `wss` is an error.

use crate::client::dial::Wrap;
use std::{io, sync::Arc};

pub(crate) fn system() -> Wrap {
    Arc::new(|_, _| {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "wss needs the feature `tls`");
        Box::pin(std::future::ready(Err(error)))
    })
}
