//! What is said to whom, within the bounds of what may wait.

use super::Node;
use crate::{Frame, NodeId, Output, frame::Change, link::Refusal, members::Tag};

/// How long after a gap the next one of the same link is told, if that refuses messages.
const BETWEEN_GAPS: u64 = 1_000;

impl Node {
    /// Tells every peer what has changed.
    pub(super) fn tell(&mut self, now: u64, change: Change) {
        if self.members.is_empty() {
            return;
        }
        self.write(&Frame::Delta(vec![change]));
        for id in self.members.ids() {
            self.push_written(now, id, None, true);
        }
    }

    /// Pushes what a peer must not miss. Where it cannot, the peer begins anew later.
    pub(super) fn push_state(&mut self, now: u64, to: NodeId, frame: &Frame) -> bool {
        self.write(frame);
        self.push_written(now, to, None, true)
    }

    /// Writes a frame, to be pushed to one peer or many. Returns its length.
    pub(super) fn write(&mut self, frame: &Frame) -> usize {
        self.scratch.clear();
        frame.write(&mut self.scratch);
        self.scratch.len()
    }

    /// Pushes what was written last.
    pub(super) fn push_written(&mut self, now: u64, to: NodeId, tag: Option<Tag>, state: bool) -> bool {
        self.make_room(to, self.scratch.len());
        let Some(peer) = self.members.get_mut(to) else { return false };
        let frame = &self.scratch;
        let pushed = if state { peer.link.push_state(now, frame, tag) } else { peer.link.push(now, frame, tag) };
        match pushed {
            Ok(()) => self.sending = true,
            Err(Refusal::Full) if state => {
                let lost = peer.link.give_up();
                self.lost(to, lost);
            }
            Err(_) => {}
        }
        pushed.is_ok()
    }

    /// A link did not take a message.
    pub(super) fn refused(&mut self, now: u64, to: NodeId) {
        let Some(peer) = self.members.get_mut(to) else { return };
        peer.refused += 1;
        let at = peer.refused_at.max(now + 1);
        self.wake_at(at);
    }

    /// Tells how many messages the links did not take: of each at most once in a while, for they may be very many.
    pub(super) fn tell_refused(&mut self, now: u64) {
        let due = self.members.iter_mut().filter(|(_, peer)| peer.refused > 0 && peer.refused_at <= now);
        for (to, peer) in due {
            peer.refused_at = now + BETWEEN_GAPS;
            self.outputs.push_back(Output::Gap { to, sends: std::mem::take(&mut peer.refused) });
        }
    }

    /// Makes room for so many bytes more: the peer for which most waits is given up.
    fn make_room(&mut self, to: NodeId, more: usize) {
        let waits = self.members.get(to).map_or(0, |peer| peer.link.bytes()) + more;
        let most = self.config.bytes.saturating_sub(self.takes.bytes());
        if waits <= most / self.members.len().max(1) {
            return; // if no peer has more, all of them together have room
        }
        while self.members.bytes() + more > most {
            let Some(id) = self.members.slowest() else { return };
            let Some(peer) = self.members.get_mut(id).filter(|peer| peer.link.bytes() > 0) else { return };
            let lost = peer.link.give_up();
            self.lost(id, lost);
        }
    }
}
