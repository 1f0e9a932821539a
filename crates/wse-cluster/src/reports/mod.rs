//! Who is to be told that a user has come or left: what the application was told last, as a register that all nodes
//! share, and what this node has yet to see to.

mod register;

use crate::{Leaving, NodeId, directory::UserRef};
pub(crate) use register::{merge, mix, reporter};
use std::collections::{BTreeMap, BTreeSet};

/// So many claims are under way at once, so that a million users who are lost with their node do not fill the links.
const UNDER_WAY: usize = 4_096;

/// A report that waits until every peer knows of it.
pub(crate) struct Claim {
    pub(crate) user: UserRef,
    pub(crate) here: bool,
    /// What each peer must have acknowledged: generation and number.
    pub(crate) waits: Vec<(NodeId, u32, u64)>,
}

/// A user without a device.
pub(crate) struct Absent {
    /// When the last one left.
    pub(crate) since: u64,
    /// How, if this is known.
    pub(crate) leaving: Option<Leaving>,
    /// The memory that the user takes.
    pub(crate) weight: usize,
    /// When the user is looked at: after the grace, and to be forgotten.
    pub(crate) wakes: [u64; 2],
}

/// What there is to see to.
#[derive(Default)]
pub(crate) struct Reports {
    /// Users about whom the application was told something that is not so.
    pub(crate) due: BTreeSet<UserRef>,
    /// Users with a register, but without a device.
    pub(crate) absent: BTreeMap<UserRef, Absent>,
    /// The memory that these take.
    pub(crate) absent_weight: usize,
    /// Who has claimed a report that is not raised yet.
    pub(crate) open: BTreeMap<UserRef, Option<NodeId>>,
    /// Two reports contradict one another, and neither knew of the other.
    pub(crate) doubt: BTreeSet<UserRef>,
    /// Those that are due are looked at from there on, when there is room for claims.
    scan: Option<UserRef>,
    timers: BTreeSet<(u64, UserRef)>,
    claims: BTreeMap<u64, Claim>,
    claim_of: BTreeMap<UserRef, u64>,
    next: u64,
}

impl Reports {
    /// The last device of a user has left.
    pub(crate) fn has_left(&mut self, user: UserRef, absent: Absent) {
        self.is_back(user);
        self.timers.extend(absent.wakes.map(|at| (at, user)));
        self.absent_weight += absent.weight;
        self.absent.insert(user, absent);
    }

    /// A user has a device again, or is forgotten.
    pub(crate) fn is_back(&mut self, user: UserRef) {
        if let Some(absent) = self.absent.remove(&user) {
            for at in absent.wakes {
                self.timers.remove(&(at, user));
            }
            self.absent_weight -= absent.weight;
        }
    }

    /// A user cannot be forgotten yet: it is tried again then.
    pub(crate) fn remember_until(&mut self, at: u64, user: UserRef) {
        if let Some(absent) = self.absent.get_mut(&user) {
            self.timers.remove(&(absent.wakes[1], user));
            absent.wakes[1] = at;
            self.timers.insert((at, user));
        }
    }

    /// A user who is to be looked at now.
    pub(crate) fn late(&mut self, now: u64) -> Option<UserRef> {
        self.timers.first().filter(|(at, _)| *at <= now)?;
        self.timers.pop_first().map(|(_, user)| user)
    }

    /// How many are to be looked at some time.
    #[cfg(test)]
    pub(crate) fn timers(&self) -> usize {
        self.timers.len()
    }

    /// When the next one is to be looked at.
    pub(crate) fn due_at(&self) -> u64 {
        self.timers.first().map_or(u64::MAX, |(at, _)| *at)
    }

    /// Whether a claim may be made.
    pub(crate) fn has_room(&self) -> bool {
        self.claims.len() < UNDER_WAY
    }

    /// Users who are due are looked at from this one on.
    pub(crate) fn scan_from(&mut self, user: UserRef) {
        self.scan = Some(self.scan.map_or(user, |from| from.min(user)));
    }

    /// The next user to be looked at, if there is room for a claim.
    pub(crate) fn scanned(&mut self) -> Option<UserRef> {
        let from = self.scan.filter(|_| self.has_room())?;
        let user = self.due.range(from..).next().copied();
        self.scan = user.map(|user| user + 1);
        user
    }

    /// This node claims a report. Claims wait in the order in which they were made: each waits for no less than the
    /// one before it.
    pub(crate) fn claim(&mut self, claim: Claim) {
        self.next += 1;
        self.claim_of.insert(claim.user, self.next);
        self.claims.insert(self.next, claim);
    }

    /// The oldest claim.
    pub(crate) fn first(&self) -> Option<&Claim> {
        self.claims.first_key_value().map(|(_, claim)| claim)
    }

    /// The claim about a user.
    pub(crate) fn claim_of(&self, user: UserRef) -> Option<&Claim> {
        self.claims.get(self.claim_of.get(&user)?)
    }

    /// The claim about a user is over.
    pub(crate) fn drop_claim(&mut self, user: UserRef) {
        if let Some(number) = self.claim_of.remove(&user) {
            self.claims.remove(&number);
        }
    }

    /// Whether nothing about a user keeps it from being forgotten.
    pub(crate) fn is_done(&self, user: UserRef) -> bool {
        !self.due.contains(&user) && !self.doubt.contains(&user) && !self.claim_of.contains_key(&user)
    }

    /// Forgets a user.
    pub(crate) fn forget(&mut self, user: UserRef) {
        self.is_back(user);
        self.open.remove(&user);
        self.due.remove(&user);
        self.doubt.remove(&user);
        self.drop_claim(user);
    }

    /// Users whose report that node has claimed and not raised.
    pub(crate) fn claimed_by(&self, node: NodeId) -> Vec<UserRef> {
        self.open.iter().filter(|(_, by)| **by == Some(node)).map(|(user, _)| *user).collect()
    }
}
