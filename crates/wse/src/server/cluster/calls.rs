//! The calls of other nodes to devices of this one: each is sent to its device, and its answer is awaited here.

use crate::{
    app::erased::BoxFuture,
    connection::send,
    error::{CallError, SendError},
    server::{
        Inner,
        cluster::{
            asking::server_of,
            member::Member,
            message::{
                answer::Answer as Outcome,
                call::{self, Asked, PAGE},
                send::Sent,
            },
        },
        users::{conn::Conn, encoded::Encoded},
    },
};
use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::{AbortHandle, Abortable},
    stream::FuturesUnordered,
};
use std::{collections::HashMap, time::Duration};
use wse_cluster::{CallId, DeviceId, NodeId};
use wse_proto::{Code, EncodeError, Payload, RpError};

/// Calls of other nodes that may be under way. Further ones are answered at once: the device is busy.
const CALLS: usize = 64 << 10;

/// The calling node, and the number of the call there.
pub(crate) type Caller = (NodeId, CallId);

/// What is answered to another node; `None`: the device is not there, and nothing ran.
pub(crate) type Answer = Option<Bytes>;

/// A call of another node.
pub(crate) struct Call {
    pub(crate) device: DeviceId,
    pub(crate) within: Duration,
    /// What the other server wrote.
    pub(crate) body: Bytes,
}

/// Those under way. Dropping it gives them all up.
#[derive(Default)]
pub(crate) struct Calls {
    running: FuturesUnordered<Abortable<BoxFuture<(Caller, Answer)>>>,
    callers: HashMap<Caller, AbortHandle>,
}

impl Calls {
    /// Sends a call to its device: now, so that it keeps its place among the messages of its node. Returns the
    /// answer where there is one at once. One that is under way already goes on.
    pub(crate) fn start(&mut self, server: &Inner, caller: Caller, call: Call) -> Option<Answer> {
        if call.device == server_of(server.node) {
            return Some(asked(server, &call.body));
        }
        let Some(conn) = server.registry.device(call.device) else { return Some(None) };
        self.run(caller, || started(&conn, call))
    }

    /// Waits for the answer of what is started, if there is room and the caller has not called before.
    fn run(&mut self, caller: Caller, start: impl FnOnce() -> Result<BoxFuture<Answer>, Answer>) -> Option<Answer> {
        if self.callers.contains_key(&caller) {
            return None;
        }
        if self.running.len() >= CALLS {
            return Some(Outcome::Failed(CallError::Busy).write());
        }
        let answer = match start() {
            Ok(answer) => answer,
            Err(answer) => return Some(answer),
        };
        let (abort, registration) = AbortHandle::new_pair();
        self.callers.insert(caller, abort);
        self.running.push(Abortable::new(Box::pin(async move { (caller, answer.await) }), registration));
        None
    }

    /// Gives a call up: its answer is not wanted any more.
    pub(crate) fn cancel(&mut self, caller: &Caller) {
        if let Some(abort) = self.callers.remove(caller) {
            abort.abort();
        }
    }

    /// The same for every call of a node that is gone.
    pub(crate) fn cancel_all(&mut self, of: NodeId) {
        self.callers.retain(|(node, _), abort| {
            let stays = *node != of;
            if !stays {
                abort.abort();
            }
            stays
        });
    }

    /// The next answer; `None` when no call is under way.
    pub(crate) async fn next(&mut self) -> Option<(Caller, Answer)> {
        while let Some(ended) = self.running.next().await {
            let Ok((caller, answer)) = ended else { continue }; // it was given up
            self.callers.remove(&caller);
            return Some((caller, answer));
        }
        None
    }
}

/// Sends a call to its device. Returns what to wait for, or the answer where there is one at once.
fn started(conn: &Conn, call: Call) -> Result<BoxFuture<Answer>, Answer> {
    let started = match call::read(&call.body) {
        Some(Asked::Procedure { name, payload }) => called(conn, &name, &payload, call.within),
        Some(Asked::Message(sent)) => tracked(conn, *sent),
        Some(Asked::Members { .. }) | None => Err(malformed()),
    };
    started.map_err(|error| Outcome::Failed(error).write())
}

