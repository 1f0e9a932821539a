//! The registry: the devices that are there, by user and by id. Its locks are never held across an
//! await, nor while code of the application runs.

use crate::{
    server::users::{
        change::{Change, Handled, Observer},
        id::DeviceId,
        shards::Shards,
    },
    sync::atomic::{AtomicUsize, Ordering},
};
use std::{collections::HashMap, sync::Arc};
use tokio::sync::Notify;
use wse_proto::{Cid, Closed, Hello, Reason};

/// Ended connections of one user whose handlers may still run. A user who leaves handlers behind
/// with every connection gets no more devices until some have finished, so that what they hold is
/// bounded.
const OUTLIVING_HANDLERS: usize = 64;

/// What the registry needs to know of a device. Clones are the same device.
pub(crate) trait Member: Clone {
    fn id(&self) -> DeviceId;
    fn cid(&self) -> &Cid;
    /// What it said of itself.
    fn hello(&self) -> &Arc<Hello>;
    /// Ends its connection. Returns the end that holds: this one, or the one chosen before.
    fn end(&self, closed: Closed) -> Closed;
}

pub(crate) struct Registry<D> {
    users: Shards<Cid, Entry<D>>,
    devices: Shards<DeviceId, D>,
    user_count: AtomicUsize,
    conn_count: AtomicUsize,
    observers: Vec<Box<dyn Observer<D>>>,
    /// Notified when a shard of users becomes empty.
    emptied: Notify,
}

/// A user who is there, or who has left handlers behind.
struct Entry<D> {
    /// The oldest first.
    devices: Vec<D>,
    /// One of them, beyond the limit, that has not shown yet that it is there.
    unconfirmed: Option<DeviceId>,
    /// What the user's first device said; it outlives that device.
    first: Option<Arc<Hello>>,
    /// Ended connections whose handlers still run.
    outliving: usize,
}

/// How a device was added.
pub(crate) struct Added {
    /// Resolves when the application has handled `Connected`.
    pub(crate) ready: Option<Handled>,
    /// The device is one too many, and stays only if it shows that it is there.
    pub(crate) unconfirmed: bool,
}

impl<D: Member> Registry<D> {
    pub(crate) fn new(observers: Vec<Box<dyn Observer<D>>>) -> Self {
        Self {
            users: Shards::new(),
            devices: Shards::new(),
            user_count: AtomicUsize::new(0),
            conn_count: AtomicUsize::new(0),
            observers,
            emptied: Notify::new(),
        }
    }

    /// Whether a user has left so many handlers behind that no more of its devices are accepted.
    pub(crate) fn is_behind(&self, cid: &Cid) -> bool {
        self.users.lock(cid).get(cid).is_some_and(|entry| entry.outliving >= OUTLIVING_HANDLERS)
    }

    /// Notes that a connection of a user has ended while its handlers still run.
    pub(crate) fn handlers_outlive(&self, cid: &Cid) {
        self.users.lock(cid).entry(cid.clone()).or_default().outliving += 1;
    }

    /// Notes that the handlers of such a connection have ended too.
    pub(crate) fn handlers_ended(&self, cid: &Cid) {
        let mut users = self.users.lock(cid);
        if let Some(entry) = users.get_mut(cid) {
            entry.outliving -= 1;
        }
        self.forget(cid, &mut users);
    }

    /// Adds a device and removes the oldest until at most `limit` are left.
    ///
    /// A device that `may_be_stale` belongs to a client that may be there by a newer connection
    /// already. Beyond the limit it removes only another such device, until it is
    /// [`confirmed`](Self::confirmed).
    pub(crate) fn join(&self, device: &D, limit: usize, may_be_stale: bool) -> Added {
        let mut users = self.users.lock(device.cid());
        let entry = users.entry(device.cid().clone()).or_default();
        if entry.devices.is_empty() {
            entry.first = Some(device.hello().clone());
            self.user_count.fetch_add(1, Ordering::Relaxed);
            self.tell(&Change::Joined(device));
        }
        entry.devices.push(device.clone());
        self.devices.lock(&device.id()).insert(device.id(), device.clone());
        self.conn_count.fetch_add(1, Ordering::Relaxed);
        let ready = self.tell(&Change::Connected(device));
        let unconfirmed = may_be_stale && entry.counted() > limit;
        if unconfirmed {
            if let Some(before) = entry.unconfirmed.replace(device.id()) {
                self.push_out(entry, before);
            }
        } else {
            self.make_room(entry, limit);
        }
        Added { ready, unconfirmed }
    }

    /// Notes that an unconfirmed device has shown that it is there. It counts as any other from now on.
    pub(crate) fn confirmed(&self, device: &D, limit: usize) {
        let mut users = self.users.lock(device.cid());
        let Some(entry) = users.get_mut(device.cid()) else { return };
        if entry.unconfirmed.take_if(|unconfirmed| *unconfirmed == device.id()).is_some() {
            self.make_room(entry, limit);
        }
    }

