//! `BusFaults`: how a test changes what a bus does to its nodes. It writes settings down and carries nothing.

use crate::{
    bus_settings::{NodeCut, NodeSettings},
    engine::SharedEngine,
};
use std::{fmt, sync::Arc, time::Duration};

/// What a [`Bus`](crate::Bus) does to its nodes, from [`Bus::faults`](crate::Bus::faults). A handle, cheap to clone.
///
/// It begins as *all nodes*, those that are there and those to come; [`node`](BusFaults::node) narrows it to one.
/// Every other method takes effect at once. A datagram has the faults of the node at which it arrives. A node has
/// one value of each fault, and the last one set counts.
///
/// | the question | the fault |
/// |---|---|
/// | Does anything get lost, doubled or out of order? | [`lose`](BusFaults::lose), [`repeat`](BusFaults::repeat), [`late`](BusFaults::late) |
/// | A cable is pulled, and nobody notices | [`cut`](BusFaults::cut) |
/// | The connection to the engine breaks | [`cut_told`](BusFaults::cut_told) |
/// | A process stands still: its machine is suspended, it has no CPU | [`pause`](BusFaults::pause) |
/// | A process is killed | [`kill`](BusFaults::kill) |
/// | The engine restarts | [`Bus::down`](crate::Bus::down) and [`up`](crate::Bus::up) |
/// | The engine's own servers lose each other | [`Bus::split`](crate::Bus::split) |
#[derive(Clone)]
pub struct BusFaults {
    engine: SharedEngine,
    /// `None`: all.
    name: Option<Arc<str>>,
}

impl BusFaults {
    pub(crate) fn new(engine: SharedEngine) -> Self {
        Self { engine, name: None }
    }

    /// Only the node of that name, there or to come.
    pub fn node(&self, name: &str) -> Self {
        Self { name: Some(name.into()), ..self.clone() }
    }

    /// Delays every datagram by this duration.
    pub fn latency(&self, latency: Duration) -> Self {
        self.change(|settings| settings.latency = latency)
    }

    /// Loses datagrams, that many of all: 0.05 is one in twenty.
    ///
    /// # Panics
    /// Unless it is from 0 to 1.
    #[track_caller]
    pub fn lose(&self, part: f64) -> Self {
        let part = checked(part);
        self.change(|settings| settings.lose = part)
    }

    /// Delivers datagrams twice, that many of all.
    ///
    /// # Panics
    /// Unless it is from 0 to 1.
    #[track_caller]
    pub fn repeat(&self, part: f64) -> Self {
        let part = checked(part);
        self.change(|settings| settings.repeat = part)
    }

    /// Delays datagrams, that many of all, by up to that duration more, so that later ones overtake them.
    ///
    /// # Panics
    /// Unless the part is from 0 to 1.
    #[track_caller]
    pub fn late(&self, part: f64, by: Duration) -> Self {
        let part = checked(part);
        self.change(|settings| settings.late = (part, by))
    }

    /// Cuts the node off, and tells nobody: its link seems to be up, and nothing passes. When the node is told to
    /// connect again it cannot, and knows. [`heal`](BusFaults::heal) ends it.
    pub fn cut(&self) -> Self {
        self.change(|settings| settings.cut = Some(NodeCut::HalfOpen))
    }

    /// Cuts the node off, and tells it and the engine.
    pub fn cut_told(&self) -> Self {
        self.change(|settings| settings.cut = Some(NodeCut::Told))
    }

    /// Stops what the node has to do with the bus: it publishes nothing, and what is sent to it waits at the engine,
    /// 65,536 datagrams at most. Its server runs on, so it is deaf soon. [`heal`](BusFaults::heal) ends it.
    pub fn pause(&self) -> Self {
        self.change(|settings| settings.paused = true)
    }

    /// Kills the process of the node, as far as the bus knows: nothing passes any more, and the engine says that
    /// nobody is there. Its server runs on without a cluster, until the test drops it. It cannot be healed; a
    /// server that is built with a [node](crate::Bus::node) of the same name is its successor.
    pub fn kill(&self) -> Self {
        self.engine.lock().kill(self.name.as_ref());
        self.clone()
    }

    /// Takes all faults back, except that something was killed.
    pub fn heal(&self) -> Self {
        self.change(|settings| *settings = NodeSettings::default())
    }

    fn change(&self, change: impl Fn(&mut NodeSettings)) -> Self {
        self.engine.lock().change(self.name.as_ref(), change);
        self.clone()
    }
}

impl fmt::Debug for BusFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusFaults").field("node", &self.name).finish_non_exhaustive()
    }
}

#[track_caller]
fn checked(part: f64) -> f64 {
    assert!((0.0..=1.0).contains(&part), "a part of all datagrams is from 0 to 1, not {part}");
    part
}