/// Calls a procedure of a device.
fn called(conn: &Conn, name: &str, payload: &Payload<'_>, within: Duration) -> Result<BoxFuture<Answer>, CallError> {
    let (handle, hooks) = (&conn.0.handle, &conn.0.server.env.hooks);
    let payload = payload.translated(handle.codec().format()).map_err(SendError::from)?.into_owned();
    let result = send::encoded_call::<_, Payload<'static>>(hooks, conn, handle, name, &payload, within)?;
    Ok(Box::pin(result.map(|result| result.map_or_else(Outcome::Failed, Outcome::Result).write())))
}

/// Sends a message to a device, and waits until the device has acknowledged it.
fn tracked(conn: &Conn, sent: Sent) -> Result<BoxFuture<Answer>, CallError> {
    let message = Encoded::arrived(&conn.0.server, &sent.name, sent.age.as_ref(), sent.forms);
    let receipt = conn.send_encoded(&message)?;
    Ok(Box::pin(receipt.delivered().map(|delivered| {
        let outcome = delivered.map_or_else(|error| Outcome::Failed(CallError::Send(error)), |()| Outcome::Arrived);
        outcome.write()
    })))
}

/// Answers a question to this server itself.
fn asked(server: &Inner, body: &Bytes) -> Answer {
    let Some(Asked::Members { room, after }) = call::read(body) else {
        return Outcome::Failed(malformed()).write();
    };
    let mut members: Vec<DeviceId> = server.rooms.members(&room).iter().map(Conn::id).collect();
    members.retain(|id| *id > after);
    members.sort_unstable();
    members.truncate(PAGE);
    Outcome::Members(members).write()
}

/// The other server has asked in a form that this one does not know.
fn malformed() -> CallError {
    tracing::warn!(what = "call", "malformed body from another node");
    CallError::Send(EncodeError::new("the call of another server is malformed").into())
}

/// Answers a call of another node.
pub(crate) fn answer(member: &Member, (to, id): Caller, answer: Answer) {
    let answered = member.with(|node, time| node.answer(time, to, id, answer));
    if answered.is_err() {
        let _ = member.with(|node, time| node.answer(time, to, id, too_big())); // it is small
    }
}

/// The answer where the true one is larger than what nodes take.
fn too_big() -> Answer {
    let error = RpError::new(Code::RP_FAILED).message("the answer is larger than what servers of a cluster take");
    Outcome::Failed(CallError::Failed(error)).write()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    fn caller(call: u64) -> Caller {
        (NodeId::new(1), CallId(call))
    }

    fn never(calls: &mut Calls, call: u64) -> Option<Answer> {
        calls.run(caller(call), || Ok(Box::pin(pending())))
    }

    #[test]
    fn a_call_that_comes_again_while_it_runs_is_not_started_again() {
        let mut calls = Calls::default();
        assert_eq!(never(&mut calls, 1), None);
        assert_eq!(calls.run(caller(1), || unreachable!("it runs")), None);
        assert_eq!((calls.running.len(), calls.callers.len()), (1, 1));
        calls.cancel(&caller(1));
        assert_eq!(calls.run(caller(1), || Ok(Box::pin(ready(None)))), None);
        assert_eq!(calls.next().now_or_never(), Some(Some((caller(1), None))), "the second, as the first was given up");
        assert_eq!(calls.next().now_or_never(), Some(None));
        assert!(calls.callers.is_empty());
    }

    #[test]
    fn so_many_calls_run_and_those_that_are_given_up_count_until_they_are_gone() {
        let mut calls = Calls::default();
        let busy = Outcome::Failed(CallError::Busy).write();
        (0..CALLS as u64).for_each(|call| assert_eq!(never(&mut calls, call), None));
        assert_eq!(never(&mut calls, u64::MAX), Some(busy.clone()));
        calls.cancel_all(NodeId::new(1));
        assert_eq!(never(&mut calls, u64::MAX), Some(busy));
        assert_eq!(calls.next().now_or_never(), Some(None), "nothing runs");
        assert_eq!(never(&mut calls, u64::MAX), None);
    }
}
