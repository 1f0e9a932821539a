//! Rooms: how many members each has at which node. Messages for a room go to the nodes that have members.

use crate::directory::Owner;
use std::{collections::BTreeMap, sync::Arc};

/// The rooms of this node, and those of others.
#[derive(Default)]
pub(crate) struct Rooms {
    own: BTreeMap<Arc<str>, u32>,
    others: BTreeMap<Arc<str>, Vec<(Owner, u32)>>,
}

impl Rooms {
    /// A room has so many members here. False when it had as many before.
    pub(crate) fn set(&mut self, name: &Arc<str>, members: u32) -> bool {
        let before = if members == 0 { self.own.remove(name) } else { self.own.insert(name.clone(), members) };
        before.unwrap_or(0) != members
    }

    /// The rooms of this node after a name, in order, with the members that they have now.
    pub(crate) fn after(&self, name: Option<&Arc<str>>) -> impl Iterator<Item = (&Arc<str>, u32)> {
        let from = name.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.own.range::<Arc<str>, _>((from, std::ops::Bound::Unbounded)).map(|(name, members)| (name, *members))
    }

    /// Another node says how many members a room has there. Returns by how many rooms it has more or less now.
    pub(crate) fn learn(&mut self, owner: Owner, name: &Arc<str>, members: u32) -> isize {
        let Some(at) = self.others.get_mut(name) else {
            if members > 0 {
                self.others.insert(name.clone(), vec![(owner, members)]);
            }
            return isize::from(members > 0);
        };
        let place = at.iter().position(|(other, _)| *other == owner);
        match (place, members) {
            (None, 0) => 0,
            (None, _) => {
                at.push((owner, members));
                1
            }
            (Some(place), 0) => {
                at.swap_remove(place);
                if at.is_empty() {
                    self.others.remove(name);
                }
                -1
            }
            (Some(place), _) => {
                at[place].1 = members;
                0
            }
        }
    }

    /// The rooms of another node, by a walk over all.
    pub(crate) fn of(&self, owner: Owner) -> Vec<Arc<str>> {
        let there = self.others.iter().filter(|(_, at)| at.iter().any(|(other, _)| *other == owner));
        there.map(|(name, _)| name.clone()).collect()
    }

    /// The other nodes where a room has members, with how many.
    pub(crate) fn at(&self, name: &str) -> &[(Owner, u32)] {
        self.others.get(name).map_or(&[], |at| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_count_that_changes_is_told() {
        let (mut rooms, name) = (Rooms::default(), Arc::from("hall"));
        assert!(!rooms.set(&name, 0) && rooms.set(&name, 2) && !rooms.set(&name, 2) && rooms.set(&name, 1));
        assert_eq!(rooms.after(None).collect::<Vec<_>>(), [(&name, 1)]);
        assert_eq!(rooms.after(Some(&name)).count(), 0);
        assert!(rooms.set(&name, 0));
        assert_eq!(rooms.after(None).count(), 0);
    }

    #[test]
    fn a_room_without_members_elsewhere_is_forgotten() {
        let (mut rooms, name) = (Rooms::default(), Arc::from("hall"));
        assert_eq!(rooms.learn(1, &name, 0), 0);
        assert_eq!((rooms.learn(1, &name, 5), rooms.learn(2, &name, 2), rooms.learn(1, &name, 6)), (1, 1, 0));
        assert_eq!(rooms.at("hall"), [(1, 6), (2, 2)]);
        assert_eq!((rooms.of(1), rooms.learn(1, &name, 0), rooms.learn(2, &name, 0)), (vec![name], -1, -1));
        assert!(rooms.others.is_empty());
    }
}
