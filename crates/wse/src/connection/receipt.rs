//! What a sender holds of a message that is on its way. It may never keep a message, nor a
//! connection.

use crate::{
    connection::{handle::Handle, kept},
    error::SendError,
};
use std::{fmt, sync::Arc};

/// A message that was queued, as [`Conn::send`](crate::Conn::send) and
/// [`Client::send`](crate::Client::send) give it. Most drop it; with it a sender can wait until the
/// other side has taken the message in.
///
/// ```
/// # async fn example(conn: wse::Conn) -> Result<(), wse::SendError> {
/// conn.send("invoice", 17)?.delivered().await?;
/// println!("the device has it");
/// # Ok(())
/// # }
/// ```
pub struct Receipt(Option<(Arc<Handle>, u64)>);

impl Receipt {
    pub(crate) fn new(handle: &Arc<Handle>, number: Option<u64>) -> Self {
        Receipt(number.map(|number| (handle.clone(), number)))
    }

    /// Resolves when the peer has acknowledged the message: about a second after it has arrived,
    /// sooner when much is sent or one side says goodbye, and later by as long as the connection is
    /// lost. It has reached the
    /// peer's library then, which hands it to a handler unless it ends the connection before; that the
    /// handler has run is not said. Dropping the future does not take the message back. A peer that
    /// breaks the protocol and never acknowledges leaves it pending until the connection ends: give it
    /// a timeout where that matters.
    ///
    /// It works with a peer that has a session: a client that asked for one
    /// ([`ClientBuilder::resume`](crate::ClientBuilder::resume)), a server that grants them
    /// ([`Limits::resume_window`](crate::Limits::resume_window)).
    ///
    /// # Errors
    /// [`SendError::Unconfirmed`] when nobody will ever say: there is no session (a client that does
    /// not [reconnect](crate::ClientBuilder::reconnect) asks for none), or it ended before: without a
    /// goodbye, or with one of a peer that could not say what had arrived (one in JavaScript closed by the
    /// server) or drops what it has. It is said when the connection is gone, after
    /// [`Limits::close_timeout`](crate::Limits::close_timeout) at the latest.
    pub async fn delivered(self) -> Result<(), SendError> {
        let Some((handle, number)) = self.0 else { return Err(SendError::Unconfirmed) };
        match handle.outbox.receipt(number) {
            kept::Receipt::Arrived => Ok(()),
            kept::Receipt::Unknown => Err(SendError::Unconfirmed),
            kept::Receipt::Wait(arrived) => {
                drop(handle);
                arrived.await.map_err(|_| SendError::Unconfirmed)
            }
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receipt").field(&self.0.as_ref().map(|(_, number)| number)).finish()
    }
}
