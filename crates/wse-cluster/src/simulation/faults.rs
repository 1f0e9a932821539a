//! What goes wrong, at random moments.

use super::world::{Event, Healing, World};
use crate::NodeId;

impl World {
    /// A server that runs.
    pub(super) fn running(&mut self) -> Option<NodeId> {
        let running = self.hosts.iter().filter(|(_, host)| host.paused_until <= self.now);
        let ids: Vec<NodeId> = running.map(|(id, _)| *id).collect();
        self.chance.pick(&ids)
    }

    pub(super) fn fault(&mut self) {
        let Some(id) = self.running() else { return };
        let most = if self.chance.below(3) == 0 { 40_000 } else { 6_000 };
        let lasts = 200 + self.chance.below(most);
        match self.chance.below(6) {
            0 if self.mode.kills && self.hosts.len() > 2 => self.kill(id, lasts / 4),
            1 if self.mode.pauses => {
                self.say(|| format!("{id} stops for {lasts}"));
                if let Some(host) = self.hosts.get_mut(&id) {
                    host.paused_until = self.now + lasts;
                }
                self.at(lasts, Event::Wake(id));
            }
            2 if self.mode.cuts && !self.down => {
                self.say(|| format!("the engine is down for {lasts}"));
                self.down = true;
                for id in self.hosts.keys().copied().collect::<Vec<_>>() {
                    let after = self.chance.below(3_000);
                    self.at(after, Event::Link(id, false));
                }
                self.at(lasts, Event::Heal(Healing::Engine));
            }
            3 | 4 if self.mode.cuts => {
                let knows = self.chance.percent(70);
                self.say(|| format!("{id} is cut off for {lasts}, and knows it: {knows}"));
                if let Some(host) = self.hosts.get_mut(&id) {
                    host.cut = true;
                }
                if knows {
                    let after = self.chance.below(3_000);
                    self.at(after, Event::Link(id, false));
                }
                self.at(lasts, Event::Heal(Healing::Cut(id)));
            }
            5 if self.mode.splits => {
                self.say(|| format!("the engine splits for {lasts}"));
                for id in self.hosts.keys().copied().collect::<Vec<_>>() {
                    let half = self.chance.percent(50);
                    if let Some(host) = self.hosts.get_mut(&id) {
                        host.half = half;
                    }
                }
                self.at(lasts, Event::Heal(Healing::Split));
            }
            _ => {}
        }
    }

    /// A server ends, with or without a goodbye, and another one begins in its place.
    fn kill(&mut self, id: NodeId, after: u64) {
        let graceful = self.chance.percent(30);
        self.say(|| format!("{id} is killed, with a goodbye: {graceful}"));
        if graceful {
            self.with(id, |node, time| node.bye(time));
        }
        let Some(host) = self.hosts.remove(&id) else { return };
        self.book.killed(id);
        self.at(after, Event::Start(host.name, host.skew));
    }
}
