//! How often the application is told of strangers that break the protocol. A stranger can break it as
//! often as it likes, so most of it must not reach the application.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// So many are told in any second.
const TOLD: usize = 10;

/// The breaches of one server.
#[derive(Debug, Default)]
pub(crate) struct Breaches(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    /// When the last ones were told.
    told: VecDeque<Instant>,
    /// How many were not told since.
    untold: u64,
}

impl Breaches {
    /// A stranger has broken the protocol now. Returns how many were not told before, when the
    /// application is to be told of this one.
    pub(crate) fn tell(&self, now: Instant) -> Option<u64> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.told.len() == TOLD {
            if recent.told.front().is_some_and(|first| now < *first + Duration::from_secs(1)) {
                recent.untold = recent.untold.saturating_add(1);
                return None;
            }
            recent.told.pop_front();
        }
        recent.told.push_back(now);
        Some(std::mem::take(&mut recent.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_are_told_in_any_second_and_the_next_tells_how_many_were_not() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let breaches = Breaches::default();
        for millis in 0..10 {
            assert_eq!(breaches.tell(at(100 * millis)), Some(0), "{millis}");
        }
        assert_eq!((breaches.tell(at(950)), breaches.tell(at(999))), (None, None));
        assert_eq!(breaches.tell(at(1000)), Some(2), "the first was told a second ago");
        assert_eq!(breaches.tell(at(1000)), None, "the second was not");
        assert_eq!((breaches.tell(at(1100)), breaches.tell(at(9000))), (Some(1), Some(0)));
    }
}
