//! The stream below a connection: TCP, TLS, a Unix socket, a pipe.

use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes, whatever is below it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Boxed, so that a session can go on over another kind of stream than it began on.
pub(crate) type Io = Box<dyn Stream>;
