//! Whether a node hears itself. If it does not, the silence of others means nothing.

use crate::{Config, Time};

/// So many milliseconds after something came a bus is taken to work.
const FRESH: u64 = 50;

/// Whether a node hears its own beats.
pub(crate) struct Hearing {
    link: bool,
    echoed: u64,
    /// When anything came.
    heard: u64,
    /// Since when it is deaf.
    pub(crate) deaf_since: Option<u64>,
    /// The link was up once.
    pub(crate) began: Option<u64>,
    reconnect_at: u64,
}

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Deaf,
    Back,
}

impl Hearing {
    pub(crate) fn new(time: Time) -> Self {
        Self {
            link: false,
            echoed: time.ms,
            heard: time.ms,
            deaf_since: Some(time.ms),
            began: None,
            reconnect_at: u64::MAX,
        }
    }

    pub(crate) fn link(&self) -> bool {
        self.link
    }

    /// The link is up or not. True when it has come back: the node hears, until it is known better.
    pub(crate) fn set_link(&mut self, now: u64, up: bool) -> bool {
        let back = up && !self.link;
        self.link = up;
        if back {
            self.echoed = now;
            self.began.get_or_insert(now);
        }
        back
    }

    /// Something has come, from whomever.
    pub(crate) fn hear(&mut self, now: u64) {
        self.heard = now;
    }

    /// Whether the bus has just worked.
    pub(crate) fn is_fresh(&self, now: u64) -> bool {
        self.link && now <= self.heard + FRESH
    }

    /// The node has heard itself.
    pub(crate) fn echo(&mut self, now: u64) {
        self.echoed = now;
    }

    /// Whether what it does not hear is the silence of others and not its own deafness.
    pub(crate) fn is_connected(&self, now: u64, config: &Config) -> bool {
        self.link && now < self.echoed + config.deaf
    }

    /// Looks whether it has become deaf or hears again.
    pub(crate) fn look(&mut self, now: u64, config: &Config) -> Option<Heard> {
        match (self.deaf_since, self.is_connected(now, config)) {
            (None, false) => {
                (self.deaf_since, self.reconnect_at) = (Some(now), now);
                Some(Heard::Deaf)
            }
            (Some(_), true) => {
                self.deaf_since = None;
                Some(Heard::Back)
            }
            _ => None,
        }
    }

    /// Whether the bus is to connect again: the link is said to be up, and nothing comes back. Once in the time after
    /// which a node is deaf.
    pub(crate) fn wants_reconnect(&mut self, now: u64, config: &Config) -> bool {
        let wants = self.link && self.deaf_since.is_some() && now >= self.reconnect_at;
        if wants {
            self.reconnect_at = now + config.deaf;
        }
        wants
    }

    /// When to look again.
    pub(crate) fn due(&self, config: &Config) -> u64 {
        match (self.link, self.deaf_since) {
            (true, None) => self.echoed + config.deaf,
            (true, Some(_)) => self.reconnect_at,
            (false, _) => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_does_not_hear_itself_for_five_seconds_is_deaf_and_connects_again() {
        let (config, mut hearing) = (Config::default(), Hearing::new(Time { ms: 0, wall: 0 }));
        assert_eq!((hearing.look(0, &config), hearing.deaf_since), (None, Some(0)), "deaf until the link is up");
        assert!(hearing.set_link(10, true) && !hearing.set_link(10, true));
        assert_eq!(hearing.look(10, &config), Some(Heard::Back));
        hearing.echo(2_000);
        assert_eq!((hearing.look(6_999, &config), hearing.due(&config)), (None, 7_000));
        assert_eq!(hearing.look(7_000, &config), Some(Heard::Deaf));
        assert!(hearing.wants_reconnect(7_000, &config) && !hearing.wants_reconnect(11_999, &config));
        assert!(hearing.wants_reconnect(12_000, &config));
        hearing.echo(12_100);
        assert_eq!((hearing.look(12_100, &config), hearing.deaf_since), (Some(Heard::Back), None));
    }

    #[test]
    fn a_bus_that_knows_that_it_is_down_is_not_told_to_connect() {
        let (config, mut hearing) = (Config::default(), Hearing::new(Time { ms: 0, wall: 0 }));
        hearing.set_link(0, true);
        hearing.look(0, &config);
        hearing.set_link(100, false);
        assert_eq!(hearing.look(100, &config), Some(Heard::Deaf));
        assert!(!hearing.wants_reconnect(60_000, &config));
    }
}
