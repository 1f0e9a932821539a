//! The faults that a test has set for a node of a bus, and what a bus counts, as values.

use std::time::Duration;

/// What a [`Bus`](crate::Bus) has done so far, one for each node that a datagram was for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusCounts {
    /// Datagrams that it took on their way.
    pub carried: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Datagrams that it lost.
    pub lost: u64,
    /// Datagrams that arrived twice.
    pub repeated: u64,
    /// How often a node was told to connect again, because it did not hear itself.
    pub reconnects: u64,
}

/// The faults of one node: of what arrives there.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeSettings {
    pub(crate) latency: Duration,
    pub(crate) lose: f64,
    pub(crate) repeat: f64,
    /// How likely a datagram is late, and by how much at most.
    pub(crate) late: (f64, Duration),
    pub(crate) cut: Option<NodeCut>,
    pub(crate) paused: bool,
}

/// How a node is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeCut {
    /// Nobody is told.
    HalfOpen,
    /// Both ends are told.
    Told,
}

/// Numbers that look like random ones and are the same in each run (splitmix64).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to 1, without 1.
    pub(crate) fn part(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether something of that likelihood happens. What never happens draws no number.
    pub(crate) fn is(&mut self, likely: f64) -> bool {
        likely > 0.0 && self.part() < likely
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_ten_is_about_one_in_ten_and_the_same_ones_for_a_seed() {
        let drawn = |seed| {
            let mut random = Random::new(seed);
            (0..10_000).filter(|_| random.is(0.1)).collect::<Vec<_>>()
        };
        assert!((900..1100).contains(&drawn(1).len()), "{}", drawn(1).len());
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        let mut random = Random::new(3);
        assert!(!random.is(0.0) && random.is(1.0));
    }
}
