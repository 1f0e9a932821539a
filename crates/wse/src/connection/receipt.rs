//! The receipt of a message: it resolves when the message has arrived. It keeps neither the message nor
//! the connection.

use crate::{
    app::erased::BoxFuture,
    connection::{handle::Handle, outbox::aging::Aged, waits::for_peer},
    error::SendError,
    session::sent::{Arrival, Notice},
};
use std::{fmt, sync::Arc};
use tokio::{sync::oneshot, time::Instant};

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
pub struct Receipt(Kept);

enum Kept {
    /// It will never be confirmed.
    Nothing,
    Here(Arc<Handle>, Of),
    /// The device is at another node of a cluster.
    Elsewhere(BoxFuture<Result<(), SendError>>),
}

/// What a receipt is of.
enum Of {
    /// The frame of that number.
    Number(u64),
    /// A frame that ages, and may be replaced; with the time from which on it is not sent.
    Aging(oneshot::Receiver<Notice>, Option<Instant>),
}

impl Receipt {
    pub(crate) fn new(handle: &Arc<Handle>, number: Option<u64>) -> Self {
        Receipt(number.map_or(Kept::Nothing, |number| Kept::Here(handle.clone(), Of::Number(number))))
    }

    pub(crate) fn aging(handle: &Arc<Handle>, aged: Aged, until: Option<std::time::Instant>) -> Self {
        let of = |notice| Of::Aging(notice, until.map(Instant::from_std));
        Receipt(aged.notice.map_or(Kept::Nothing, |notice| Kept::Here(handle.clone(), of(notice))))
    }

    /// Of a message whose delivery will never be confirmed.
    pub(crate) fn none() -> Self {
        Receipt(Kept::Nothing)
    }

    /// Of a message for a device of another node, which says whether it has arrived.
    pub(crate) fn elsewhere(arrived: BoxFuture<Result<(), SendError>>) -> Self {
        Receipt(Kept::Elsewhere(arrived))
    }

    /// Resolves when the peer has acknowledged the message: about a second after it has arrived, sooner
    /// when much is sent or one side closes, and later by as long as the connection is lost. The
    /// message has reached the peer's library then, which hands it to a handler unless it ends the
    /// connection before. It does not say that the handler has run. Dropping the future does not take
    /// the message back. A peer that breaks the protocol and never acknowledges leaves it pending until
    /// the connection ends: give it a timeout where that matters.
    ///
    /// That of a message that a newer one has replaced ([`Msg::latest`](crate::Msg::latest)) resolves when the
    /// newer one has arrived.
    ///
    /// It works with a peer that has a session: a client that asked for one
    /// ([`ClientBuilder::resume`](crate::ClientBuilder::resume)), or a server that grants them
    /// ([`Limits::resume_window`](crate::Limits::resume_window)).
    ///
    /// # Errors
    /// [`SendError::Expired`] when the message became too old before it could be sent
    /// ([`Msg::ttl`](crate::Msg::ttl)). [`SendError::Unconfirmed`] when the delivery will never be confirmed:
    /// there is no session (a client that does not [reconnect](crate::ClientBuilder::reconnect) asks for none),
    /// or the session ended
    /// before the acknowledgement came. No acknowledgement comes when the peer leaves without a close
    /// frame, when it cannot say what has arrived (a client in JavaScript that the server closed), or
    /// when it drops what it has received. The error comes when the connection is gone, after
    /// [`Limits::close_timeout`](crate::Limits::close_timeout) at the latest.
    pub async fn delivered(self) -> Result<(), SendError> {
        let (handle, of) = match self.0 {
            Kept::Here(handle, of) => (handle, of),
            Kept::Elsewhere(arrived) => return arrived.await,
            Kept::Nothing => return Err(SendError::Unconfirmed),
        };
        let notice = match of {
            Of::Number(number) => match handle.arrival(number) {
                Arrival::Confirmed => return Ok(()),
                Arrival::Unknown => return Err(SendError::Unconfirmed),
                Arrival::Wait(notice) => notice,
            },
            Of::Aging(mut notice, Some(until)) => {
                let waits = for_peer(&handle, &mut notice);
                if let Ok(noticed) = tokio::time::timeout_at(until, waits).await {
                    return outcome(noticed.ok());
                }
                handle.expire(until);
                notice
            }
            Of::Aging(notice, None) => notice,
        };
        let notice = for_peer(&handle, notice);
        drop(handle);
        outcome(notice.await.ok())
    }
}

/// What a sender learns who was told this, or nothing.
fn outcome(notice: Option<Notice>) -> Result<(), SendError> {
    match notice {
        Some(Notice::Arrived) => Ok(()),
        Some(Notice::TooOld) => Err(SendError::Expired),
        None => Err(SendError::Unconfirmed),
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = if let Kept::Here(_, Of::Number(number)) = &self.0 { Some(number) } else { None };
        f.debug_tuple("Receipt").field(&number).finish()
    }
}
