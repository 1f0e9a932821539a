//! Places for a bounded number of holders, each with a guard: dropping the guard frees the place. The
//! caller of [`Places::take`] decides under the lock how many there may be.

use crate::sync::{Mutex, MutexGuard};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError},
};

/// All places of one kind. `S` is a running total over what holds them.
pub(crate) struct Places<T, S = ()>(Mutex<Taken<T, S>>);

/// The places that are taken, the oldest first.
pub(crate) struct Taken<T, S = ()> {
    next: u64,
    holders: BTreeMap<u64, T>,
    total: S,
}

/// One place. Dropping it frees the place.
pub(crate) struct Place<T, S: Total<T> = ()> {
    places: Arc<Places<T, S>>,
    number: u64,
}

/// What is counted over all holders, so that no bound needs a walk over them.
pub(crate) trait Total<T> {
    fn add(&mut self, holder: &T);
    fn remove(&mut self, holder: &T);
}

impl<T> Total<T> for () {
    fn add(&mut self, _: &T) {}
    fn remove(&mut self, _: &T) {}
}

impl<T, S: Total<T>> Places<T, S> {
    pub(crate) fn new(total: S) -> Arc<Self> {
        Arc::new(Places(Mutex::new(Taken { next: 0, holders: BTreeMap::new(), total })))
    }

    /// Takes a place. `taken` is locked since the caller has checked that there is a place left.
    pub(crate) fn take(self: &Arc<Self>, taken: &mut Taken<T, S>, holder: T) -> Place<T, S> {
        let number = taken.next;
        taken.next += 1;
        taken.total.add(&holder);
        taken.holders.insert(number, holder);
        Place { places: self.clone(), number }
    }

    /// The places that are taken. No code of the application may run while they are locked.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Taken<T, S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, S: Total<T>> Taken<T, S> {
    pub(crate) fn len(&self) -> usize {
        self.holders.len()
    }

    pub(crate) fn total(&self) -> &S {
        &self.total
    }

    /// The holders, the oldest first.
    pub(crate) fn holders(&self) -> impl Iterator<Item = &T> {
        self.holders.values()
    }

    /// Takes the place of the greatest holder away. It walks over all of them.
    pub(crate) fn evict_greatest(&mut self, size: impl Fn(&T) -> usize) -> Option<T> {
        let (&number, _) = self.holders.iter().max_by_key(|(_, holder)| size(holder))?;
        let holder = self.holders.remove(&number)?;
        self.total.remove(&holder);
        Some(holder)
    }

    /// Takes the oldest place away from its holder. The holder's guard frees nothing any more.
    pub(crate) fn evict_oldest(&mut self) -> Option<T> {
        let (_, holder) = self.holders.pop_first()?;
        self.total.remove(&holder);
        Some(holder)
    }
}

impl<T, S: Total<T>> Place<T, S> {
    /// Frees the place before the guard is dropped.
    pub(crate) fn free(&self) {
        let mut taken = self.places.lock();
        let holder = taken.holders.remove(&self.number);
        if let Some(holder) = &holder {
            taken.total.remove(holder);
        }
        drop(taken);
        drop(holder); // after the lock: what it holds may lock something itself
    }

    /// Changes the holder, if it still has the place. Returns the places, still locked.
    pub(crate) fn update(&self, change: impl FnOnce(&mut T)) -> MutexGuard<'_, Taken<T, S>> {
        let mut taken = self.places.lock();
        let Taken { holders, total, .. } = &mut *taken;
        if let Some(holder) = holders.get_mut(&self.number) {
            total.remove(holder);
            change(holder);
            total.add(holder);
        }
        taken
    }
}

impl<T, S: Total<T>> Drop for Place<T, S> {
    fn drop(&mut self) {
        self.free();
    }
}

impl<T, S> fmt::Debug for Places<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").finish_non_exhaustive()
    }
}

impl<T, S: Total<T>> fmt::Debug for Place<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Sum(usize);

    impl Total<usize> for Sum {
        fn add(&mut self, holder: &usize) {
            self.0 += holder;
        }
        fn remove(&mut self, holder: &usize) {
            self.0 -= holder;
        }
    }

    fn count_and_sum(places: &Places<usize, Sum>) -> (usize, usize) {
        let taken = places.lock();
        (taken.len(), taken.total().0)
    }

    #[test]
    fn a_place_is_free_when_its_guard_is_dropped_and_an_evicted_one_at_once() {
        shuttle::check_random(
            || {
                let places = Places::new(Sum::default());
                let [first, second, third] = [1, 20, 300].map(|weight| places.take(&mut places.lock(), weight));
                assert_eq!(count_and_sum(&places), (3, 321));
                drop(second);
                assert_eq!(places.lock().holders().copied().collect::<Vec<_>>(), [1, 300]);
                assert_eq!(places.lock().evict_oldest(), Some(1));
                assert_eq!(first.update(|weight| *weight += 5).total().0, 300, "it has no place any more");
                assert_eq!(third.update(|weight| *weight += 5).total().0, 305);
                let fourth = places.take(&mut places.lock(), 4000);
                assert_eq!(places.lock().evict_greatest(|weight| *weight), Some(4000));
                drop((first, third, fourth));
                assert_eq!(count_and_sum(&places), (0, 0));
            },
            1,
        );
    }
}
