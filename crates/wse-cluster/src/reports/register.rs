//! How two registers of one user become one, and who reports a user.

use crate::{NodeId, directory::Register};

/// What has become of two registers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) told: Register,
    /// The other one has won.
    pub(crate) theirs: bool,
    /// They contradict one another, and the later one did not come after the earlier one.
    pub(crate) contradiction: bool,
}

/// The later one wins. Claims of the same report after the same register are one episode, and raised if either is.
pub(crate) fn merge(mine: Register, theirs: Register) -> Merged {
    let won = (theirs.at, theirs.here) > (mine.at, mine.here);
    let (older, newer) = if won { (mine, theirs) } else { (theirs, mine) };
    let same = older.here == newer.here && older.prev == newer.prev;
    let contradiction = older.is_some() && older.raised && older.here != newer.here && newer.prev < older.at;
    let told = Register { raised: newer.raised || same && older.raised, ..newer };
    Merged { told, theirs: won, contradiction }
}

/// The one of these nodes that reports a user: the same wherever the same nodes are known, and every node for its
/// share of the users.
pub(crate) fn reporter(nodes: impl Iterator<Item = NodeId>, cid: &str) -> Option<NodeId> {
    let user = cid
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    nodes.max_by_key(|node| (mix(node.number() ^ mix(user)), *node))
}

/// Spreads 64 bits over 64 bits.
pub(crate) fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ bits >> 33
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hlc;
    use proptest::prelude::*;

    fn register(here: bool, at: u64, prev: u64, raised: bool) -> Register {
        Register { here, raised, at: Hlc(at), prev: Hlc(prev) }
    }

    #[test]
    fn claims_after_the_same_register_are_one_episode() {
        let (one, other) = (register(true, 5, 1, true), register(true, 7, 1, false));
        assert_eq!(merge(other, one).told, register(true, 7, 1, true));
        assert_eq!(merge(one, other).told, register(true, 7, 1, true));
        assert!(!merge(register(true, 9, 5, false), one).told.raised, "the next episode");
    }

    #[test]
    fn reports_contradict_one_another_only_if_neither_came_after_the_other() {
        let (joined, left) = (register(true, 5, 1, true), register(false, 7, 5, true));
        assert!(!merge(joined, left).contradiction && !merge(left, joined).contradiction);
        let unaware = register(false, 7, 2, true);
        assert!(merge(joined, unaware).contradiction && merge(unaware, joined).contradiction);
    }

    #[test]
    fn every_node_has_its_share_of_the_users() {
        let nodes = || (1..6).map(NodeId::new);
        let mut shares = [0; 6];
        for user in 0..5_000 {
            let reporter = reporter(nodes(), &user.to_string()).expect("there are nodes");
            shares[reporter.number() as usize] += 1;
        }
        assert!(shares[1..].iter().all(|share| (800..1200).contains(share)), "{shares:?}");
        assert_eq!(reporter(std::iter::empty(), "ann"), None);
    }

    proptest! {
        #[test]
        fn the_order_in_which_registers_meet_does_not_matter(
            one in (any::<bool>(), 0..9u64, 0..9u64, any::<bool>()),
            other in (any::<bool>(), 0..9u64, 0..9u64, any::<bool>()),
        ) {
            let one = register(one.0, one.1, one.2, one.3);
            let other = register(other.0, other.1, other.2, other.3);
            // Two claims of one moment are of one episode, if they are of one report.
            prop_assume!(one.at != other.at || one.here != other.here || one.prev == other.prev);
            prop_assert_eq!(merge(one, other).told, merge(other, one).told);
            prop_assert_eq!(merge(one, one).told, one);
        }
    }
}