    fn make_room(&self, entry: &mut Entry<D>, limit: usize) {
        while entry.counted() > limit {
            let mut ids = entry.devices.iter().map(Member::id);
            let Some(oldest) = ids.find(|id| entry.unconfirmed != Some(*id)) else { return };
            self.push_out(entry, oldest);
        }
    }

    fn push_out(&self, entry: &mut Entry<D>, id: DeviceId) {
        let Some(device) = entry.devices.iter().find(|device| device.id() == id).cloned() else { return };
        // Its end may have been chosen a moment ago for another reason, which is the true one then.
        let closed = device.end(Closed::normal(Reason::CLIENTS_CONCURRENCY));
        self.remove(entry, &device, &closed);
    }

    fn remove(&self, entry: &mut Entry<D>, device: &D, closed: &Closed) {
        let id = device.id();
        entry.devices.retain(|other| other.id() != id);
        entry.unconfirmed.take_if(|unconfirmed| *unconfirmed == id);
        self.devices.lock(&id).remove(&id);
        self.conn_count.fetch_sub(1, Ordering::Relaxed);
        self.tell(&Change::Disconnected(device, closed));
    }

    /// Removes a device. Without effect when it was removed before.
    pub(crate) fn leave(&self, device: &D, closed: &Closed) {
        let mut users = self.users.lock(device.cid());
        let Some(entry) = users.get_mut(device.cid()).filter(|entry| entry.has(device)) else { return };
        self.remove(entry, device, closed);
        if entry.devices.is_empty() {
            self.user_count.fetch_sub(1, Ordering::Relaxed);
            let first = entry.first.take();
            self.tell(&Change::Left { last: device, closed, first: first.as_ref() });
        }
        self.forget(device.cid(), &mut users);
    }

    /// Tells that a device lost its connection but not its session, unless it was removed.
    pub(crate) fn parked(&self, device: &D) {
        self.tell_of(device, &Change::Parked(device));
    }

    /// Tells that a parked device has another connection, unless it was removed.
    pub(crate) fn resumed(&self, device: &D) {
        self.tell_of(device, &Change::Resumed(device));
    }

    fn tell_of(&self, device: &D, change: &Change<'_, D>) {
        let users = self.users.lock(device.cid());
        if users.get(device.cid()).is_some_and(|entry| entry.has(device)) {
            self.tell(change);
        }
    }

    fn tell(&self, change: &Change<'_, D>) -> Option<Handled> {
        let mut handled = None;
        for observer in &self.observers {
            let by_this_one = observer.changed(change);
            handled = handled.or(by_this_one);
        }
        handled
    }

    /// Forgets a user who is not there and has left no handlers behind.
    fn forget(&self, cid: &Cid, users: &mut HashMap<Cid, Entry<D>>) {
        if users.get(cid).is_some_and(|entry| entry.devices.is_empty() && entry.outliving == 0) {
            users.remove(cid);
            if users.is_empty() {
                self.emptied.notify_waiters();
            }
        }
    }

    /// Resolves when no device is there and no handlers are left behind. Devices that join meanwhile
    /// may be missed.
    pub(crate) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.users.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// The devices of a user, the oldest first.
    pub(crate) fn of_user(&self, cid: &Cid) -> Vec<D> {
        self.users.lock(cid).get(cid).map(|entry| entry.devices.clone()).unwrap_or_default()
    }

    pub(crate) fn count_of_user(&self, cid: &Cid) -> usize {
        self.users.lock(cid).get(cid).map_or(0, |entry| entry.devices.len())
    }

    /// What the first device of a user said of itself.
    pub(crate) fn first_hello(&self, cid: &Cid) -> Option<Arc<Hello>> {
        self.users.lock(cid).get(cid)?.first.clone()
    }

    pub(crate) fn device(&self, id: DeviceId) -> Option<D> {
        self.devices.lock(&id).get(&id).cloned()
    }

    /// Every device, in no order. One that joins or leaves meanwhile may be in it or not.
    pub(crate) fn everyone(&self) -> Vec<D> {
        let mut everyone = Vec::with_capacity(self.counts().1);
        self.devices.each().for_each(|devices| everyone.extend(devices.values().cloned()));
        everyone
    }

    /// Every user with a device, in no order.
    pub(crate) fn cids(&self) -> Vec<Cid> {
        let mut cids = Vec::with_capacity(self.counts().0);
        for users in self.users.each() {
            let there = users.iter().filter(|(_, entry)| !entry.devices.is_empty());
            cids.extend(there.map(|(cid, _)| cid.clone()));
        }
        cids
    }

    /// How many users and devices are there.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.user_count.load(Ordering::Relaxed), self.conn_count.load(Ordering::Relaxed))
    }
}

impl<D> Default for Entry<D> {
    fn default() -> Self {
        Self { devices: Vec::new(), unconfirmed: None, first: None, outliving: 0 }
    }
}

impl<D: Member> Entry<D> {
    /// Devices that count against the limit.
    fn counted(&self) -> usize {
        self.devices.len() - usize::from(self.unconfirmed.is_some())
    }

    fn has(&self, device: &D) -> bool {
        self.devices.iter().any(|other| other.id() == device.id())
    }
}

#[cfg(test)]
mod tests;
