//! What a run has to bear.

/// What a run has to bear.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    pub(super) name: &'static str,
    /// The engine splits into two halves that both serve.
    pub(super) splits: bool,
    pub(super) kills: bool,
    pub(super) pauses: bool,
    /// Nodes are cut off, knowing it or not, and the engine is down at times.
    pub(super) cuts: bool,
    /// Sessions move.
    pub(super) takes: bool,
    /// Of a hundred datagrams so many are lost, repeated, late.
    pub(super) lost: u64,
    pub(super) late: u64,
    /// Clocks are wrong by so many milliseconds at most.
    pub(super) skew: u64,
    pub(super) limit: usize,
}

const CALM: Mode = Mode {
    name: "calm",
    splits: false,
    kills: false,
    pauses: false,
    cuts: false,
    takes: false,
    lost: 0,
    late: 0,
    skew: 0,
    limit: 2,
};

const HARD: Mode = Mode { kills: true, pauses: true, cuts: true, takes: true, lost: 3, late: 2, skew: 2_000, ..CALM };

pub(super) const MODES: [Mode; 9] = [
    CALM,
    Mode { name: "loss", lost: 5, late: 5, skew: 2_000, takes: true, ..CALM },
    Mode { name: "kills", kills: true, ..CALM },
    Mode { name: "pauses", pauses: true, ..CALM },
    Mode { name: "cuts", cuts: true, skew: 2_000, ..CALM },
    Mode { name: "takes", cuts: true, takes: true, lost: 3, late: 2, limit: 1, ..CALM },
    Mode { name: "all1", limit: 1, ..HARD },
    Mode { name: "splits", splits: true, skew: 2_000, ..CALM },
    Mode { name: "all", splits: true, ..HARD },
];

pub(super) fn mode(name: &str) -> Mode {
    *MODES.iter().find(|mode| mode.name == name).unwrap_or_else(|| panic!("there is no mode {name}"))
}
