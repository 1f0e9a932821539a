//! Who reports that a user has come or left, and when.
//!
//! One node reports a user. It claims the report first, waits until every peer that lives knows of the claim, and
//! raises it then: to the others first, and to the application after that. So a report is one too few rather than one
//! too many when the node is lost in that moment, and the next reporter ends what was claimed.

use super::Node;
use crate::{
    NodeId, Output, Time,
    directory::{Register, UserRef},
    frame::{Change, Told},
    members::user_weight,
    reports::{Claim, merge, reporter},
    rules::Rule,
};
use wse_proto::Cid;

impl Node {
    /// Another node says what was told of a user.
    pub(super) fn merge(&mut self, time: Time, cid: &Cid, told: Told) {
        self.see(time, told.at);
        let user = match self.directory.find(cid.as_str()) {
            Some(user) => user,
            // Those who left are remembered for a while, but not without bound.
            None if self.reports.absent_weight + user_weight(cid) > self.config.entry_bytes => return,
            None => self.directory.user(cid),
        };
        let mine = self.directory.told(user);
        let theirs = Register { here: told.here, raised: told.raised, at: told.at, prev: told.prev };
        let merged = merge(mine, theirs);
        if merged.contradiction && self.rules.hold(Rule::LastWord) {
            self.reports.doubt.insert(user);
        }
        if merged.told != mine || self.reports.doubt.contains(&user) {
            self.directory.set_told(user, merged.told);
            if merged.told.raised {
                self.reports.open.remove(&user);
            } else if merged.theirs {
                self.reports.open.insert(user, told.by);
            }
            self.touch(time, user, None);
            self.drop_void_claim(time, user);
        } else if mine == Register::default() {
            self.touch(time, user, None);
        }
    }

    /// The register of a user, as others are told.
    pub(super) fn told_of(&self, user: UserRef, told: Register) -> Told {
        let by = self.reports.open.get(&user).copied().flatten();
        Told { here: told.here, at: told.at, prev: told.prev, by, raised: told.raised }
    }

    /// The node that reports a user: one of those that know enough.
    fn reporter(&self, cid: &Cid) -> Option<NodeId> {
        let peers = self.members.iter().filter(|(_, peer)| peer.ready).map(|(id, _)| id);
        reporter(peers.chain(self.ready.then_some(self.id)), cid.as_str())
    }

    /// Claims the report of a user, if it is due and this node's.
    pub(super) fn report(&mut self, time: Time, user: UserRef) {
        let due = self.reports.due.contains(&user) && self.reports.claim_of(user).is_none();
        // Deaf, a node cannot know what the others have reported meanwhile.
        if !due || time.ms < self.quiet_until || !self.ready || !self.hears(time) {
            return;
        }
        let Some(cid) = self.directory.cid(user).cloned() else { return };
        if self.reporter(&cid) != Some(self.id) {
            return;
        }
        if !self.reports.has_room() {
            return self.reports.scan_from(user);
        }
        let (told, here) = (self.directory.told(user), self.directory.is_online(user));
        let open = self.reports.open.get(&user).copied();
        match open {
            // A living node is about to raise it.
            Some(by) if by != Some(self.id) && self.is_member(by) => return,
            // What a node that is lost began is ended first.
            Some(_) => {}
            None if !here && !self.is_grace_over(time, user) => return,
            None => {}
        }
        let at = self.clock.stamp(time);
        let register = match open {
            Some(_) => Register { at, ..told },
            None => Register { here, raised: false, at, prev: told.at },
        };
        self.directory.set_told(user, register);
        self.reports.open.insert(user, Some(self.id));
        self.tell(time.ms, Change::Told(cid, self.told_of(user, register)));
        let waits = if self.rules.hold(Rule::Claims) { self.said() } else { Vec::new() };
        self.reports.claim(Claim { user, here: register.here, waits });
    }

    /// A user may be back for a while, unless a goodbye leaves no doubt.
    fn is_grace_over(&self, time: Time, user: UserRef) -> bool {
        self.reports.absent.get(&user).is_none_or(|absent| {
            let clean = absent.leaving.as_ref().is_some_and(|leaving| leaving.clean);
            clean || time.ms >= absent.since + self.config.grace
        })
    }

