//! The receipt of a message: it resolves when the message has arrived. It keeps neither the message nor
//! the connection.

use crate::{
    connection::{handle::Handle, waits::for_peer},
    error::SendError,
    session::sent::Arrival,
};
use std::{fmt, sync::Arc};

/// A message that was queued. [`Conn::send`](crate::Conn::send) and
/// [`Client::send`](crate::Client::send) return it. Most callers drop it; one that keeps it can wait
/// until the other side has taken the message in.
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

    /// Resolves when the peer has acknowledged the message: about a second after it has arrived, sooner
    /// when much is sent or one side closes, and later by as long as the connection is lost. The
    /// message has reached the peer's library then, which hands it to a handler unless it ends the
    /// connection before. It does not say that the handler has run. Dropping the future does not take
    /// the message back. A peer that breaks the protocol and never acknowledges leaves it pending until
    /// the connection ends: give it a timeout where that matters.
    ///
    /// It works with a peer that has a session: a client that asked for one
    /// ([`ClientBuilder::resume`](crate::ClientBuilder::resume)), or a server that grants them
    /// ([`Limits::resume_window`](crate::Limits::resume_window)).
    ///
    /// # Errors
    /// [`SendError::Unconfirmed`] when the delivery will never be confirmed: there is no session (a client
    /// that does not [reconnect](crate::ClientBuilder::reconnect) asks for none), or the session ended
    /// before the acknowledgement came. No acknowledgement comes when the peer leaves without a close
    /// frame, when it cannot say what has arrived (a client in JavaScript that the server closed), or
    /// when it drops what it has received. The error comes when the connection is gone, after
    /// [`Limits::close_timeout`](crate::Limits::close_timeout) at the latest.
    pub async fn delivered(self) -> Result<(), SendError> {
        let Some((handle, number)) = self.0 else { return Err(SendError::Unconfirmed) };
        match handle.arrival(number) {
            Arrival::Confirmed => Ok(()),
            Arrival::Unknown => Err(SendError::Unconfirmed),
            Arrival::Wait(arrived) => {
                let arrived = for_peer(&handle, arrived);
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
