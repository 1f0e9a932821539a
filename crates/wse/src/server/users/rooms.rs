//! The rooms of a server, beside the registry: who is in which, and what each keeps for who joins later. A
//! device that is in no room is not in it.

use crate::{
    server::users::{
        change::{Change, Handled, Observer},
        conn::Conn,
        encoded::Encoded,
        members::Members,
        retained::{Retained, Value},
        shards::{Keyed, Shards},
        shown::{Shown, Unseen},
        watching::{Watching, is_goodbye},
    },
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};
use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, PoisonError},
};
use tokio::sync::oneshot;
use wse_proto::Cid;

/// So many rooms at once may retain a message, whose order holds for all of their members.
const TURNS: usize = 64;

/// A handle, cheap to clone.
///
/// Whether a device is in a room changes under the lock of its user's shard, where the registry says that
/// the device is there. What is sent to a room is queued without a lock, as a broadcast is.
#[derive(Clone)]
pub(crate) struct Rooms(Arc<Index>);

struct Index {
    rooms: Shards<InRoom>,
    of_devices: Shards<OfDevice>,
    of_users: Shards<OfUser>,
    turns: Box<[Mutex<()>]>,
    hasher: RandomState,
    watching: Watching,
    /// Rooms that a device may be in.
    most: usize,
    /// Bytes that a room may retain.
    bytes: usize,
    /// The number of the last message that was retained.
    retained: AtomicU64,
}

/// A room, which is there while it has members.
struct InRoom {
    name: Arc<str>,
    members: Members,
    /// Most rooms retain nothing.
    retained: Option<Box<Retained>>,
}

/// A device that is in rooms, or is told of their presence.
struct OfDevice {
    number: u64,
    rooms: Vec<Arc<str>>,
    /// The rooms whose presence it is told. Dropping a sender ends the telling.
    told: Vec<(Arc<str>, oneshot::Sender<()>)>,
}

/// A user all of whose devices are in rooms, also those that come later.
struct OfUser {
    cid: Cid,
    rooms: Vec<Arc<str>>,
}

impl Keyed for InRoom {
    type Key = str;

    fn key(&self) -> &str {
        &self.name
    }
}

impl Keyed for OfDevice {
    type Key = u64;

    fn key(&self) -> &u64 {
        &self.number
    }
}

impl Keyed for OfUser {
    type Key = Cid;

    fn key(&self) -> &Cid {
        &self.cid
    }
}

/// Why nothing was changed.
pub(crate) enum Refused {
    TooMany,
    /// The hook has to see these first, without a lock.
    Unseen(Unseen),
}

/// The room for one more in a list of at most so many.
fn bounded(list: usize, most: usize) -> Result<(), Refused> {
    if list < most { Ok(()) } else { Err(Refused::TooMany) }
}

