//! What rooms retain: which messages, in what order, and what other servers of a cluster are asked for it.

use super::{InRoom, Refused, Rooms, TURNS};
use crate::{
    server::{
        cluster::{message::values, telling},
        users::{
            conn::Conn,
            encoded::Encoded,
            retained::{NotKept, Stamp, Value},
            shown::{Shown, Unseen},
        },
    },
    sync::{MutexGuard, atomic::Ordering},
};
use hashbrown::HashTable;
use std::{
    hash::BuildHasher,
    sync::{Arc, PoisonError},
};
use wse_cluster::NodeId;

impl Rooms {
    /// The turn of a room to retain a message. While it is held no other message is retained there, so that
    /// the last one that every member gets is the one that is kept.
    pub(crate) fn turn(&self, room: &str) -> MutexGuard<'_, ()> {
        let turn = self.0.hasher.hash_one(room) as usize % TURNS;
        self.0.turns[turn].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message to be retained.
    pub(crate) fn value(&self, message: Encoded, stamp: Stamp) -> Value {
        let number = self.0.retained.fetch_add(1, Ordering::Relaxed) + 1;
        Value { number, stamp, message: Arc::new(message) }
    }

    /// What comes behind everything that is known to have been retained, and behind the `millis` of a clock.
    pub(crate) fn stamp(&self, node: NodeId, millis: u64) -> Stamp {
        let next = |newest: u64| Some(newest.saturating_add(1).max(millis << 16));
        let before = self.0.newest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(0); // never an error
        Stamp { at: next(before).unwrap_or(before), node }
    }

    /// Notes a message that another server has retained.
    pub(crate) fn observe(&self, stamp: Stamp) {
        self.0.newest.fetch_max(stamp.at, Ordering::Relaxed);
    }

    /// What a room retains, and what it has forgotten last.
    pub(crate) fn retained(&self, room: &str) -> (Vec<Value>, Vec<(Box<str>, Stamp)>) {
        let locked = self.0.rooms.lock(room);
        let retained = locked.get().and_then(|found| found.retained.as_ref());
        retained.map(|it| (it.iter().cloned().collect(), it.forgotten().to_vec())).unwrap_or_default()
    }

    /// The rooms that have members here.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        let names = |rooms: MutexGuard<'_, HashTable<InRoom>>| rooms.iter().map(|room| room.name.clone()).collect();
        self.0.rooms.each().flat_map(|rooms| -> Vec<Arc<str>> { names(rooms) }).collect()
    }

    /// Keeps a message, in the turn of the room. Returns the members that are to get it: those that the hook
    /// lets it through to. Without members there is no room, and nothing is kept.
    pub(crate) fn keep(&self, room: &str, value: &Value, shown: &Shown) -> Result<Vec<Conn>, Refused> {
        let mut locked = self.0.rooms.lock(room);
        let Some(found) = locked.get_mut() else { return Ok(Vec::new()) };
        let unseen: Unseen = found.members.iter().filter_map(|conn| shown.unseen(conn, value)).collect();
        if !unseen.is_empty() {
            return Err(Refused::Unseen(unseen));
        }
        let retained = found.retained.get_or_insert_default();
        let replaced = retained.keep(value.clone(), self.0.bytes).map_err(|why| match why {
            NotKept::TooMany => Refused::TooMany,
            NotKept::Older => Refused::Older,
        })?;
        let members = found.members.iter().filter(|conn| shown.lets_through(conn, value)).cloned().collect();
        drop(locked);
        drop(replaced);
        Ok(members)
    }

    /// Forgets what is retained under a name. False when nothing is.
    pub(crate) fn forget(&self, room: &str, name: &str, stamp: Stamp) -> bool {
        let mut locked = self.0.rooms.lock(room);
        let noted = self.0.node.is_some(); // an older one may come from another server yet
        let retained = locked.get_mut().and_then(|found| match noted {
            true => Some(found.retained.get_or_insert_default()),
            false => found.retained.as_mut(),
        });
        let forgotten = retained.and_then(|retained| retained.forget(name, stamp));
        drop(locked);
        forgotten.is_some()
    }

    /// Asks the other servers where a room has members what it retains, when it has its first member here. Under the
    /// lock of the room.
    pub(super) fn ask_for_values(&self, room: &Arc<str>) {
        if let Some(node) = &self.0.node {
            telling::nodes_of_room(node, room, || values::ask([&**room]));
        }
    }
}
