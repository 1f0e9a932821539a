//! The limit of devices: which devices of this node have to go.

use crate::{DeviceId, Hlc};

/// A device of one user, as the limit looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rival {
    pub(crate) since: Hlc,
    pub(crate) id: DeviceId,
    /// It is a device of this node.
    pub(crate) here: bool,
    /// It does not count yet.
    pub(crate) trial: bool,
}

/// The devices of this node that are not among the `limit` newest of their user. Only whoever has seen so many
/// newer ones closes a device, so there are never too few; each one too many is closed by the one node that
/// has it.
pub(crate) fn surplus(mut devices: Vec<Rival>, limit: usize) -> Vec<DeviceId> {
    devices.retain(|device| !device.trial);
    devices.sort_unstable_by_key(|device| std::cmp::Reverse((device.since, device.id)));
    devices.iter().skip(limit).filter(|device| device.here).map(|device| device.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeId;

    fn rival(number: u64, here: bool) -> Rival {
        Rival { since: Hlc(number), id: DeviceId::new(NodeId::new(1), number), here, trial: false }
    }

    #[test]
    fn the_newest_stay_and_each_node_closes_its_own() {
        let all = vec![rival(1, true), rival(4, false), rival(2, false), rival(3, true)];
        assert_eq!(surplus(all.clone(), 4), []);
        assert_eq!(surplus(all.clone(), 2), [rival(1, true).id]);
        assert_eq!(surplus(all, 1), [rival(3, true).id, rival(1, true).id]);
    }

    #[test]
    fn a_device_on_trial_neither_goes_nor_sends_another_away() {
        let trial = Rival { trial: true, ..rival(9, true) };
        assert_eq!(surplus(vec![trial, rival(1, true)], 1), []);
        assert_eq!(surplus(vec![trial], 0), []);
    }

    #[test]
    fn of_two_that_came_at_once_the_id_decides_the_same_everywhere() {
        let (one, other) = (rival(1, true), Rival { id: rival(2, true).id, ..rival(1, true) });
        assert_eq!(surplus(vec![one, other], 1), surplus(vec![other, one], 1));
    }
}