impl Rooms {
    pub(crate) fn new(most: usize, bytes: usize, watching: Watching) -> Self {
        Self(Arc::new(Index {
            rooms: Shards::new(),
            of_devices: Shards::new(),
            of_users: Shards::new(),
            turns: (0..TURNS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            watching,
            most,
            bytes,
            retained: AtomicU64::new(0),
        }))
    }

    /// Puts a device that is there into a room, and queues what the room retains; for a device that is in it
    /// already nothing happens. To be called under the lock of its user's shard.
    pub(crate) fn enter(&self, conn: &Conn, room: &str, shown: &Shown) -> Result<(), Refused> {
        let index = &*self.0;
        let mut device = index.of_devices.lock(conn.key());
        match device.get_mut() {
            Some(device) if has(&device.rooms, room) => return Ok(()),
            Some(device) => bounded(device.rooms.len(), index.most)?,
            None => bounded(0, index.most)?,
        }
        let name = self.admit(conn, room, shown)?;
        match device.get_mut() {
            Some(device) => device.rooms.push(name.clone()),
            None => device.put(OfDevice { number: conn.conn_id(), rooms: vec![name.clone()], told: Vec::new() }),
        }
        drop(device);
        index.watching.came_into(&name, conn.cid());
        Ok(())
    }

    /// Makes a device a member. What is retained is queued under the lock of the room, so it stands before
    /// what is sent to the members that include this one.
    fn admit(&self, conn: &Conn, room: &str, shown: &Shown) -> Result<Arc<str>, Refused> {
        let index = &*self.0;
        let mut locked = index.rooms.lock(room);
        let Some(found) = locked.get_mut() else {
            let mut members = Members::default();
            members.insert(&index.hasher, conn.clone());
            let name: Arc<str> = room.into();
            locked.put(InRoom { name: name.clone(), members, retained: None });
            return Ok(name);
        };
        if let Some(retained) = &found.retained {
            let unseen: Unseen = retained.iter().filter_map(|value| shown.unseen(conn, value)).collect();
            if !unseen.is_empty() {
                return Err(Refused::Unseen(unseen));
            }
            for value in retained.iter().filter(|value| shown.lets_through(conn, value)) {
                // One that is too slow is ending; where its wire has no form for it, it gets nothing.
                let _ = conn.queue_shown(&value.message);
            }
        }
        found.members.insert(&index.hasher, conn.clone());
        Ok(found.name.clone())
    }

    /// Takes a device out of a room. Under the lock of its user's shard. False when it is not in it.
    pub(crate) fn leave(&self, conn: &Conn, room: &str) -> bool {
        let mut device = self.0.of_devices.lock(conn.key());
        let Some(found) = device.get_mut() else { return false };
        let told = found.told.iter().position(|(told, _)| **told == *room).map(|at| found.told.swap_remove(at));
        let left = found.rooms.iter().position(|name| **name == *room).map(|at| found.rooms.remove(at));
        if found.rooms.is_empty() && found.told.is_empty() {
            drop(device.take());
        }
        drop(device);
        drop(told); // after unlocking, as it wakes a task
        let Some(name) = left else { return false };
        self.remove(&name, conn);
        self.0.watching.left_room(&name, conn, true);
        true
    }

    fn remove(&self, room: &str, conn: &Conn) {
        let mut locked = self.0.rooms.lock(room);
        let Some(found) = locked.get_mut() else { return };
        let removed = found.members.remove(&self.0.hasher, conn.conn_id());
        let emptied = if found.members.len() == 0 { locked.take() } else { None };
        drop(locked);
        drop((removed, emptied));
    }

    /// The rooms of a device, in the order in which it joined them.
    pub(crate) fn of_device(&self, number: u64) -> Vec<Arc<str>> {
        self.0.of_devices.lock(&number).get().map(|device| device.rooms.clone()).unwrap_or_default()
    }

    /// Whether a device that is not in a room yet cannot join any more.
    pub(crate) fn is_full(&self, conn: &Conn, room: &str) -> bool {
        let device = self.0.of_devices.lock(conn.key());
        let rooms = device.get().map_or(&[][..], |device| &device.rooms);
        !has(rooms, room) && rooms.len() >= self.0.most
    }

    /// Notes that every device of a user is in a room, also those to come. Under the lock of its shard.
    pub(crate) fn enter_user(&self, cid: &Cid, room: &str) -> Result<(), Refused> {
        let mut user = self.0.of_users.lock(cid);
        match user.get_mut() {
            Some(user) if has(&user.rooms, room) => {}
            Some(user) => {
                bounded(user.rooms.len(), self.0.most)?;
                user.rooms.push(room.into());
            }
            None => {
                bounded(0, self.0.most)?;
                user.put(OfUser { cid: cid.clone(), rooms: vec![room.into()] });
            }
        }
        Ok(())
    }

    /// Notes that it is no more so. Under the lock of its shard. False when it was not.
    pub(crate) fn leave_user(&self, cid: &Cid, room: &str) -> bool {
        let mut user = self.0.of_users.lock(cid);
        let Some(found) = user.get_mut() else { return false };
        let left = found.rooms.iter().position(|name| **name == *room).map(|at| found.rooms.remove(at));
        if found.rooms.is_empty() {
            drop(user.take());
        }
        left.is_some()
    }

    /// The rooms of a user whatever its devices are in.
    pub(crate) fn of_user(&self, cid: &Cid) -> Vec<Arc<str>> {
        self.0.of_users.lock(cid).get().map(|user| user.rooms.clone()).unwrap_or_default()
    }

    /// Notes that a device is told of the presence of a room, until the receiver resolves; `None` when it is
    /// told already. Under the lock of its user's shard.
    pub(crate) fn tell(&self, conn: &Conn, room: &Arc<str>) -> Result<Option<oneshot::Receiver<()>>, Refused> {
        let mut device = self.0.of_devices.lock(conn.key());
        if device.get().is_none() {
            device.put(OfDevice { number: conn.conn_id(), rooms: Vec::new(), told: Vec::new() });
        }
        let Some(found) = device.get_mut() else { return Ok(None) }; // never: it was put there
        // A telling has ended by itself where a message could not be sent, because of a hook perhaps.
        found.told.retain(|(_, tells)| !tells.is_closed());
        if found.told.iter().any(|(told, _)| told == room) {
            return Ok(None);
        }
        bounded(found.told.len(), self.0.most)?;
        let (tells, ended) = oneshot::channel();
        found.told.push((room.clone(), tells));
        Ok(Some(ended))
    }

    /// Whether nothing at all is known.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.rooms.is_empty() && self.0.of_devices.is_empty() && self.0.of_users.is_empty()
    }

