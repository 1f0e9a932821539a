//! Whose presence is watched, and who has left so shortly ago that they may be back. Without a watcher and
//! before the first question it notes nothing.

use crate::{
    server::{
        cluster::member::Member,
        users::{
            change::{Change, Handled, Observer},
            conn::Conn,
            lingering::{Leaving, Lingering, Place},
            shards::{Keyed, SHARDS, Shards},
            watcher::Watcher,
        },
    },
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, PoisonError},
    task::Waker,
    time::Duration,
};
use tokio::{runtime, time::Instant};
use wse_proto::{Cid, Closed, Reason};

/// A handle, cheap to clone.
#[derive(Clone)]
pub(crate) struct Watching(Arc<State>);

struct State {
    grace: Duration,
    /// The node that knows of devices elsewhere, in a cluster.
    node: Option<Arc<Member>>,
    /// The users without a device who may be back; made with the first question about the presence.
    lingering: OnceLock<Shards<Lingering>>,
    watched: Shards<Watched>,
    /// How many places are watched.
    count: AtomicUsize,
    leaving: Mutex<Leaving>,
    ended: AtomicBool,
}

struct Watched {
    place: Place,
    /// By their addresses.
    watchers: HashMap<usize, Arc<Watcher>>,
    /// Users without a device in this room who may be back.
    lingering: HashMap<Cid, Instant>,
}

impl Keyed for Watched {
    type Key = Place;

    fn key(&self) -> &Place {
        &self.place
    }
}

/// Ends the grace of those who are not back. Dropped before its end, as with its runtime, it leaves that to
/// the next one.
struct Sweep {
    watching: Watching,
    done: bool,
}

impl Watching {
    pub(crate) fn new(grace: Duration, node: Option<Arc<Member>>) -> Self {
        Self(Arc::new(State {
            grace,
            node,
            lingering: OnceLock::new(),
            watched: Shards::new(),
            count: AtomicUsize::new(0),
            leaving: Mutex::default(),
            ended: AtomicBool::new(false),
        }))
    }

    /// The users who linger, from the first call on.
    pub(crate) fn lingering(&self, make: impl FnOnce() -> Shards<Lingering>) -> &Shards<Lingering> {
        let lingering = self.0.lingering.get_or_init(make);
        self.expire(Instant::now(), false); // in case that no task does
        lingering
    }

    /// Whether a user without a device may be back.
    pub(crate) fn lingers(&self, cid: &Cid) -> bool {
        let now = Instant::now();
        self.0.lingering.get().is_some_and(|users| users.lock(cid).get().is_some_and(|user| user.until > now))
    }

    /// The same for a user without a device in a room.
    pub(crate) fn lingers_in(&self, room: &Arc<str>, cid: &Cid) -> bool {
        let (now, place) = (Instant::now(), Place::Room(room.clone()));
        let watched = self.0.watched.lock(&place);
        watched.get().is_some_and(|watched| watched.lingering.get(cid).is_some_and(|until| *until > now))
    }

    /// Everybody who lingers in a room.
    pub(crate) fn lingering_in(&self, room: &Arc<str>) -> Vec<Cid> {
        let place = Place::Room(room.clone());
        let watched = self.0.watched.lock(&place);
        watched.get().map(|watched| watched.lingering.keys().cloned().collect()).unwrap_or_default()
    }

    /// Has a watcher told of what happens there.
    pub(crate) fn watch(&self, place: Place, watcher: &Arc<Watcher>) {
        let mut watched = self.0.watched.lock(&place);
        match watched.get_mut() {
            Some(watched) => _ = watched.watchers.insert(address(watcher), watcher.clone()),
            None => {
                self.0.count.fetch_add(1, Ordering::SeqCst);
                let watchers = HashMap::from([(address(watcher), watcher.clone())]);
                watched.put(Watched { place: place.clone(), watchers, lingering: HashMap::new() });
            }
        }
        drop(watched);
        if self.0.ended.load(Ordering::SeqCst) {
            drop(watcher.end()); // it looks before it sleeps
        }
    }

    pub(crate) fn unwatch(&self, place: &Place, watcher: &Arc<Watcher>) {
        let mut watched = self.0.watched.lock(place);
        let Some(found) = watched.get_mut() else { return };
        found.watchers.remove(&address(watcher));
        if found.watchers.is_empty() {
            self.0.count.fetch_sub(1, Ordering::SeqCst);
            let lingering = watched.take().map(|watched| watched.lingering).unwrap_or_default();
            drop(watched);
            for (cid, until) in lingering {
                self.lingers_no_more(Some(until), || place.clone(), &cid);
            }
        }
    }

