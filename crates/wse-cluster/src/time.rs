//! Time as an argument, and the hybrid clock by which logins of all nodes are ordered.

/// A moment, as its node knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Milliseconds since any moment, the same for all of a node's calls; never goes back.
    pub ms: u64,
    /// Milliseconds of the wall clock since 1970; may be wrong and may go back.
    pub wall: u64,
}

/// A stamp of the hybrid logical clock: 48 bits of milliseconds of the wall clock, 16 of a counter. It is never
/// behind a stamp that its node has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hlc(pub u64);
