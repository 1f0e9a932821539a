//! The parts of a parked session: its slot among all parked sessions, and the connection that is to
//! resume it.

use crate::{
    connection::{read_ahead::ReadAhead, stream::Io},
    session::parking::Slot,
    sync::{Mutex, MutexGuard},
};
use std::{fmt, sync::PoisonError};
use tokio::sync::oneshot;
use wse_frame::{Decoder, deflate::Deflate};
use wse_proto::{Features, Payload, SessionGrant, Token};

/// A welcomed connection on its way to the task of its session. It holds no handle, since it waits
/// inside of one.
pub(super) struct Handover {
    pub(super) io: Io,
    pub(super) read_ahead: ReadAhead,
    pub(super) decoder: Decoder,
    /// What the stream has agreed on.
    pub(super) deflate: Option<Deflate>,
    pub(super) resumption: Resumption,
}

/// What a welcome says about a session that is resumed.
pub(crate) struct Resumption {
    /// How many frames of this side the peer has taken in.
    pub(crate) seen: u64,
    /// What the peer can.
    pub(crate) features: Features,
    /// The welcome that the server still has to write.
    pub(crate) welcome: Option<(Payload<'static>, SessionGrant)>,
    /// The token that resumes the session from now on.
    pub(crate) token: Option<Token>,
    /// Messages and calls wait for this before they reach their handlers.
    pub(crate) ready: Option<oneshot::Receiver<()>>,
}

/// The slot and the next connection of a parked session.
#[derive(Default)]
pub(super) struct Parked(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    handover: Option<Box<Handover>>,
    /// In a box, since every connection has this state and few are parked.
    slot: Option<Box<Slot>>,
}

impl Parked {
    /// Notes that the session is parked in this slot.
    pub(super) fn take(&self, slot: Slot) {
        self.lock().slot = Some(Box::new(slot));
    }

    /// Whether the session is parked.
    pub(super) fn has_slot(&self) -> bool {
        self.lock().slot.is_some()
    }

    /// Counts what the parked session keeps, and ends the sessions that no longer fit.
    ///
    /// It is measured under the lock, so that the last of several threads to count sees what all of them
    /// have sent. `measure` may lock the outbox, which never locks this.
    pub(super) fn count(&self, measure: impl FnOnce() -> usize) {
        let evicted = self.lock().slot.as_ref().map(|slot| slot.keeps(measure()));
        if let Some(evicted) = evicted {
            evicted.end();
        }
    }

    /// Frees the slot: the session is not parked any more.
    pub(super) fn free_slot(&self) {
        let slot = self.lock().slot.take();
        drop(slot); // after the lock, as it takes another
    }

    /// Keeps a connection for the session's task, in place of one that it has not taken yet.
    pub(super) fn put_handover(&self, handover: Handover) {
        let replaced = self.lock().handover.replace(Box::new(handover));
        drop(replaced); // after the lock, as it wakes the other side of the stream
    }

    pub(super) fn take_handover(&self) -> Option<Handover> {
        self.lock().handover.take().map(|handover| *handover)
    }

    /// Drops a connection that came too late.
    pub(super) fn drop_handover(&self) {
        drop(self.take_handover());
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parked").finish_non_exhaustive()
    }
}
