//! Who is there: users and their devices, and the events of each user in order. Its lock may never
//! be held across an await, nor while anything of the application runs.

use crate::{
    app::listeners::{Happened, Listeners},
    server::{
        event::Event,
        users::{conn::Conn, user::User},
    },
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, OnceLock, PoisonError},
};
use tokio::{
    runtime,
    sync::{Notify, oneshot},
};
use wse_proto::{Cid, Closed, Hello, Reason};

/// Connections of one user whose handlers may outlive them. A user who leaves handlers behind with
/// every connection is held off, so that what they keep is bounded.
const OUTLIVING_HANDLERS: usize = 64;

/// Events of one user that may wait for the application. A user whose devices come and go faster
/// than their events are handled is held off.
const BACKLOG: usize = 256;

pub(crate) struct Registry {
    users: Mutex<HashMap<Cid, Entry>>,
    user_count: AtomicUsize,
    conn_count: AtomicUsize,
    listeners: Arc<Listeners<Event>>,
    /// Where events are handled that are told from outside of a runtime.
    runtime: OnceLock<runtime::Handle>,
    /// Told when the last user has gone and every event was handled.
    empty: Notify,
}

#[derive(Default)]
struct Entry {
    /// The oldest first.
    conns: Vec<Conn>,
    /// One of them, beyond the limit: whether it is there at all is not known yet.
    on_trial: Option<Conn>,
    /// What the user's first device said; it outlives that device.
    first: Option<Arc<Hello>>,
    events: VecDeque<(Happened<Event>, Option<oneshot::Sender<()>>)>,
    /// Connections that have ended while handlers of theirs still run.
    outliving: usize,
    /// A task is handling the events.
    draining: bool,
}

/// How a device was added.
pub(crate) struct Joined {
    /// Resolves when the application has handled `Connected`.
    pub(crate) ready: Option<oneshot::Receiver<()>>,
    /// It is one too many until it has shown that it is there.
    pub(crate) on_trial: bool,
}

impl Registry {
    pub(crate) fn new(listeners: Arc<Listeners<Event>>) -> Self {
        Self {
            users: Mutex::default(),
            user_count: AtomicUsize::new(0),
            conn_count: AtomicUsize::new(0),
            listeners,
            runtime: OnceLock::new(),
            empty: Notify::new(),
        }
    }

    /// Remembers the runtime that connections run in.
    pub(crate) fn run_in(&self, runtime: runtime::Handle) {
        self.runtime.get_or_init(|| runtime);
    }

    /// Whether the application is so far behind with a user that no more of its devices are let in.
    pub(crate) fn is_behind(&self, cid: &Cid) -> bool {
        let behind = |entry: &Entry| entry.events.len() >= BACKLOG || entry.outliving >= OUTLIVING_HANDLERS;
        self.lock().get(cid).is_some_and(behind)
    }

    /// A connection of a user has ended, but not its handlers.
    pub(crate) fn handlers_outlive(&self, cid: &Cid) {
        self.lock().entry(cid.clone()).or_default().outliving += 1;
    }

    /// The handlers of such a connection have ended too.
    pub(crate) fn handlers_ended(&self, cid: &Cid) {
        let mut users = self.lock();
        if let Some(entry) = users.get_mut(cid) {
            entry.outliving -= 1;
        }
        self.forget(cid, &mut users);
    }

    /// Adds a device and pushes the oldest out until at most `limit` are left. One that `may_be_late`,
    /// as its client may be there by another connection already, pushes out only its like before it
    /// [`stays`](Self::stays).
    pub(crate) fn join(self: &Arc<Self>, conn: &Conn, limit: usize, may_be_late: bool) -> Joined {
        let mut users = self.lock();
        let entry = users.entry(conn.cid().clone()).or_default();
        if entry.conns.is_empty() {
            entry.first = Some(conn.0.hello.clone());
            self.user_count.fetch_add(1, Ordering::Relaxed);
            let user = User::new(conn.server(), conn.cid().clone(), entry.first.clone());
            self.tell(entry, Event::Joined(user), None);
        }
        entry.conns.push(conn.clone());
        self.conn_count.fetch_add(1, Ordering::Relaxed);
        let mut ready = None;
        if !self.listeners.is_empty() {
            let (handled, waiter) = oneshot::channel();
            self.tell(entry, Event::Connected(conn.clone()), Some(handled));
            ready = Some(waiter);
        }
        let on_trial = may_be_late && entry.settled() > limit;
        if on_trial {
            if let Some(before) = entry.on_trial.replace(conn.clone()) {
                self.push_out(entry, &before);
            }
        } else {
            self.make_room(entry, limit);
        }
        self.drain(conn.cid(), entry);
        Joined { ready, on_trial }
    }

    /// A device on trial has shown that it is there.
    pub(crate) fn confirmed(self: &Arc<Self>, conn: &Conn, limit: usize) {
        let mut users = self.lock();
        let Some(entry) = users.get_mut(conn.cid()) else { return };
        if entry.on_trial.take_if(|on_trial| on_trial == conn).is_some() {
            self.make_room(entry, limit);
            self.drain(conn.cid(), entry);
        }
    }

    fn make_room(&self, entry: &mut Entry, limit: usize) {
        while entry.settled() > limit {
            let Some(oldest) = entry.conns.iter().find(|conn| entry.on_trial.as_ref() != Some(conn)) else { return };
            self.push_out(entry, &oldest.clone());
        }
    }

