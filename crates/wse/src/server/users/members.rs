//! The devices in a room, found by their ids: one comes or goes in the same time, however many there
//! are.

use crate::server::users::conn::Conn;
use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};
use wse_cluster::DeviceId;

/// The least places for which it is worth giving memory back.
const SMALL: usize = 64;

#[derive(Default)]
pub(crate) struct Members(HashTable<Conn>);

impl Members {
    pub(crate) fn insert(&mut self, hasher: &RandomState, conn: Conn) {
        let hash = |conn: &Conn| hasher.hash_one(conn.id());
        if !self.contains(hasher, conn.id()) {
            self.0.insert_unique(hash(&conn), conn, hash);
        }
    }

    pub(crate) fn remove(&mut self, hasher: &RandomState, id: DeviceId) -> Option<Conn> {
        let found = self.0.find_entry(hasher.hash_one(id), |conn| conn.id() == id).ok()?;
        let (conn, _) = found.remove();
        if self.0.capacity() > SMALL && self.0.len() < self.0.capacity() / 8 {
            // A table is read from end to end, so an empty one would cost as much as a full one.
            self.0.shrink_to(2 * self.0.len(), |conn| hasher.hash_one(conn.id()));
        }
        Some(conn)
    }

    pub(crate) fn contains(&self, hasher: &RandomState, id: DeviceId) -> bool {
        self.0.find(hasher.hash_one(id), |conn| conn.id() == id).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Conn> {
        self.0.iter()
    }
}
