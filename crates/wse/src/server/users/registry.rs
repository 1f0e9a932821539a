//! The registry: the devices that are there, by user and by id. Its locks are never held across an
//! await, nor while code of the application runs.

use crate::{
    server::users::{
        change::{Change, Handled, Observer},
        member::Member,
        shards::{Keyed, Shards},
        user_devices::{UserDevices, Whole},
    },
    sync::atomic::{AtomicUsize, Ordering},
};
use tokio::sync::Notify;
use wse_cluster::{DeviceId, NodeId};
use wse_proto::{Cid, Closed, KeptHello, Reason};

/// Ended connections of one user whose handlers may still run. A user who leaves handlers behind
/// with every connection gets no more devices until some have finished, so that what they hold is
/// bounded.
const OUTLIVING_HANDLERS: usize = 64;

/// The two tables hold 17 and 9 bytes a device, at a load of half to seven eighths.
pub(crate) struct Registry<D> {
    users: Shards<UserDevices<D>>,
    devices: Shards<D>,
    user_count: AtomicUsize,
    conn_count: AtomicUsize,
    observers: Vec<Box<dyn Observer<D>>>,
    /// Notified when a shard of users becomes empty.
    emptied: Notify,
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

    /// Changes what is known of a user, under the lock of its shard. A user of whom nothing is known
    /// afterwards is forgotten.
    fn change<T>(&self, cid: &Cid, change: impl FnOnce(&mut Whole<D>) -> T) -> T {
        let mut shard = self.users.lock(cid);
        let mut user = shard.take().map_or_else(|| Whole::new(cid), UserDevices::whole);
        let changed = change(&mut user);
        match user.packed() {
            Some(user) => shard.put(user),
            None if shard.is_shard_empty() => self.emptied.notify_waiters(),
            None => {}
        }
        changed
    }

    /// Whether a user has left so many handlers behind that no more of its devices are accepted.
    pub(crate) fn is_behind(&self, cid: &Cid) -> bool {
        self.users.lock(cid).get().is_some_and(|user| user.outliving() >= OUTLIVING_HANDLERS)
    }

    /// Notes that a connection of a user has ended while its handlers still run.
    pub(crate) fn handlers_outlive(&self, cid: &Cid) {
        self.change(cid, |user| user.outliving += 1);
    }

    /// Notes that the handlers of such a connection have ended too.
    pub(crate) fn handlers_ended(&self, cid: &Cid) {
        self.change(cid, |user| user.outliving = user.outliving.saturating_sub(1));
    }

    /// Adds a device and removes the oldest until at most `limit` are left.
    ///
    /// A device that `may_be_stale` belongs to a client that may be there by a newer connection
    /// already. Beyond the limit it removes only another such device, until it is
    /// [`confirmed`](Self::confirmed).
    pub(crate) fn join(&self, device: &D, limit: usize, may_be_stale: bool) -> Added {
        self.change(device.cid(), |user| {
            self.add(user, device);
            let unconfirmed = may_be_stale && user.counted() > limit;
            let ready = self.tell(&Change::Connected { device, unconfirmed });
            if unconfirmed {
                if let Some(before) = user.unconfirmed.replace(device.id()) {
                    self.push_out(user, before);
                }
            } else {
                self.make_room(user, limit);
            }
            Added { ready, unconfirmed }
        })
    }

    /// Adds a device whose session has come from another node. How many its user may have is the cluster's business.
    /// Returns what its handlers wait for.
    pub(crate) fn move_in(&self, device: &D) -> Option<Handled> {
        self.change(device.cid(), |user| {
            self.add(user, device);
            self.tell(&Change::MovedIn(device))
        })
    }

    /// Removes a device whose session is at another node now. Without effect when it was removed before.
    pub(crate) fn move_out(&self, device: &D, to: NodeId) {
        self.remove_with(device, &Closed::broken(Reason::default()), || Change::MovedOut(device, to));
    }