    fn push_out(&self, entry: &mut Entry, conn: &Conn) {
        // It may have been closed for another reason a moment ago; then that is the true one.
        let closed = conn.0.handle.close(Closed::normal(Reason::CLIENTS_CONCURRENCY));
        self.remove(entry, conn, closed);
    }

    fn remove(&self, entry: &mut Entry, conn: &Conn, closed: Closed) {
        entry.conns.retain(|other| other != conn);
        entry.on_trial.take_if(|on_trial| on_trial == conn);
        self.conn_count.fetch_sub(1, Ordering::Relaxed);
        self.tell(entry, Event::Disconnected(conn.clone(), closed), None);
    }

    /// Removes a device; without effect when it has left before.
    pub(crate) fn leave(self: &Arc<Self>, conn: &Conn, closed: &Closed) {
        let mut users = self.lock();
        let Some(entry) = users.get_mut(conn.cid()).filter(|entry| entry.conns.contains(conn)) else { return };
        self.remove(entry, conn, closed.clone());
        if entry.conns.is_empty() {
            self.user_count.fetch_sub(1, Ordering::Relaxed);
            let user = User::new(conn.server(), conn.cid().clone(), entry.first.take());
            self.tell(entry, Event::Left(user, closed.clone()), None);
        }
        self.drain(conn.cid(), entry);
        self.forget(conn.cid(), &mut users);
    }

    /// Tells of a device, unless it has left.
    pub(crate) fn tell_of(self: &Arc<Self>, conn: &Conn, event: Event) {
        let mut users = self.lock();
        let Some(entry) = users.get_mut(conn.cid()).filter(|entry| entry.conns.contains(conn)) else { return };
        self.tell(entry, event, None);
        self.drain(conn.cid(), entry);
    }

    /// Forgets a user who is not there and of whom nothing is left to tell.
    fn forget(&self, cid: &Cid, users: &mut HashMap<Cid, Entry>) {
        if users.get(cid).is_some_and(Entry::is_over) {
            users.remove(cid);
            if users.is_empty() {
                self.empty.notify_waiters();
            }
        }
    }

    /// Resolves when nobody is there and every event was handled.
    pub(crate) async fn empty(&self) {
        loop {
            let empty = self.empty.notified();
            if self.lock().is_empty() {
                return;
            }
            empty.await;
        }
    }

    fn tell(&self, entry: &mut Entry, event: Event, handled: Option<oneshot::Sender<()>>) {
        if let Some(event) = self.listeners.happened(event) {
            entry.events.push_back((event, handled));
        }
    }

    /// Has the events of a user handled, one after the other, by a task that ends with them.
    fn drain(self: &Arc<Self>, cid: &Cid, entry: &mut Entry) {
        if entry.draining || entry.events.is_empty() {
            return;
        }
        let Some(runtime) = runtime::Handle::try_current().ok().or_else(|| self.runtime.get().cloned()) else { return };
        entry.draining = true;
        let (registry, cid) = (self.clone(), cid.clone());
        runtime.spawn(async move {
            while let Some((event, handled)) = registry.next_event(&cid) {
                if let Some(told) = registry.listeners.tell(event) {
                    told.await;
                }
                // The connection may have ended meanwhile.
                let _ = handled.map(|handled| handled.send(()));
            }
        });
    }

    pub(in crate::server) fn next_event(&self, cid: &Cid) -> Option<(Happened<Event>, Option<oneshot::Sender<()>>)> {
        let mut users = self.lock();
        let entry = users.get_mut(cid)?;
        let next = entry.events.pop_front();
        if next.is_none() {
            entry.draining = false;
            entry.events = VecDeque::new();
            self.forget(cid, &mut users);
        }
        next
    }

    pub(crate) fn conns(&self, cid: &Cid) -> Vec<Conn> {
        self.lock().get(cid).map(|entry| entry.conns.clone()).unwrap_or_default()
    }

    pub(crate) fn conn_count(&self, cid: &Cid) -> usize {
        self.lock().get(cid).map_or(0, |entry| entry.conns.len())
    }

    pub(crate) fn first_hello(&self, cid: &Cid) -> Option<Arc<Hello>> {
        self.lock().get(cid)?.first.clone()
    }

    /// Every device of everybody at this moment.
    pub(crate) fn everyone(&self) -> Vec<Conn> {
        let mut everyone = Vec::with_capacity(self.counts().1);
        everyone.extend(self.lock().values().flat_map(|entry| &entry.conns).cloned());
        everyone
    }

    pub(crate) fn cids(&self) -> Vec<Cid> {
        let users = self.lock();
        users.iter().filter(|(_, entry)| !entry.conns.is_empty()).map(|(cid, _)| cid.clone()).collect()
    }

    /// Users and devices.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.user_count.load(Ordering::Relaxed), self.conn_count.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Cid, Entry>> {
        // Nothing of the application runs under this lock, so it is never left half changed.
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Devices that count against the limit.
    fn settled(&self) -> usize {
        self.conns.len() - usize::from(self.on_trial.is_some())
    }

    fn is_over(&self) -> bool {
        self.conns.is_empty() && self.events.is_empty() && !self.draining && self.outliving == 0
    }
}
