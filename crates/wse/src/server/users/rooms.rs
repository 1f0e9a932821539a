//! The rooms of a server, beside the registry: who is in which, and what each keeps for who joins later. A
//! device that is in no room is not in it.

use crate::{
    server::{
        cluster::member::Member,
        users::{
            change::{Change, Handled, Observer},
            conn::Conn,
            members::Members,
            retained::Retained,
            shards::{Keyed, Shards},
            shown::{Shown, Unseen},
            watching::{Watching, is_goodbye},
        },
    },
    sync::{Mutex, atomic::AtomicU64},
};
use std::{hash::RandomState, sync::Arc};
use tokio::sync::oneshot;
use wse_cluster::DeviceId;
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
    /// The node that tells the others of the rooms, in a cluster.
    node: Option<Arc<Member>>,
    /// Rooms that a device may be in.
    most: usize,
    /// Bytes that a room may retain.
    bytes: usize,
    /// The number of the last message that was retained.
    retained: AtomicU64,
    /// Of the newest message that any server is known to have retained.
    newest: AtomicU64,
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
    id: DeviceId,
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
    type Key = DeviceId;

    fn key(&self) -> &DeviceId {
        &self.id
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
    /// Another server has retained a newer message of that name.
    Older,
    /// The hook has to see these first, without a lock.
    Unseen(Unseen),
}

/// The room for one more in a list of at most so many.
fn bounded(list: usize, most: usize) -> Result<(), Refused> {
    if list < most { Ok(()) } else { Err(Refused::TooMany) }
}

impl Rooms {
    pub(crate) fn new(most: usize, bytes: usize, watching: Watching, node: Option<Arc<Member>>) -> Self {
        Self(Arc::new(Index {
            rooms: Shards::new(),
            of_devices: Shards::new(),
            of_users: Shards::new(),
            turns: (0..TURNS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            watching,
            node,
            most,
            bytes,
            retained: AtomicU64::new(0),
            newest: AtomicU64::new(0),
        }))
    }

    /// Puts a device that is there into a room, and queues what the room retains, unless its session has come with
    /// it: then nothing is `shown`. For a device that is in it already nothing happens. To be called under the lock of
    /// its user's shard.
    pub(crate) fn enter(&self, conn: &Conn, room: &str, shown: Option<&Shown>) -> Result<(), Refused> {
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
            None => device.put(OfDevice { id: conn.id(), rooms: vec![name.clone()], told: Vec::new() }),
        }
        drop(device);
        index.watching.came_into(&name, conn.cid());
        Ok(())
    }

    /// Makes a device a member. What is retained is queued under the lock of the room, so it stands before
    /// what is sent to the members that include this one.
    fn admit(&self, conn: &Conn, room: &str, shown: Option<&Shown>) -> Result<Arc<str>, Refused> {
        let index = &*self.0;
        let mut locked = index.rooms.lock(room);
        let Some(found) = locked.get_mut() else {
            let mut members = Members::default();
            members.insert(&index.hasher, conn.clone());
            let name: Arc<str> = room.into();
            locked.put(InRoom { name: name.clone(), members, retained: None });
            self.counted(&name, 1, true);
            self.ask_for_values(&name);
            return Ok(name);
        };
        if let (Some(retained), Some(shown)) = (&found.retained, shown) {
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
        self.counted(&found.name, found.members.len(), false);
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
        let removed = found.members.remove(&self.0.hasher, conn.id());
        let left = found.members.len();
        self.counted(&found.name, left, left == 0);
        let emptied = if left == 0 { locked.take() } else { None };
        drop(locked);
        drop((removed, emptied));
    }

    /// Has the other nodes told how many members a room has: of the first and the last one at once. Under the
    /// lock of the room.
    fn counted(&self, room: &Arc<str>, members: usize, at_once: bool) {
        if let Some(node) = &self.0.node {
            node.room(room, members, at_once);
        }
    }

    /// Tells the other nodes how many members a room has now. Of one without members they know.
    pub(crate) fn tell_count(&self, room: &Arc<str>) {
        let locked = self.0.rooms.lock(room);
        if let Some(found) = locked.get() {
            self.counted(room, found.members.len(), true);
        }
    }

    /// The rooms of a device, in the order in which it joined them.
    pub(crate) fn of_device(&self, id: DeviceId) -> Vec<Arc<str>> {
        self.0.of_devices.lock(&id).get().map(|device| device.rooms.clone()).unwrap_or_default()
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
            device.put(OfDevice { id: conn.id(), rooms: Vec::new(), told: Vec::new() });
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

    pub(crate) fn is_member(&self, room: &str, id: DeviceId) -> bool {
        self.0.rooms.lock(room).get().is_some_and(|found| found.members.contains(&self.0.hasher, id))
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
            Change::MovedOut(conn, _) => {
                let device = self.0.of_devices.lock(conn.key()).take()?;
                for room in &device.rooms {
                    self.remove(room, conn);
                    self.0.watching.left_room(room, conn, false);
                }
            }
            Change::Parked(conn) | Change::Resumed(conn) if self.0.watching.is_watched() => {
                for room in self.of_device(conn.id()) {
                    self.0.watching.changed_in(&room, conn.cid());
                }
            }
            Change::Left { last, .. } => drop(self.0.of_users.lock(last.cid()).take()),
            _ => {}
        }
        None
    }
}

mod values;
