//! What has come from a peer, and what is to be acknowledged.

use super::WINDOW;
use crate::datagram::{Ack, AckKind, Data};
use crate::frame::{Change, LAST_PART, PART, Reader};
use crate::{Config, Frame, Malformed, NodeId};
use bytes::Bytes;

/// After so many frames the acknowledgement does not wait.
const FRAMES: u64 = 256;
/// The same gap is asked for again after so long, if more comes after it.
const ASK_AGAIN: u64 = 20;

/// That a generation of the peer has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Began {
    /// The first one that this node has of the peer.
    First,
    /// The peer has given up what it had not got through: answers may have been among it.
    Again,
}

/// The frames of a datagram that are new.
#[must_use]
#[derive(Debug)]
pub(crate) struct Frames {
    frames: Bytes,
    /// Where the next one begins.
    at: usize,
    /// How many of the first ones were there before.
    known: u64,
}

pub(super) struct Incoming {
    /// Frames up to this generation are not taken: they were, before this link was.
    floor: u32,
    /// 0: none has begun.
    generation: u32,
    next: u64,
    parts: Parts,
    /// Came since the last acknowledgement was sent.
    frames: u64,
    bytes: usize,
    /// When the next acknowledgement is sent at the latest.
    due: u64,
    delay: u64,
    /// The acknowledgement asks for what is missing.
    gap: bool,
    /// What was asked for last, and when.
    asked: Option<(u64, u64)>,
    /// The generation whose first frame is missing, and whether it was here before.
    forgot: Option<(u32, bool)>,
}

impl Incoming {
    pub(super) fn new(floor: u32, config: &Config) -> Self {
        Self {
            floor,
            generation: 0,
            next: 0,
            parts: Parts { bytes: Vec::new(), refused: false, most: config.frame_bytes },
            frames: 0,
            bytes: 0,
            due: u64::MAX,
            delay: config.ack,
            gap: false,
            asked: None,
            forgot: None,
        }
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// The last generation that was taken, by this link or before it.
    pub(super) fn last_taken(&self) -> u32 {
        self.generation.max(self.floor)
    }

    pub(super) fn receive(&mut self, now: u64, data: &Data) -> (Option<Began>, Frames) {
        let nothing = (None, Frames { frames: Bytes::new(), at: 0, known: 0 });
        if data.ack.own < self.generation {
            return nothing; // late
        }
        let mut began = None;
        if data.ack.own > self.generation || data.ack.own <= self.floor {
            let was_here = data.ack.own <= self.floor;
            if data.seq != 0 || was_here {
                self.forgot = Some((data.ack.own, was_here));
                return nothing;
            }
            began = Some(if self.generation == 0 { Began::First } else { Began::Again });
            self.begin(data.ack.own);
        }
        let end = data.seq + data.count;
        if data.seq > self.next {
            self.ask(now);
            return nothing;
        }
        self.due = if data.waits { 0 } else { self.due.min(now + self.delay) };
        if end <= self.next {
            return nothing; // again
        }
        let known = self.next - data.seq;
        self.next = end;
        self.frames += data.count - known;
        self.bytes += data.frames.len();
        if self.frames >= FRAMES || self.bytes >= WINDOW / 2 {
            self.due = 0;
        }
        (began, Frames { frames: data.frames.clone(), at: 0, known })
    }

    fn begin(&mut self, generation: u32) {
        (self.generation, self.next) = (generation, 0);
        self.parts.clear();
        (self.gap, self.asked, self.forgot) = (false, None, None);
    }

    /// What came is not to be relied on: the generation is over, and the peer is told so.
    pub(super) fn distrust(&mut self) {
        if self.generation > self.floor {
            self.floor = self.generation;
            self.forgot = Some((self.generation, true));
            self.parts.clear();
        }
    }

    /// Something is missing: asks for it, but not for every datagram that comes after it.
    fn ask(&mut self, now: u64) {
        if self.asked.is_none_or(|(next, at)| next != self.next || now >= at + ASK_AGAIN) {
            self.asked = Some((self.next, now));
            (self.gap, self.due) = (true, 0);
        }
    }

    /// The memory that is held.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.parts.bytes.capacity()
    }

    pub(super) fn due(&self) -> u64 {
        if self.forgot.is_some() { 0 } else { self.due }
    }

    /// That the peer's link is not known here, if that is to be said.
    pub(super) fn take_forgot(&mut self, to: NodeId, own: u32) -> Option<Ack> {
        let (generation, was_here) = self.forgot.take()?;
        Some(Ack { to, own, generation, next: u64::from(was_here), kind: AckKind::Forgot })
    }

    /// What is there.
    pub(super) fn ack(&self, to: NodeId, own: u32) -> Ack {
        let kind = if self.gap { AckKind::Gap } else { AckKind::Plain };
        Ack { to, own, generation: self.generation, next: self.next, kind }
    }

    /// That was said.
    pub(super) fn acknowledged(&mut self) {
        (self.frames, self.bytes, self.gap, self.due) = (0, 0, false, u64::MAX);
    }

    pub(super) fn next(&mut self, frames: &mut Frames) -> Option<Result<Frame, Malformed>> {
        loop {
            let (datagram, piece) = frames.next()?;
            let frame = match *piece {
                [PART, ref part @ ..] => self.parts.take(part, false),
                [LAST_PART, ref part @ ..] => self.parts.take(part, true),
                _ => Some(self.parts.none().and_then(|()| Frame::read_within(datagram, piece))),
            };
            if let Some(Ok(Frame::Delta(changes))) = &frame
                && changes.iter().any(|change| matches!(change, Change::Told(_, told) if !told.raised))
            {
                self.due = 0; // a claim: its node waits for it
            }
            if frame.is_some() {
                return frame;
            }
        }
    }
}

impl Frames {
    /// The next new frame or part, and the bytes it lies within.
    fn next(&mut self) -> Option<(&Bytes, &[u8])> {
        loop {
            let mut from = Reader::new(&self.frames, &self.frames[self.at..]);
            let piece = from.bytes(usize::MAX).ok()?; // every length was looked at
            let left = from.left();
            self.at = self.frames.len() - left;
            if self.known == 0 {
                return Some((&self.frames, piece));
            }
            self.known -= 1;
        }
    }
}

/// The parts of a frame that is larger than a datagram.
struct Parts {
    bytes: Vec<u8>,
    /// It is too large, and its other parts are dropped.
    refused: bool,
    most: usize,
}

impl Parts {
    fn clear(&mut self) {
        (self.bytes, self.refused) = (Vec::new(), false);
    }

    /// Takes a part. Returns the frame when it is whole, and once that it is too large.
    fn take(&mut self, part: &[u8], last: bool) -> Option<Result<Frame, Malformed>> {
        let refused = self.refused;
        if !refused && self.bytes.len() + part.len() > self.most {
            self.bytes = Vec::new();
            self.refused = !last;
            return Some(Err(Malformed("a frame is too large")));
        }
        if refused {
            self.refused = !last;
            return None;
        }
        self.bytes.extend_from_slice(part);
        last.then(|| Frame::read(&std::mem::take(&mut self.bytes).into()))
    }

    /// A whole frame comes, and no part may have come before it.
    fn none(&mut self) -> Result<(), Malformed> {
        if self.bytes.is_empty() && !self.refused {
            return Ok(());
        }
        self.clear();
        Err(Malformed("a frame within another one"))
    }
}
