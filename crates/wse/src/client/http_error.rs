//! Makes an error of hyper one of the stream, with everything that was seen. It decides nothing.

use std::{error::Error, io};

/// The error of a stream, with what is below it: a TLS alert may come behind the handshake. A server that
/// does not speak HTTP is a permanent error, a broken connection a temporary one.
pub(crate) fn io_error(error: &hyper::Error) -> io::Error {
    let below = error.source();
    let broken = below.and_then(|below| below.downcast_ref::<io::Error>()).map(io::Error::kind);
    let kind = if error.is_parse() { io::ErrorKind::InvalidData } else { broken.unwrap_or(io::ErrorKind::Other) };
    let text = below.map_or_else(|| error.to_string(), |below| format!("{error}: {below}"));
    io::Error::new(kind, text)
}
