//! Who has left without a goodbye and may be back: where, and until when that counts as away.

use crate::server::users::shards::Keyed;
use std::{collections::BTreeSet, sync::Arc};
use tokio::time::Instant;
use wse_proto::Cid;

/// A user without a device.
pub(crate) struct Lingering {
    pub(crate) cid: Cid,
    pub(crate) until: Instant,
}

impl Keyed for Lingering {
    type Key = Cid;

    fn key(&self) -> &Cid {
        &self.cid
    }
}

/// Where the presence of users is watched.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Of one user, wherever its devices are.
    User(Cid),
    /// Of the users of a room.
    Room(Arc<str>),
}

/// All who linger, by the end of it.
#[derive(Default)]
pub(crate) struct Leaving {
    ends: BTreeSet<(Instant, Place, Cid)>,
    /// A task waits for the first of them.
    has_task: bool,
}

impl Leaving {
    /// Adds a user. True when a task has to be started, if that `can_start`.
    pub(crate) fn add(&mut self, until: Instant, place: Place, cid: Cid, can_start: bool) -> bool {
        self.ends.insert((until, place, cid));
        can_start && !std::mem::replace(&mut self.has_task, true)
    }

    /// Removes a user who is back, or has left for good.
    pub(crate) fn remove(&mut self, until: Instant, place: Place, cid: Cid) {
        self.ends.remove(&(until, place, cid));
    }

    /// Takes one whose time is over; or else says when the next one's is. Where there is none the task ends
    /// that has asked.
    pub(crate) fn take(&mut self, now: Instant, is_task: bool) -> Result<(Place, Cid), Option<Instant>> {
        match self.ends.first() {
            Some((until, ..)) if *until > now => return Err(Some(*until)),
            _ => {}
        }
        let Some((_, place, cid)) = self.ends.pop_first() else {
            self.has_task &= !is_task;
            return Err(None);
        };
        Ok((place, cid))
    }

    /// The task is gone before its end: the next user who is added has another one started.
    pub(crate) fn task_is_gone(&mut self) {
        self.has_task = false;
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn they_are_taken_when_their_time_is_over_in_that_order_and_one_task_waits_for_them() {
        let (mut leaving, now) = (Leaving::default(), Instant::now());
        let at = |secs| now + Duration::from_secs(secs);
        let (place, cid) = (|name: &str| Place::User(name.into()), |name: &str| Cid::from(name));
        assert!(!leaving.add(at(3), place("eve"), cid("eve"), false), "there is no runtime to start it in");
        assert!(leaving.add(at(2), place("bob"), cid("bob"), true));
        assert!(!leaving.add(at(1), place("ann"), cid("ann"), true));
        leaving.remove(at(1), place("ann"), cid("ann"));
        assert_eq!(leaving.take(at(0), true), Err(Some(at(2))));
        assert_eq!(leaving.take(at(9), true), Ok((place("bob"), cid("bob"))));
        assert_eq!(leaving.take(at(9), true), Ok((place("eve"), cid("eve"))));
        assert_eq!((leaving.take(at(9), false), leaving.has_task), (Err(None), true), "another one has asked");
        assert_eq!((leaving.take(at(9), true), leaving.has_task), (Err(None), false));
        assert!(leaving.add(at(9), place("ann"), cid("ann"), true), "and so another is started");
        leaving.task_is_gone();
        assert!(leaving.add(at(9), place("bob"), cid("bob"), true));
    }
}
