//! What the bus brings and takes.

use super::{Goodbye, Node};
use crate::{
    Down, Malformed, NodeId, Output, Time, To, Transmit,
    datagram::{self, Beat, Datagram, Head},
    members::Heard,
};
use bytes::Bytes;

impl Node {
    /// The link to the engine is up, with all subscriptions, or it is not.
    pub fn link(&mut self, time: Time, up: bool) {
        if self.hearing.set_link(time.ms, up) {
            self.hear_all(time);
        }
        self.look_at_hearing(time);
    }

    /// A datagram has come, for this node or for all. A malformed one changes nothing.
    ///
    /// # Errors
    /// When it is none, or of another version.
    pub fn receive(&mut self, time: Time, datagram: &Bytes) -> Result<(), Malformed> {
        let (head, datagram) = datagram::read(datagram)?;
        let from = head.from;
        if self.goodbye != Goodbye::None || self.members.is_departed(time.ms, from) {
            return Ok(());
        }
        self.hearing.hear(time.ms);
        if from == self.id {
            if let Datagram::Beat(_) = datagram {
                self.echo(time);
            }
            return Ok(());
        }
        match &datagram {
            Datagram::Bye => {
                self.bury(time, from, Down::Bye);
                return Ok(());
            }
            Datagram::Data(data) if data.ack.to != self.id => return Ok(()),
            Datagram::Ack(ack) if ack.to != self.id => return Ok(()),
            _ => {}
        }
        if !self.meet(time, from) {
            return Ok(());
        }
        match datagram {
            Datagram::Beat(beat) => self.take_beat(time, from, beat),
            Datagram::Ack(ack) => {
                if self.members.get_mut(from).is_some_and(|peer| peer.link.acknowledged(time.ms, &ack)) {
                    self.begin(time, from);
                }
            }
            Datagram::Data(data) => self.take_data(time, from, &data),
            Datagram::Bye => {}
        }
        self.settle(time);
        if let Some(due) = self.members.get(from).map(|peer| peer.link.due()) {
            self.plan_link(time.ms, due);
        }
        Ok(())
    }

    /// This node has heard its own beat.
    fn echo(&mut self, time: Time) {
        if !self.is_connected(time) && self.hearing.link() {
            self.hear_all(time);
        }
        self.hearing.echo(time.ms);
        self.look_at_hearing(time);
        self.settle(time);
    }

    /// The node hears again: everybody gets a new time to be heard.
    fn hear_all(&mut self, time: Time) {
        self.members.iter_mut().for_each(|(_, peer)| (peer.heard, peer.hinted) = (time.ms, None));
        self.quiet(time);
    }

    pub(super) fn look_at_hearing(&mut self, time: Time) {
        match self.hearing.look(time.ms, &self.config) {
            Some(Heard::Deaf) => self.outputs.push_back(Output::Deaf),
            Some(Heard::Back) => self.outputs.push_back(Output::Back),
            None => {}
        }
        if self.hearing.wants_reconnect(time.ms, &self.config) {
            self.outputs.push_back(Output::Reconnect);
        }
        self.wake_at(self.hearing.due(&self.config));
    }

    /// The engine says that nobody listens at the inbox of that node. A hint.
    pub fn nobody(&mut self, time: Time, to: NodeId) {
        if let Some(peer) = self.members.get_mut(to) {
            peer.hinted.get_or_insert(time.ms);
            let dead = peer.dead_at(&self.config);
            self.wake_at(dead);
        }
    }

    /// Tells the others that this node ends. What waits is sent before it, and nothing afterwards.
    pub fn bye(&mut self, _: Time) {
        if self.goodbye == Goodbye::None {
            self.goodbye = Goodbye::Wanted;
        }
    }

    /// The next datagram to be carried, made of what waits; `None` while the link is down.
    pub fn transmit(&mut self, time: Time) -> Option<Transmit> {
        if !self.hearing.link() || self.goodbye == Goodbye::Said {
            return None;
        }
        let head = Head { from: self.id, sent_at: (time.wall / 1000) as u32 };
        if self.beats.wanted && self.goodbye == Goodbye::None {
            self.beats.wanted = false;
            return Some(Transmit { to: To::All, datagram: datagram::beat(head, &self.beat()) });
        }
        let ids = self.members.ids();
        let first = ids.partition_point(|id| *id <= self.turn);
        for id in ids[first..].iter().chain(&ids[..first]) {
            self.tell_state(time.ms, *id);
            let Some(peer) = self.members.get_mut(*id) else { continue };
            let made = peer.link.transmit(time.ms, head, *id);
            let due = peer.link.due();
            if let Some(datagram) = made {
                self.turn = *id;
                return Some(Transmit { to: To::Node(*id), datagram });
            }
            self.wake_at(due);
        }
        if self.goodbye == Goodbye::Wanted {
            self.goodbye = Goodbye::Said;
            return Some(Transmit { to: To::All, datagram: datagram::bye(head) });
        }
        self.sending = false;
        None
    }

    /// Whether [`transmit`](Self::transmit) may give something now.
    pub fn has_transmit(&self, _: Time) -> bool {
        let some = self.sending || self.beats.wanted || self.goodbye == Goodbye::Wanted;
        self.hearing.link() && self.goodbye != Goodbye::Said && some
    }

    /// When a link has something to do: by now it is what `transmit` gives.
    pub(super) fn plan_link(&mut self, now: u64, due: u64) {
        if due > now {
            self.wake_at(due);
        } else {
            self.sending = true;
        }
    }

    fn beat(&self) -> Beat {
        Beat {
            name: self.config.name.clone(),
            ready: self.ready,
            limit: u32::try_from(self.config.limit).unwrap_or(u32::MAX),
            devices: self.own.len() as u32,
            born: self.born,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
