//! Calls of this node to devices of others: each ends exactly once.

use crate::{CallId, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// Calls that have not ended.
#[derive(Default)]
pub(crate) struct Calls {
    next: u64,
    open: BTreeMap<CallId, (NodeId, u64)>,
    deadlines: BTreeSet<(u64, CallId)>,
}

impl Calls {
    /// A number for a call that is not open yet.
    pub(crate) fn id(&mut self) -> CallId {
        self.next += 1;
        CallId(self.next)
    }

    /// A call to that node waits for its end, at the latest at the deadline.
    pub(crate) fn open(&mut self, id: CallId, node: NodeId, deadline: u64) {
        self.open.insert(id, (node, deadline));
        self.deadlines.insert((deadline, id));
    }

    /// The node that a call waits for.
    pub(crate) fn node(&self, id: CallId) -> Option<NodeId> {
        self.open.get(&id).map(|(node, _)| *node)
    }

    /// Ends a call. False when it had ended before.
    pub(crate) fn end(&mut self, id: CallId) -> bool {
        let Some((_, deadline)) = self.open.remove(&id) else { return false };
        self.deadlines.remove(&(deadline, id))
    }

    /// Those that wait for a node.
    pub(crate) fn of(&self, node: NodeId) -> Vec<CallId> {
        self.open.iter().filter(|(_, (other, _))| *other == node).map(|(id, _)| *id).collect()
    }

    /// One whose time is over.
    pub(crate) fn late(&self, now: u64) -> Option<CallId> {
        self.deadlines.first().filter(|(deadline, _)| *deadline <= now).map(|(_, id)| *id)
    }

    /// When the next one's time is over.
    pub(crate) fn due(&self) -> u64 {
        self.deadlines.first().map_or(u64::MAX, |(deadline, _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_ends_once_by_whatever_comes_first() {
        let mut calls = Calls::default();
        let (one, other) = (calls.id(), calls.id());
        calls.open(one, NodeId::new(7), 100);
        calls.open(other, NodeId::new(8), 50);
        assert_eq!((calls.due(), calls.late(49), calls.late(50)), (50, None, Some(other)));
        assert!(calls.end(other) && !calls.end(other));
        assert_eq!(calls.of(NodeId::new(7)), [one]);
        assert_eq!((calls.node(one), calls.node(other)), (Some(NodeId::new(7)), None));
        assert!(calls.end(one));
        assert_eq!(calls.due(), u64::MAX);
    }
}
