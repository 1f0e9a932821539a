//! Where a client stands. It may never be set by anybody but the client's own task.

use std::fmt;

/// The state of a [`Client`](crate::Client).
///
/// ```
/// use wse::{Client, Status};
///
/// # async fn example(client: Client) {
/// let mut status = client.watch_status();
/// // Fails only when the client is gone.
/// let _ = status.wait_for(|status| *status == Status::Ready).await;
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Nothing was tried yet.
    Idle,
    /// The first attempt to connect, or a jump.
    Connecting,
    /// Welcomed: messages and calls go through.
    Ready,
    /// Ended for good, until [`connect`](crate::Client::connect) or a jump.
    Offline,
    /// The connection was lost or could not be made; another attempt is under way or waited for.
    ReConnecting,
}

impl Status {
    /// The name that upstream gives it: `IDLE`, `CONNECTING`, `READY`, `OFFLINE` or
    /// `RE_CONNECTING`.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Idle => "IDLE",
            Status::Connecting => "CONNECTING",
            Status::Ready => "READY",
            Status::Offline => "OFFLINE",
            Status::ReConnecting => "RE_CONNECTING",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
