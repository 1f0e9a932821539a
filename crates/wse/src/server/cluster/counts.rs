//! The rooms whose counts of members have changed and are still to be told to the other nodes: once a second,
//! so that a busy room costs one small message a second, however many come and go.

use std::{collections::HashSet, sync::Arc};

/// Milliseconds between two counts of a room.
const PAUSE: u64 = 1000;

#[derive(Default)]
pub(crate) struct Counts {
    rooms: HashSet<Arc<str>>,
    /// When they are to be told, in the node's time.
    due: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, room: &Arc<str>, now: u64) {
        if self.rooms.is_empty() {
            self.due = now.saturating_add(PAUSE);
        }
        self.rooms.insert(room.clone());
    }

    /// When some are to be told; `None` when there are none.
    pub(crate) fn due(&self) -> Option<u64> {
        (!self.rooms.is_empty()).then_some(self.due)
    }

    /// Takes those that are to be told now.
    pub(crate) fn take(&mut self, now: u64) -> Vec<Arc<str>> {
        if self.due().is_some_and(|due| due <= now) {
            std::mem::take(&mut self.rooms).into_iter().collect()
        } else {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_that_changes_a_thousand_times_is_told_once_a_second() {
        let mut counts = Counts::default();
        let room: Arc<str> = "tea".into();
        let told: Vec<u64> = (0..3000)
            .filter(|now| {
                counts.add(&room, *now);
                !counts.take(*now).is_empty()
            })
            .collect();
        assert_eq!(told, [1000, 2001]);
        assert_eq!(counts.due(), Some(3002), "the last change is told too");
        assert_eq!(counts.take(3002), [room]);
        assert_eq!(counts.due(), None);
    }
}
