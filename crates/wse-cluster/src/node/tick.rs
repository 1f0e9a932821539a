//! What is due by the clock.

use super::Node;
use crate::{CallEnd, Down, Frame, Time, reports::mix, rules::Rule};

impl Node {
    /// Does what is due.
    pub fn tick(&mut self, time: Time) {
        let now = time.ms;
        self.look_at_hearing(time);
        if now >= self.beats.at {
            self.beats.count += 1;
            (self.beats.wanted, self.beats.at) = (true, now + self.next_beat());
            self.check_peers(time);
        }
        let hears = self.hears(time);
        let silent = self.members.iter().filter(|(_, peer)| hears && now >= peer.dead_at(&self.config));
        for id in silent.map(|(id, _)| id).collect::<Vec<_>>() {
            self.bury(time, id, Down::Silent);
        }
        for id in self.members.ids() {
            if let Some(lost) = self.members.get_mut(id).and_then(|peer| peer.link.tick(now)) {
                self.lost(id, lost);
            }
        }
        self.tell_refused(now);
        while let Some(id) = self.calls.late(now) {
            self.end_call(id, CallEnd::TimedOut);
        }
        for (id, node) in self.takes.late(now) {
            self.end_take(id, node);
        }
        self.unlist_long_moved(now);
        self.look_whether_ready(time);
        self.look_at_users(time);
        self.members.sweep(now);
        self.plan(now);
    }

    /// Whether the silence of others means anything.
    pub(super) fn hears(&self, time: Time) -> bool {
        self.is_connected(time) || !self.rules.hold(Rule::Freeze)
    }

    /// 2 s, a tenth more or less, so that nodes that began together do not beat together.
    fn next_beat(&self) -> u64 {
        let tenth = self.config.beat / 10;
        let spread = mix(self.id.number() ^ self.beats.count) % (2 * tenth + 1);
        self.config.beat - tenth + spread
    }

    /// Tells the peers the hash of this node's devices, if it has changed since they were told last. Not while it lists
    /// devices that have moved on: peers that have begun anew do not know of these.
    fn check_peers(&mut self, time: Time) {
        if !self.moved.is_empty() {
            return;
        }
        let (devices, hash) = (self.own.len() as u32, self.own_hash);
        for id in self.members.ids() {
            let Some(peer) = self.members.get_mut(id) else { continue };
            if peer.checked != hash && peer.snapshot.is_none() && !peer.link.is_broken() {
                peer.checked = hash;
                self.push_state(time.ms, id, &Frame::Check { devices, hash });
            }
        }
    }

    fn look_whether_ready(&mut self, time: Time) {
        let settled = self.hearing.began.is_some_and(|began| time.ms >= began + self.config.settle);
        if self.ready || !self.hears(time) || !settled || !self.members.iter().all(|(_, peer)| peer.synced) {
            return;
        }
        self.ready = true;
        if self.members.is_empty() {
            (self.quiet_until, self.scan_at) = (time.ms, time.ms); // alone there is nobody to wait for
            self.beats.wanted = true;
        } else {
            self.quiet(time);
        }
    }

    /// When to tick next.
    fn plan(&mut self, now: u64) {
        let ready = match self.hearing.began {
            Some(began) if !self.ready => began + self.config.settle,
            _ => u64::MAX,
        };
        let own = [
            self.beats.at,
            self.hearing.due(&self.config),
            self.calls.due(),
            self.takes.due(),
            self.reports.due_at(),
            self.scan_at,
            self.moved.values().map(|moved| moved.until).min().unwrap_or(u64::MAX),
            ready,
        ];
        let refused = self.members.iter().filter(|(_, peer)| peer.refused > 0).map(|(_, peer)| peer.refused_at);
        let sending = self.members.iter().any(|(_, peer)| peer.link.due() <= now);
        let peers = self.members.iter().flat_map(|(_, peer)| [peer.link.due(), peer.dead_at(&self.config)]);
        self.wake = own.into_iter().chain(peers).chain(refused).filter(|at| *at > now).min().unwrap_or(u64::MAX);
        self.sending |= sending;
    }
}
