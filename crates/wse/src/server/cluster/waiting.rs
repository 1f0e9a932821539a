//! Who waits for the end of which call to another node. Each call ends exactly once.

use crate::sync::{Mutex, MutexGuard};
use std::{collections::HashMap, sync::PoisonError};
use tokio::sync::oneshot;
use wse_cluster::{CallEnd, CallId, Refused};

/// What resolves when a call has ended.
pub(crate) type Ended = oneshot::Receiver<CallEnd>;

/// The calls of this node to others that have not ended.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<Table>);

#[derive(Default)]
struct Table {
    calls: HashMap<CallId, oneshot::Sender<CallEnd>>,
    /// Nobody says any more how calls end.
    over: bool,
}

impl Waiting {
    /// Notes the calls that `call` makes. No end of them is told before they are noted.
    pub(crate) fn open(
        &self,
        call: impl FnOnce() -> Result<Vec<CallId>, Refused>,
    ) -> Result<Vec<(CallId, Ended)>, Refused> {
        let mut table = self.lock();
        let calls = call()?.into_iter().map(|id| {
            let (tell, ended) = oneshot::channel();
            if table.over {
                let _ = tell.send(CallEnd::Unreachable); // it is awaited right here
            } else {
                table.calls.insert(id, tell);
            }
            (id, ended)
        });
        Ok(calls.collect())
    }

    /// Tells who waits how a call has ended.
    pub(crate) fn end(&self, id: CallId, end: CallEnd) {
        let waiter = self.lock().calls.remove(&id);
        if let Some(waiter) = waiter {
            let _ = waiter.send(end); // the caller may have stopped waiting
        }
    }

    /// Notes that nobody waits for a call any more. False when it has ended.
    pub(crate) fn forget(&self, id: CallId) -> bool {
        let waiter = self.lock().calls.remove(&id);
        waiter.is_some()
    }

    /// Ends all calls, and every later one at once: this node has left the cluster.
    pub(crate) fn end_all(&self) {
        let mut table = self.lock();
        table.over = true;
        let calls = std::mem::take(&mut table.calls);
        drop(table);
        for waiter in calls.into_values() {
            let _ = waiter.send(CallEnd::NodeLost); // as above
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn each_call_ends_once_and_those_of_a_node_that_has_left_at_once() {
        let test = || {
            let waiting = Waiting::default();
            let open = |ids: &[u64]| waiting.open(|| Ok(ids.iter().copied().map(CallId).collect())).unwrap();
            let mut calls = open(&[1, 2, 3]);
            waiting.end(CallId(2), CallEnd::Gone);
            waiting.end(CallId(2), CallEnd::TimedOut);
            assert!(!waiting.forget(CallId(2)), "it has ended");
            assert!(waiting.forget(CallId(1)));
            waiting.end_all();
            let ended = |ended: &mut Ended| ended.now_or_never().expect("an end").ok();
            assert_eq!(ended(&mut calls[0].1), None, "nobody waited");
            assert_eq!(ended(&mut calls[1].1), Some(CallEnd::Gone));
            assert_eq!(ended(&mut calls[2].1), Some(CallEnd::NodeLost));
            assert_eq!(ended(&mut open(&[4])[0].1), Some(CallEnd::Unreachable));
            assert!(matches!(waiting.open(|| Err(Refused::TooBig)), Err(Refused::TooBig)));
        };
        shuttle::check_random(test, 1);
    }
}