    fn add(&self, user: &mut Whole<D>, device: &D) {
        if user.devices.is_empty() {
            user.first = Some(device.hello());
            self.user_count.fetch_add(1, Ordering::Relaxed);
            self.tell(&Change::Joined(device));
        }
        user.devices.push(device.clone());
        self.devices.lock(device.key()).put(device.clone());
        self.conn_count.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that an unconfirmed device has shown that it is there. It counts as any other from now on.
    pub(crate) fn confirmed(&self, device: &D, limit: usize) {
        self.change(device.cid(), |user| {
            if user.unconfirmed.take_if(|unconfirmed| *unconfirmed == device.id()).is_some() {
                self.tell(&Change::Confirmed(device));
                self.make_room(user, limit);
            }
        });
    }

    fn make_room(&self, user: &mut Whole<D>, limit: usize) {
        while user.counted() > limit {
            let mut ids = user.devices.iter().map(Member::id);
            let Some(oldest) = ids.find(|id| user.unconfirmed != Some(*id)) else { return };
            self.push_out(user, oldest);
        }
    }

    fn push_out(&self, user: &mut Whole<D>, id: DeviceId) {
        let Some(device) = user.devices.iter().find(|device| device.id() == id).cloned() else { return };
        // Its end may have been chosen a moment ago for another reason, which is the true one then.
        let closed = device.end(Closed::normal(Reason::CLIENTS_CONCURRENCY));
        self.remove(user, &device, &Change::Disconnected(&device, &closed));
    }

    fn remove(&self, user: &mut Whole<D>, device: &D, change: &Change<'_, D>) {
        let id = device.id();
        user.devices.retain(|other| other.id() != id);
        user.unconfirmed.take_if(|unconfirmed| *unconfirmed == id);
        drop(self.devices.lock(device.key()).take());
        self.conn_count.fetch_sub(1, Ordering::Relaxed);
        self.tell(change);
    }

    /// Has what a device says of itself replaced by `replace`, which may not call this registry. It counts as
    /// what its user's first device says, if that is this one.
    pub(crate) fn replace<T>(&self, device: &D, replace: impl FnOnce() -> T) -> T {
        self.change(device.cid(), |user| {
            let before = device.hello();
            let replaced = replace();
            if let Some(first) = user.first.as_mut().filter(|first| first.is_same(&before)) {
                *first = device.hello();
            }
            replaced
        })
    }

    /// Removes a device. Without effect when it was removed before.
    pub(crate) fn leave(&self, device: &D, closed: &Closed) {
        self.remove_with(device, closed, || Change::Disconnected(device, closed));
    }

    fn remove_with<'a>(&self, device: &'a D, closed: &'a Closed, change: impl FnOnce() -> Change<'a, D>) {
        self.change(device.cid(), |user| {
            if !user.devices.iter().any(|other| other.id() == device.id()) {
                return;
            }
            self.remove(user, device, &change());
            if user.devices.is_empty() {
                self.user_count.fetch_sub(1, Ordering::Relaxed);
                let first = user.first.take();
                self.tell(&Change::Left { last: device, closed, first: first.as_ref() });
            }
        });
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
        let shard = self.users.lock(device.cid());
        if shard.get().is_some_and(|user| user.devices().iter().any(|other| other.id() == device.id())) {
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
        self.users.lock(cid).get().map(|user| user.devices().to_vec()).unwrap_or_default()
    }

    pub(crate) fn count_of_user(&self, cid: &Cid) -> usize {
        self.users.lock(cid).get().map_or(0, |user| user.devices().len())
    }

    /// What the first device of a user said of itself.
    pub(crate) fn first_hello(&self, cid: &Cid) -> Option<KeptHello> {
        self.users.lock(cid).get()?.first()
    }

    pub(crate) fn device(&self, id: DeviceId) -> Option<D> {
        self.devices.lock(&id).get().cloned()
    }

    /// Every device, in no order. One that joins or leaves meanwhile may be in it or not.
    pub(crate) fn everyone(&self) -> Vec<D> {
        let mut everyone = Vec::with_capacity(self.counts().1);
        self.devices.each().for_each(|devices| everyone.extend(devices.iter().cloned()));
        everyone
    }

    /// Every user with a device, in no order.
    pub(crate) fn cids(&self) -> Vec<Cid> {
        let mut cids = Vec::with_capacity(self.counts().0);
        for users in self.users.each() {
            let there = users.iter().filter(|user| !user.devices().is_empty());
            cids.extend(there.map(|user| user.key().clone()));
        }
        cids
    }

    /// How many users and devices are there.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.user_count.load(Ordering::Relaxed), self.conn_count.load(Ordering::Relaxed))
    }
}

mod pages;
#[cfg(test)]
mod tests;
mod under_lock;
