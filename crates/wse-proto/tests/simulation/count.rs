//! How often the runs have come to what is worth coming to. It counts only.

/// How often a run has come to what is worth coming to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) runs: u64,
    pub(crate) received: u64,
    pub(crate) calls: u64,
    pub(crate) parked: u64,
    pub(crate) resumed: u64,
    pub(crate) ended: u64,
    pub(crate) close_frames: u64,
    pub(crate) told_later: u64,
    pub(crate) given_up: u64,
    pub(crate) replaced: u64,
    pub(crate) skipped: u64,
}

impl Count {
    pub(crate) fn add(&mut self, other: Count) {
        self.runs += 1;
        self.received += other.received;
        self.calls += other.calls;
        self.parked += other.parked;
        self.resumed += other.resumed;
        self.ended += other.ended;
        self.close_frames += other.close_frames;
        self.told_later += other.told_later;
        self.given_up += other.given_up;
        self.replaced += other.replaced;
        self.skipped += other.skipped;
    }
}
