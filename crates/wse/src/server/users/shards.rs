//! A map cut into shards, each under a lock of its own. No two of its locks are ever held at once.

use crate::sync::{Mutex, MutexGuard};
use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::PoisonError,
};

/// How many shards there are: a power of two.
const SHARDS: usize = 16;

pub(crate) struct Shards<K, V> {
    maps: Box<[Mutex<HashMap<K, V>>]>,
    hasher: RandomState,
}

impl<K: Hash + Eq, V> Shards<K, V> {
    pub(crate) fn new() -> Self {
        Self { maps: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    /// Locks the shard of a key.
    pub(crate) fn lock(&self, key: &K) -> MutexGuard<'_, HashMap<K, V>> {
        lock(&self.maps[self.hasher.hash_one(key) as usize % SHARDS])
    }

    /// Locks every shard in turn.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, HashMap<K, V>>> {
        self.maps.iter().map(lock)
    }

    /// Whether no shard holds anything. A key that is added meanwhile may be missed.
    pub(crate) fn is_empty(&self) -> bool {
        self.each().all(|map| map.is_empty())
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code of the application runs under this lock, so a panic never leaves it half changed.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
