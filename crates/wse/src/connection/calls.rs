//! Calls of this side: sent at once, waited for by their callers, answered by the connection's task.
//! A call ends exactly once, and its caller never holds a lock while it waits.

use crate::{connection::handle::Handle, error::CallError};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;
use wse_proto::{Payload, Pending, Settled, Stamp};

/// An answer as it came, undecoded.
type Answer = Result<Payload<'static>, Payload<'static>>;

/// The calls in flight of one connection or session.
pub(crate) struct Calls(Mutex<Pending<oneshot::Sender<Answer>>>);

/// A call in flight. Dropping it forgets the call.
struct Call<'a> {
    calls: &'a Calls,
    stamp: Stamp,
}

impl Calls {
    /// At most `limit` at a time, with numbers or random stamps.
    pub(crate) fn new(limit: usize, numbered: bool) -> Self {
        Calls(Mutex::new(Pending::new(limit, numbered)))
    }

    /// The stamp of a ping that is a call.
    pub(crate) fn ping(&self) -> Stamp {
        self.lock().ping(rand::random())
    }

    /// Gives an answer to its caller. One that no caller waits for is dropped. Returns true when it
    /// answers a ping.
    pub(crate) fn settle(&self, stamp: &str, answer: Result<Payload<'_>, Payload<'_>>) -> bool {
        let settled = self.lock().settle(stamp);
        if let Settled::Call(waiter) = settled {
            let answer = match answer {
                Ok(result) => Ok(result.into_owned()),
                Err(error) => Err(error.into_owned()),
            };
            let _ = waiter.send(answer); // the caller may have stopped waiting
            return false;
        }
        matches!(settled, Settled::Ping)
    }

    /// Tells every caller that there will be no answer.
    pub(crate) fn disconnect(&self) {
        let waiters = self.lock().drain();
        drop(waiters); // it wakes tasks, so the lock is released before
    }

    fn lock(&self) -> MutexGuard<'_, Pending<oneshot::Sender<Answer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handle {
    /// Sends a call at once. The future waits for its answer, and forgets the call when dropped.
    pub(crate) fn call<P, R>(
        &self,
        rp: &str,
        payload: &P,
        timeout: Duration,
    ) -> Result<impl Future<Output = Result<R, CallError>> + use<'_, P, R>, CallError>
    where
        P: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let (waiter, answer) = oneshot::channel();
        if !self.is_open() {
            return Err(CallError::NotReady);
        }
        let calls = self.calls();
        let stamp = calls.lock().open(rand::random(), waiter).map_err(|_| CallError::Busy)?;
        let call = Call { calls, stamp };
        self.send(rp, payload, Some(stamp.as_str()))?;
        Ok(async move {
            let answer = tokio::time::timeout(timeout, answer).await;
            drop(call);
            match answer.map_err(|_| CallError::TimedOut)?.map_err(|_| CallError::Disconnected)? {
                Ok(result) => Ok(result.decode()?),
                Err(error) => Err(CallError::failed(self.codec().read_error(&error))),
            }
        })
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.calls.lock().cancel(&self.stamp);
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}