    /// Ends a claim when another node has raised the report, or it is another one now.
    fn drop_void_claim(&mut self, time: Time, user: UserRef) {
        let Some(here) = self.reports.claim_of(user).map(|claim| claim.here) else { return };
        let told = self.directory.told(user);
        if told.here != here {
            self.reports.doubt.remove(&user);
        } else if !told.raised {
            return;
        }
        self.reports.drop_claim(user);
        self.touch(time, user, None);
    }

    /// Raises what every peer that lives knows of. The oldest claim waits for the least.
    ///
    /// Not while the members are changing: a node that was stopped, or has just buried one it waited for, may be the one
    /// that the others have taken for lost, and they may have raised the report meanwhile.
    pub(super) fn settle(&mut self, time: Time) {
        if time.ms < self.quiet_until {
            return;
        }
        loop {
            self.raise_known(time);
            let Some(user) = self.reports.scanned() else { return };
            self.report(time, user);
        }
    }

    fn raise_known(&mut self, time: Time) {
        while let Some(claim) = self.reports.first() {
            let lives = |id: &NodeId| self.members.get(*id);
            let known = claim.waits.iter().all(|(id, generation, number)| {
                lives(id).is_none_or(|peer| peer.link.has_acknowledged((*generation, *number)))
            });
            if !known || !self.hears(time) {
                return;
            }
            if !self.members.is_empty() && !self.hearing.is_fresh(time.ms) {
                // Cut off since, it could not tell the others. Its next beat comes back if it is not.
                self.beats.wanted = true;
                return;
            }
            let (user, here) = (claim.user, claim.here);
            match self.reports.open.get(&user).copied() {
                // Of two claims of one episode the later one stands: its node raises it, or the next reporter if it is lost.
                Some(by) if by != Some(self.id) && self.is_member(by) => self.reports.drop_claim(user),
                _ => self.raise(time, user, here),
            }
        }
    }

    fn raise(&mut self, time: Time, user: UserRef, here: bool) {
        self.reports.drop_claim(user);
        self.reports.doubt.remove(&user);
        self.reports.open.remove(&user);
        let Some(cid) = self.directory.cid(user).cloned() else { return };
        let told = Register { raised: true, ..self.directory.told(user) };
        self.directory.set_told(user, told);
        self.tell(time.ms, Change::Told(cid.clone(), self.told_of(user, told)));
        self.outputs.push_back(if here {
            Output::Joined(cid)
        } else {
            let absent = self.reports.absent.get_mut(&user);
            Output::Left(cid, absent.and_then(|absent| absent.leaving.take()))
        });
        self.touch(time, user, None);
    }

    /// Looks at the users whose time has come, and at all that is due when the members have settled.
    pub(super) fn look_at_users(&mut self, time: Time) {
        while let Some(user) = self.reports.late(time.ms) {
            self.report(time, user);
            self.forget_if_long_gone(time, user);
        }
        if time.ms >= self.scan_at {
            self.scan_at = u64::MAX;
            self.reports.scan_from(0);
        }
        self.settle(time);
    }

    fn forget_if_long_gone(&mut self, time: Time, user: UserRef) {
        let Some(absent) = self.reports.absent.get(&user) else { return };
        if time.ms < absent.since + self.config.remember {
            return;
        }
        if self.reports.is_done(user) && !self.directory.told(user).here {
            self.reports.forget(user);
            self.directory.release(user);
        } else {
            self.reports.remember_until(time.ms + self.config.remember, user);
        }
    }

    /// Users without a device take too much memory: one of whom nothing is to be reported is not remembered.
    pub(super) fn forget_if_too_much(&mut self, user: UserRef) {
        let done = self.reports.absent.contains_key(&user) && self.reports.is_done(user);
        if done && !self.directory.told(user).here && self.reports.absent_weight > self.config.entry_bytes {
            self.reports.forget(user);
            self.directory.release(user);
        }
    }
}
