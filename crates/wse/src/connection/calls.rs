//! The calls of this side that wait for their answers: the connection's task hands each answer to its
//! caller. A call ends exactly once, and its caller never holds a lock while it waits.

use crate::error::CallError;
use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;
use wse_proto::{Payload, Pending, Settled, Stamp};

/// An answer as it came, undecoded.
pub(crate) type Answer = Result<Payload<'static>, Payload<'static>>;

/// What an answer belongs to.
pub(crate) enum Settlement<'a> {
    Call,
    /// A ping that was a call.
    Ping,
    /// No call that is waited for here.
    Unknown(Result<Payload<'a>, Payload<'a>>),
}

type InFlight = Pending<oneshot::Sender<Answer>>;

/// The calls in flight of one connection or session.
pub(crate) struct Calls {
    limit: u32,
    numbered: bool,
    /// Made for the first call: most connections are never called, and keep 72 bytes less.
    pending: Mutex<Option<Box<InFlight>>>,
}

impl Calls {
    /// At most `limit` at a time, with numbers or random stamps.
    pub(crate) fn new(limit: usize, numbered: bool) -> Self {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        Calls { limit, numbered, pending: Mutex::new(None) }
    }

    /// The stamp of a ping that is a call.
    pub(crate) fn ping(&self) -> Stamp {
        self.pending(&mut self.lock()).ping(rand::random())
    }

    /// Hands an answer to its caller. Where no caller waits for it, it is returned.
    pub(crate) fn settle<'a>(&self, stamp: &str, answer: Result<Payload<'a>, Payload<'a>>) -> Settlement<'a> {
        let settled = self.lock().as_mut().map_or(Settled::Unknown, |pending| pending.settle(stamp));
        if let Settled::Call(waiter) = settled {
            let answer = match answer {
                Ok(result) => Ok(result.into_owned()),
                Err(error) => Err(error.into_owned()),
            };
            let _ = waiter.send(answer); // the caller may have stopped waiting
            return Settlement::Call;
        }
        if let Settled::Ping = settled { Settlement::Ping } else { Settlement::Unknown(answer) }
    }

    /// Whether a caller waits for an answer.
    pub(crate) fn in_flight(&self) -> bool {
        self.lock().as_ref().is_some_and(|pending| !pending.is_empty())
    }

    /// Tells every caller that there will be no answer.
    pub(crate) fn disconnect(&self) {
        let waiters = self.lock().as_mut().map(|pending| pending.drain());
        drop(waiters); // it wakes tasks, so the lock is released before
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<InFlight>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending<'a>(&self, pending: &'a mut Option<Box<InFlight>>) -> &'a mut InFlight {
        pending.get_or_insert_with(|| Box::new(Pending::new(self.limit as usize, self.numbered)))
    }
}

impl Calls {
    /// Begins a call, which is to be [forgotten](Calls::forget) in the end.
    ///
    /// # Errors
    /// [`CallError::Busy`] when as many calls are in flight as the limit allows.
    pub(crate) fn open(&self) -> Result<(Stamp, oneshot::Receiver<Answer>), CallError> {
        let (waiter, answer) = oneshot::channel();
        let opened = self.pending(&mut self.lock()).open(rand::random(), waiter);
        Ok((opened.map_err(|_| CallError::Busy)?, answer))
    }

    /// Forgets a call. True when its answer was still to come.
    pub(crate) fn forget(&self, stamp: &Stamp) -> bool {
        let waiter = self.lock().as_mut().and_then(|pending| pending.cancel(stamp));
        waiter.is_some()
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}