    /// Tells every watcher that nothing will change any more.
    pub(crate) fn end(&self) {
        self.0.ended.store(true, Ordering::SeqCst);
        let end = |watched: &Watched| watched.watchers.values().filter_map(|watcher| watcher.end()).collect::<Vec<_>>();
        for shard in 0..SHARDS {
            let wakers: Vec<Waker> = self.0.watched.shard(shard).iter().flat_map(end).collect();
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Whether nobody watches, and nobody lingers where somebody has watched.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let nobody = self.leaving().is_empty();
        nobody && !self.is_watched() && self.0.watched.is_empty() && self.0.lingering.get().is_none_or(Shards::is_empty)
    }

    /// Whether anything at all is watched.
    pub(crate) fn is_watched(&self) -> bool {
        self.0.count.load(Ordering::SeqCst) > 0
    }

    /// Notes that a device of a user has come into a room.
    pub(crate) fn came_into(&self, room: &Arc<str>, cid: &Cid) {
        let lingered = self.in_room(room, cid, |watched| watched.lingering.remove(cid)).flatten();
        self.lingers_no_more(lingered, || Place::Room(room.clone()), cid);
    }

    /// Notes that the presence of a user in a room may have changed.
    pub(crate) fn changed_in(&self, room: &Arc<str>, cid: &Cid) {
        self.in_room(room, cid, |_| ());
    }

    /// Notes that a device has left a room: for good, or as one that may be back.
    pub(crate) fn left_room(&self, room: &Arc<str>, conn: &Conn, for_good: bool) {
        let until = (!for_good && !self.0.grace.is_zero()).then(|| Instant::now() + self.0.grace);
        let cid = conn.cid();
        let lingered = self.in_room(room, cid, |watched| match until {
            Some(until) => watched.lingering.insert(cid.clone(), until),
            None => watched.lingering.remove(cid),
        });
        let Some(lingered) = lingered else { return };
        let place = || Place::Room(room.clone());
        self.lingers_no_more(lingered, place, cid);
        if let Some(until) = until {
            self.linger(until, place(), cid, conn.0.runtime.as_ref());
        }
    }

    /// Changes what is known of a watched room, and tells its watchers of a user. `None` for a room that
    /// nobody watches.
    fn in_room<T>(&self, room: &Arc<str>, cid: &Cid, change: impl FnOnce(&mut Watched) -> T) -> Option<T> {
        if !self.is_watched() {
            return None;
        }
        let place = Place::Room(room.clone());
        let mut watched = self.0.watched.lock(&place);
        let found = watched.get_mut()?;
        let changed = change(found);
        let wakers = noted(found, cid);
        drop(watched);
        wakers.into_iter().for_each(Waker::wake);
        Some(changed)
    }

    fn user_changed(&self, cid: &Cid) {
        if !self.is_watched() {
            return;
        }
        let place = Place::User(cid.clone());
        let wakers = self.0.watched.lock(&place).get().map(|found| noted(found, cid)).unwrap_or_default();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Notes that devices of a user at other nodes have come or gone, or are parked or back. When the last
    /// device of all nodes has left, `left` says whether with a goodbye.
    pub(crate) fn changed_elsewhere(&self, cid: &Cid, left: Option<bool>, runtime: Option<&runtime::Handle>) {
        self.user_came(cid);
        if let Some(for_good) = left {
            self.user_left(cid, for_good, runtime);
        }
        self.user_changed(cid);
    }

    /// Whether a user has devices at other nodes.
    fn is_elsewhere(&self, cid: &Cid) -> bool {
        let Some(node) = &self.0.node else { return false };
        node.look(|known, _| known.devices_of(cid)).iter().any(|(at, _)| *at != node.id())
    }

    /// Notes that a user does not linger any more.
    fn user_came(&self, cid: &Cid) {
        let lingered = self.0.lingering.get().and_then(|users| users.lock(cid).take());
        self.lingers_no_more(lingered.map(|user| user.until), || Place::User(cid.clone()), cid);
    }

    fn user_left(&self, cid: &Cid, for_good: bool, runtime: Option<&runtime::Handle>) {
        let Some(users) = self.0.lingering.get() else { return };
        if for_good || self.0.grace.is_zero() {
            return;
        }
        let until = Instant::now() + self.0.grace;
        users.lock(cid).put(Lingering { cid: cid.clone(), until });
        self.linger(until, Place::User(cid.clone()), cid, runtime);
    }

    /// Has the grace of a user ended in time.
    fn linger(&self, until: Instant, place: Place, cid: &Cid, runtime: Option<&runtime::Handle>) {
        let starts = self.leaving().add(until, place, cid.clone(), runtime.is_some());
        // After unlocking, since a runtime that has ended drops the task at once.
        if let Some(runtime) = runtime.filter(|_| starts) {
            runtime.spawn(Sweep { watching: self.clone(), done: false }.run());
        }
    }

    /// Notes that a user has come back, or has left for good.
    fn lingers_no_more(&self, until: Option<Instant>, place: impl FnOnce() -> Place, cid: &Cid) {
        if let Some(until) = until {
            self.leaving().remove(until, place(), cid.clone());
        }
    }

    /// Ends every grace that is over. Returns when the next one is over; with none left the task stops that
    /// has asked.
    fn expire(&self, now: Instant, is_task: bool) -> Option<Instant> {
        loop {
            let over = self.leaving().take(now, is_task);
            match over {
                Ok((Place::User(cid), _)) => self.user_is_gone(&cid, now),
                Ok((Place::Room(room), cid)) => _ = self.in_room(&room, &cid, |watched| watched.forget(&cid, now)),
                Err(next) => return next,
            }
        }
    }

    fn user_is_gone(&self, cid: &Cid, now: Instant) {
        let Some(users) = self.0.lingering.get() else { return };
        let mut user = users.lock(cid);
        if user.get().is_some_and(|user| user.until <= now) {
            drop(user.take());
        }
        drop(user);
        self.user_changed(cid);
    }

    fn leaving(&self) -> MutexGuard<'_, Leaving> {
        self.0.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// Forgets a user who is not back in time. One that has been back meanwhile has more time.
    fn forget(&mut self, cid: &Cid, now: Instant) {
        if self.lingering.get(cid).is_some_and(|until| *until <= now) {
            self.lingering.remove(cid);
            self.lingering.shrink_to(2 * self.lingering.len());
        }
    }
}

fn address(watcher: &Arc<Watcher>) -> usize {
    Arc::as_ptr(watcher).addr()
}

/// Tells the watchers of a place of a user. Returns whom to wake, once no lock is held.
fn noted(watched: &Watched, cid: &Cid) -> Vec<Waker> {
    watched.watchers.values().filter_map(|watcher| watcher.note(cid)).collect()
}

impl Sweep {
    async fn run(mut self) {
        while let Some(next) = self.watching.expire(Instant::now(), true) {
            tokio::time::sleep_until(next).await;
        }
        self.done = true;
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        if !self.done {
            self.watching.leaving().task_is_gone();
        }
    }
}

/// Whether a device has left for good: either side said goodbye, in the code that its wire has for it. A
/// device that was replaced has not, since its user is there.
pub(crate) fn is_goodbye(conn: &Conn, closed: &Closed) -> bool {
    if closed.reason == Reason::CLIENTS_CONCURRENCY {
        return false;
    }
    closed.code == 1000 || closed.code == conn.0.handle.end(Closed::normal(Reason::default())).code
}

impl Observer<Conn> for Watching {
    fn changed(&self, change: &Change<'_, Conn>) -> Option<Handled> {
        match *change {
            Change::Joined(conn) => {
                self.user_came(conn.cid());
                self.user_changed(conn.cid());
            }
            Change::Left { last, closed, .. } => {
                // The node knows already that this device has left. Of the last one elsewhere it will say so.
                if !self.is_elsewhere(last.cid()) {
                    self.user_left(last.cid(), is_goodbye(last, closed), last.0.runtime.as_ref());
                }
                self.user_changed(last.cid());
            }
            Change::Connected { device: conn, .. }
            | Change::MovedIn(conn)
            | Change::MovedOut(conn, _)
            | Change::Parked(conn)
            | Change::Resumed(conn)
            | Change::Disconnected(conn, _) => self.user_changed(conn.cid()),
            Change::Confirmed(_) => {}
        }
        None
    }
}
