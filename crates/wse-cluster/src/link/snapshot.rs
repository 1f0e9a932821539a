//! How much of a node's state its peer has, at the beginning of a generation.

/// The snapshot of one generation. Its parts are pulled one by one, between the other frames.
#[derive(Default)]
pub(super) struct Snapshot {
    /// The number after the last part that was queued.
    end: u64,
    /// That was the last one.
    complete: bool,
}

impl Snapshot {
    /// Whether a part is to be made when all below `sent` is sent.
    pub(super) fn is_wanted(&self, sent: u64) -> bool {
        !self.complete && self.end <= sent
    }

    /// A part was queued, and `end` is the number after it.
    pub(super) fn queued(&mut self, end: u64, last: bool) {
        (self.end, self.complete) = (end, last);
    }

    /// Whether the peer has all parts when it has all below `base`.
    pub(super) fn has_arrived(&self, base: u64) -> bool {
        self.complete && self.end <= base
    }
}