    /// The devices in a room, in no order.
    pub(crate) fn members(&self, room: &str) -> Vec<Conn> {
        let locked = self.0.rooms.lock(room);
        locked.get().map(|found| found.members.iter().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn count(&self, room: &str) -> usize {
        self.0.rooms.lock(room).get().map_or(0, |found| found.members.len())
    }

    pub(crate) fn is_member(&self, room: &str, number: u64) -> bool {
        self.0.rooms.lock(room).get().is_some_and(|found| found.members.contains(&self.0.hasher, number))
    }

    /// The turn of a room to retain a message. While it is held no other message is retained there, so that
    /// the last one that every member gets is the one that is kept.
    pub(crate) fn turn(&self, room: &str) -> MutexGuard<'_, ()> {
        let turn = self.0.hasher.hash_one(room) as usize % TURNS;
        self.0.turns[turn].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message to be retained.
    pub(crate) fn value(&self, message: Encoded) -> Value {
        let number = self.0.retained.fetch_add(1, Ordering::Relaxed) + 1;
        Value { number, message: Arc::new(message) }
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
        let replaced = retained.keep(value.clone(), self.0.bytes).map_err(|()| Refused::TooMany)?;
        let members = found.members.iter().filter(|conn| shown.lets_through(conn, value)).cloned().collect();
        drop(locked);
        drop(replaced);
        Ok(members)
    }

    /// Forgets what is retained under a name. False when nothing is.
    pub(crate) fn forget(&self, room: &str, name: &str) -> bool {
        let mut locked = self.0.rooms.lock(room);
        let retained = locked.get_mut().and_then(|found| found.retained.as_mut());
        let forgotten = retained.and_then(|retained| retained.forget(name));
        drop(locked);
        forgotten.is_some()
    }
}

fn has(rooms: &[Arc<str>], room: &str) -> bool {
    rooms.iter().any(|name| **name == *room)
}

impl Observer<Conn> for Rooms {
    fn changed(&self, change: &Change<'_, Conn>) -> Option<Handled> {
        match *change {
            Change::Disconnected(conn, closed) => {
                let device = self.0.of_devices.lock(conn.key()).take()?;
                for room in &device.rooms {
                    self.remove(room, conn);
                    self.0.watching.left_room(room, conn, is_goodbye(conn, closed));
                }
            }
            Change::Parked(conn) | Change::Resumed(conn) if self.0.watching.is_watched() => {
                for room in self.of_device(conn.conn_id()) {
                    self.0.watching.changed_in(&room, conn.cid());
                }
            }
            Change::Left { last, .. } => drop(self.0.of_users.lock(last.cid()).take()),
            _ => {}
        }
        None
    }
}
