//! The status of a client. Only the client's own task may set it.

use std::fmt;

/// The status of a [`Client`](crate::Client).
///
/// ```
/// use wse::{Client, Status};
///
/// # async fn example(client: Client) {
/// let mut status = client.watch_status();
/// // Fails only when the client was dropped.
/// let _ = status.wait_for(|status| *status == Status::Ready).await;
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The client has not tried to connect yet.
    Idle,
    /// The first attempt to connect, or a jump, is under way.
    Connecting,
    /// The server has welcomed the client: messages and calls go through.
    Ready,
    /// The client has stopped, until [`connect`](crate::Client::connect) or a jump.
    Offline,
    /// The connection was lost or could not be made. Another attempt is under way or waits its time.
    ReConnecting,
}

impl Status {
    /// The name of this status in npm `wse`: `IDLE`, `CONNECTING`, `READY`, `OFFLINE` or
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
