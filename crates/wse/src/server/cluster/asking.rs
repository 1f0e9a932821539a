//! Calls of this node to other nodes: to their devices, or to the servers themselves. A call whose future is dropped
//! is given up, here and there.

use crate::{
    error::{CallError, SendError},
    server::cluster::{
        member::Member,
        message::{
            answer::Answer,
            call::{self, PAGE},
        },
        waiting::Ended,
    },
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use wse_cluster::{CallEnd, CallId, DeviceId, NodeId};

/// So many members a room may have at another node, as that node tells them.
const MEMBERS: usize = 1 << 20;

/// A call that was sent to another node.
pub(crate) struct SentCall {
    member: Arc<Member>,
    id: CallId,
    ended: Ended,
}

/// The id that stands for a server itself: no device has the number 0.
pub(crate) fn server_of(node: NodeId) -> DeviceId {
    DeviceId::new(node, 0)
}

/// Calls devices of other nodes: they have so much time to answer. One that is not there ends at once.
///
/// # Errors
/// When it is larger than what nodes take; then none is called.
pub(crate) fn call(
    member: &Arc<Member>,
    devices: &[DeviceId],
    within: Duration,
    body: Bytes,
) -> Result<Vec<SentCall>, SendError> {
    let (bytes, within) = (body.len(), u64::try_from(within.as_millis()).unwrap_or(u64::MAX));
    let sent = member.waiting.open(|| member.with(|node, time| node.call(time, devices, within, body)));
    let sent = sent.map_err(|_| SendError::TooBig(bytes))?;
    Ok(sent.into_iter().map(|(id, ended)| SentCall { member: member.clone(), id, ended }).collect())
}

/// The members that a room has at another node.
pub(crate) async fn members(
    member: &Arc<Member>,
    node: NodeId,
    room: &str,
    within: Duration,
) -> Result<Vec<DeviceId>, CallError> {
    let (mut members, began) = (Vec::new(), Instant::now());
    loop {
        let (after, within) = (members.last().copied(), within.saturating_sub(began.elapsed()));
        let call = call(member, &[server_of(node)], within, call::of_members(room, after))?;
        let Some(call) = call.into_iter().next() else { return Err(CallError::Unreachable) }; // never: one was called
        match call.ended().await? {
            Answer::Members(page) => {
                if add_page(&mut members, page)? {
                    return Ok(members);
                }
            }
            Answer::Failed(error) => return Err(error),
            _ => return Err(malformed()),
        }
    }
}

/// Adds the next members that another server has told. Returns whether they were the last: it must come further with
/// each page, whatever that server says, and to an end.
fn add_page(members: &mut Vec<DeviceId>, page: Vec<DeviceId>) -> Result<bool, CallError> {
    if page.len() > PAGE || members.len() + page.len() > MEMBERS {
        return Err(malformed());
    }
    let is_last = page.len() < PAGE || page.iter().max() <= members.last();
    members.extend(page);
    Ok(is_last)
}

impl SentCall {
    /// The result of the procedure.
    pub(crate) async fn result<R: DeserializeOwned>(self) -> Result<R, CallError> {
        match self.ended().await? {
            Answer::Result(payload) => Ok(payload.decode()?),
            Answer::Failed(error) => Err(error),
            _ => Err(malformed()),
        }
    }

    /// Whether the device has acknowledged the message.
    pub(crate) async fn arrived(self) -> Result<(), SendError> {
        match self.ended().await {
            Ok(Answer::Arrived) => Ok(()),
            Ok(Answer::Failed(CallError::Send(error))) | Err(CallError::Send(error)) => Err(error),
            Err(CallError::NotReady | CallError::Unreachable) => Err(SendError::NotReady),
            _ => Err(SendError::Unconfirmed),
        }
    }

    async fn ended(mut self) -> Result<Answer, CallError> {
        match (&mut self.ended).await {
            Ok(CallEnd::Answer(answer)) => Answer::read(&answer).ok_or_else(malformed),
            Ok(CallEnd::Gone) => Err(CallError::NotReady),
            Ok(CallEnd::TimedOut) => Err(CallError::TimedOut),
            Ok(CallEnd::Unreachable) => Err(CallError::Unreachable),
            Ok(CallEnd::NodeLost) | Err(_) => Err(CallError::NodeLost),
        }
    }
}

impl Drop for SentCall {
    fn drop(&mut self) {
        if self.member.waiting.forget(self.id) {
            self.member.with(|node, time| node.cancel(time, &[self.id]));
        }
    }
}

/// The other server has answered in a form that this one does not know: as if it had not.
fn malformed() -> CallError {
    tracing::warn!("malformed answer from another node");
    CallError::NodeLost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(from: usize, members: usize) -> Vec<DeviceId> {
        (from..from + members).map(|number| DeviceId::new(NodeId::new(1), number as u64)).collect()
    }

    #[test]
    fn members_end_with_a_page_that_is_not_full_or_comes_no_further() {
        let mut members = Vec::new();
        assert!(!add_page(&mut members, page(1, PAGE)).unwrap());
        assert!(add_page(&mut members, page(1 + PAGE, PAGE - 1)).unwrap());
        assert_eq!(members, page(1, 2 * PAGE - 1));
        let mut members = page(1, PAGE);
        assert!(add_page(&mut members, page(1, PAGE)).unwrap());
    }

    #[test]
    fn a_server_that_tells_more_members_than_there_can_be_is_not_heard() {
        assert!(matches!(add_page(&mut Vec::new(), page(1, PAGE + 1)), Err(CallError::NodeLost)));
        let mut members = Vec::new();
        let pages = (0..).take_while(|number| add_page(&mut members, page(1 + number * PAGE, PAGE)).is_ok()).count();
        assert_eq!((pages * PAGE, members.len()), (MEMBERS, MEMBERS));
    }
}
