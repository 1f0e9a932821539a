//! The link to one peer, both directions: what this node says arrives there in order and once, or is told as given up.
//!
//! Frames of one *generation* have numbers from 0. A generation begins with the state of its node, and ends when what
//! waits is given up. What carries the datagrams may lose, repeat and delay them.

mod incoming;
mod outgoing;
mod snapshot;
#[cfg(test)]
mod tests;

pub(crate) use self::incoming::{Began, Frames};
pub(crate) use self::outgoing::Refusal;

use self::incoming::Incoming;
use self::outgoing::Outgoing;
use crate::datagram::{self, Ack, Data, Head};
use crate::{Config, Frame, Malformed, NodeId};
use bytes::Bytes;

/// Bytes of frames that may be on their way to a peer, so that a slow one is not flooded.
const WINDOW: usize = 512 << 10;

/// The link to one peer. `T` is what is to be told of a frame that is given up.
pub(crate) struct Link<T> {
    outgoing: Outgoing<T>,
    incoming: Incoming,
}

/// What came with a datagram. The order for the node is that of the fields.
#[must_use]
pub(crate) struct Heard {
    /// The peer needs this node's state anew: [`Link::begin`].
    pub(crate) anew: bool,
    /// A generation of the peer has begun with these frames.
    pub(crate) began: Option<Began>,
    /// What is new, to be taken by [`Link::next`] until there is no more: it counts as taken.
    pub(crate) frames: Frames,
}

impl<T> Link<T> {
    /// A link whose first generation has begun. `floor` is the last generation of the peer that this node took before
    /// it forgot the peer, or 0: nothing of it is taken a second time.
    pub(crate) fn new(now: u64, generation: u32, floor: u32, config: &Config) -> Self {
        Self { outgoing: Outgoing::new(now, generation, config), incoming: Incoming::new(floor, config) }
    }

    /// Begins a generation, whose number is larger than all before. The snapshot is wanted again. Returns what is given
    /// up with the last one.
    pub(crate) fn begin(&mut self, now: u64, generation: u32) -> Vec<T> {
        self.outgoing.begin(now, generation)
    }

    /// Queues a frame. When it is refused, nothing has changed: a full link goes on.
    ///
    /// # Errors
    /// [`Refusal::Full`] when more than [`Config::peer_bytes`] would wait; [`Refusal::Broken`] until a generation
    /// begins.
    pub(crate) fn push(&mut self, now: u64, frame: &[u8], tag: Option<T>) -> Result<(), Refusal> {
        self.outgoing.push(now, frame, tag)
    }

    /// Queues a frame that the peer must not miss, such as a change of the directory: it may take a quarter more.
    ///
    /// # Errors
    /// As [`push`](Self::push). A full link is to be given up then.
    pub(crate) fn push_state(&mut self, now: u64, frame: &[u8], tag: Option<T>) -> Result<(), Refusal> {
        self.outgoing.push_state(now, frame, tag)
    }

    /// Whether the next part of the snapshot is to be made now. One part waits unsent at most.
    pub(crate) fn wants_snapshot(&self) -> bool {
        self.outgoing.wants_snapshot()
    }

    /// Queues the next part of the snapshot. It is not refused: parts are of about 16 KiB, and made when they are
    /// wanted.
    pub(crate) fn push_snapshot(&mut self, now: u64, part: &[u8], last: bool) {
        self.outgoing.push_snapshot(now, part, last);
    }

    /// Gives up what waits. The link is broken until a generation begins.
    pub(crate) fn give_up(&mut self) -> Vec<T> {
        self.outgoing.give_up()
    }

    /// Whether it was given up. The next sign of life of the peer begins a generation.
    pub(crate) fn is_broken(&self) -> bool {
        self.outgoing.is_broken()
    }

    /// Bytes that wait for the peer's acknowledgement, with what it takes to remember them.
    pub(crate) fn bytes(&self) -> usize {
        self.outgoing.bytes()
    }

    /// A mark of all that was said so far.
    pub(crate) fn said(&self) -> (u32, u64) {
        self.outgoing.said()
    }

    /// Whether the peer has what was said up to that mark. It has not before it has the whole snapshot, and it has
    /// when it has a later one.
    pub(crate) fn has_acknowledged(&self, said: (u32, u64)) -> bool {
        self.outgoing.has_acknowledged(said)
    }

    /// The peer's generation that was taken last, by this link or before it; 0: none.
    pub(crate) fn incoming_generation(&self) -> u32 {
        self.incoming.last_taken()
    }

    /// This node's copy of the peer's state is wrong: nothing more of this generation is taken, and the peer is told to
    /// begin anew.
    pub(crate) fn distrust(&mut self) {
        self.incoming.distrust();
    }

    /// The next datagram for the peer: frames with the acknowledgement, or the acknowledgement alone when it is due.
    pub(crate) fn transmit(&mut self, now: u64, head: Head, to: NodeId) -> Option<Bytes> {
        let own = self.outgoing.generation();
        if let Some(forgot) = self.incoming.take_forgot(to, own) {
            return Some(datagram::ack(head, &forgot));
        }
        let ack = self.incoming.ack(to, own);
        let made = match self.outgoing.transmit(now, head, &ack) {
            Some(data) => data,
            None if self.incoming.due() <= now => datagram::ack(head, &ack),
            None => return None,
        };
        self.incoming.acknowledged();
        Some(made)
    }

    /// Does what is due. Returns what was given up after [`Config::give_up`] without progress.
    pub(crate) fn tick(&mut self, now: u64) -> Option<Vec<T>> {
        self.outgoing.tick(now)
    }

    /// When [`tick`](Self::tick) or [`transmit`](Self::transmit) has something to do; 0 means now, `u64::MAX` never.
    pub(crate) fn due(&self) -> u64 {
        self.outgoing.due().min(self.incoming.due())
    }

    /// Takes an acknowledgement. Returns whether the peer needs this node's state anew: [`begin`](Self::begin).
    pub(crate) fn acknowledged(&mut self, now: u64, ack: &Ack) -> bool {
        // What the peer acknowledged before it began anew, it may have forgotten since.
        let is_late = ack.own < self.incoming.generation();
        !is_late && self.outgoing.acknowledged(now, ack) || self.outgoing.is_broken()
    }

    /// Takes frames and the acknowledgement on them.
    pub(crate) fn receive(&mut self, now: u64, data: &Data) -> Heard {
        let forgotten = self.acknowledged(now, &data.ack);
        let (began, frames) = self.incoming.receive(now, data);
        // A peer that names none of this node's generations, though it had acknowledged one, has buried this node
        // meanwhile and has nothing of it. It may be silent for ever otherwise, since this node may have nothing to say.
        let buried = began.is_some() && data.ack.generation == 0 && self.outgoing.was_acknowledged();
        Heard { anew: forgotten || buried, began, frames }
    }

    /// The next frame of those that came, put together from its parts. A malformed one is left out, and the rest counts.
    pub(crate) fn next(&mut self, frames: &mut Frames) -> Option<Result<Frame, Malformed>> {
        self.incoming.next(frames)
    }
}
