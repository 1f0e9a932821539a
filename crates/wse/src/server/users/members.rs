//! The devices in a room, found by their numbers: one comes or goes in the same time, however many there
//! are.

use crate::server::users::conn::Conn;
use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};

/// The least places for which it is worth giving memory back.
const SMALL: usize = 64;

#[derive(Default)]
pub(crate) struct Members(HashTable<Conn>);

impl Members {
    pub(crate) fn insert(&mut self, hasher: &RandomState, conn: Conn) {
        let hash = |conn: &Conn| hasher.hash_one(conn.conn_id());
        if !self.contains(hasher, conn.conn_id()) {
            self.0.insert_unique(hash(&conn), conn, hash);
        }
    }

    pub(crate) fn remove(&mut self, hasher: &RandomState, number: u64) -> Option<Conn> {
        let found = self.0.find_entry(hasher.hash_one(number), |conn| conn.conn_id() == number).ok()?;
        let (conn, _) = found.remove();
        if self.0.capacity() > SMALL && self.0.len() < self.0.capacity() / 8 {
            // A table is read from end to end, so an empty one would cost as much as a full one.
            self.0.shrink_to(2 * self.0.len(), |conn| hasher.hash_one(conn.conn_id()));
        }
        Some(conn)
    }

    pub(crate) fn contains(&self, hasher: &RandomState, number: u64) -> bool {
        self.0.find(hasher.hash_one(number), |conn| conn.conn_id() == number).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Conn> {
        self.0.iter()
    }
}
