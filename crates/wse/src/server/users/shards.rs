//! A set of values that are found by their keys, cut into shards, each under a lock of its own. No two of
//! its locks are ever held at once.

use crate::sync::{Mutex, MutexGuard};
use hashbrown::HashTable;
use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::PoisonError,
};

/// How many shards there are: a power of two.
pub(crate) const SHARDS: usize = 16;

/// A value that holds its key, so that a table of such values holds nothing else.
pub(crate) trait Keyed {
    type Key: Hash + Eq + ?Sized;

    fn key(&self) -> &Self::Key;
}

pub(crate) struct Shards<V> {
    tables: Box<[Mutex<HashTable<V>>]>,
    hasher: RandomState,
}

/// The shard of one key, locked.
pub(crate) struct Locked<'a, V: Keyed> {
    table: MutexGuard<'a, HashTable<V>>,
    key: &'a V::Key,
    hash: u64,
    hasher: &'a RandomState,
}

impl<V: Keyed> Shards<V> {
    pub(crate) fn new() -> Self {
        Self::with(RandomState::new())
    }

    /// A set of other values, in which a key has the same place.
    pub(crate) fn alike<W: Keyed<Key = V::Key>>(&self) -> Shards<W> {
        Shards::with(self.hasher.clone())
    }

    fn with(hasher: RandomState) -> Self {
        Self { tables: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher }
    }

    /// The shard of a key, and its hash. Neither ever changes.
    pub(crate) fn place(&self, key: &V::Key) -> (usize, u64) {
        let hash = self.hasher.hash_one(key);
        // A table uses the bits at both ends.
        ((hash >> 32) as usize % SHARDS, hash)
    }

    /// Locks a shard by its number.
    pub(crate) fn shard(&self, number: usize) -> MutexGuard<'_, HashTable<V>> {
        lock(&self.tables[number % SHARDS])
    }

    /// Locks the shard of a key.
    pub(crate) fn lock<'a>(&'a self, key: &'a V::Key) -> Locked<'a, V> {
        let (shard, hash) = self.place(key);
        let table = self.shard(shard);
        Locked { table, key, hash, hasher: &self.hasher }
    }

    /// Locks every shard in turn.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, HashTable<V>>> {
        self.tables.iter().map(lock)
    }

    /// Whether no shard holds anything. A value that is added meanwhile may be missed.
    pub(crate) fn is_empty(&self) -> bool {
        self.each().all(|table| table.is_empty())
    }
}

impl<V: Keyed> Locked<'_, V> {
    /// The value of the key.
    pub(crate) fn get(&self) -> Option<&V> {
        self.table.find(self.hash, |value| value.key() == self.key)
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut V> {
        self.table.find_mut(self.hash, |value| value.key() == self.key)
    }

    pub(crate) fn take(&mut self) -> Option<V> {
        let found = self.table.find_entry(self.hash, |value| value.key() == self.key).ok()?;
        Some(found.remove().0)
    }

    /// Puts the value of the key in, in place of one that is there.
    pub(crate) fn put(&mut self, value: V) {
        let hasher = self.hasher;
        drop(self.take());
        self.table.insert_unique(self.hash, value, |value| hasher.hash_one(value.key()));
    }

    /// Whether the shard holds nothing at all.
    pub(crate) fn is_shard_empty(&self) -> bool {
        self.table.is_empty()
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code of the application runs under this lock, so a panic never leaves it half changed.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Named(String, u32);

    impl Keyed for Named {
        type Key = String;

        fn key(&self) -> &String {
            &self.0
        }
    }

    #[test]
    fn a_value_is_found_by_its_key_among_many_and_replaced() {
        shuttle::check_random(
            || {
                let shards = Shards::new();
                let names: Vec<String> = (0..500).map(|number| format!("name {number}")).collect();
                for round in 0..2 {
                    names.iter().for_each(|name| shards.lock(name).put(Named(name.clone(), round)));
                }
                assert_eq!(shards.each().map(|table| table.len()).sum::<usize>(), 500);
                assert!(shards.each().all(|table| !table.is_empty()), "every shard is used");
                for name in &names {
                    assert_eq!(shards.lock(name).get(), Some(&Named(name.clone(), 1)));
                    shards.lock(name).get_mut().unwrap().1 = 7;
                    assert_eq!(shards.lock(name).take(), Some(Named(name.clone(), 7)));
                    assert_eq!(shards.lock(name).get(), None);
                }
                assert!(shards.is_empty());
            },
            1,
        );
    }
}
