//! The stream below a connection: TCP, TLS, a Unix socket, a pipe.

use tokio::io::{AsyncRead, AsyncWrite};

/// Any stream of bytes.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A boxed stream, so that a session can continue over another kind of stream than it began on.
pub(crate) type Io = Box<dyn Stream>;
