//! The stream below a connection, and what goes from one connection to another when a session has
//! a new one. It may never know what is said over it.

use crate::connection::handle::Handle;
use std::sync::Arc;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
};
use wse_frame::Decoder;
use wse_proto::{Payload, SessionGrant, Token};

/// A stream of bytes, whatever is below it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Boxed, so that a session can go on over another kind of stream than it began on.
pub(crate) type Io = Box<dyn Stream>;

/// A welcomed connection, for the task in which its session began.
pub(crate) struct Line {
    pub(crate) io: Io,
    /// Read of it already, but not decoded.
    pub(crate) read_ahead: Vec<u8>,
    pub(crate) decoder: Decoder,
    pub(crate) resumption: Resumption,
}

/// A session that a welcome resumes.
pub(crate) struct Claim {
    pub(crate) handle: Arc<Handle>,
    pub(crate) resumption: Resumption,
}

/// What its task has to know. It may never hold the peer: it waits in the peer's own outbox.
pub(crate) struct Resumption {
    /// How much of what this side has sent the other has taken in.
    pub(crate) seen: u64,
    /// The welcome that the server still has to write.
    pub(crate) welcome: Option<(Payload<'static>, SessionGrant)>,
    /// What the client has to come back with from now on.
    pub(crate) token: Option<Token>,
    /// What messages and calls wait for.
    pub(crate) ready: Option<oneshot::Receiver<()>>,
}
