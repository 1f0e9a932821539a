//! The events of users and devices, made of the registry's changes: one queue a user, handled in
//! order. They are told in the runtimes that serve the devices, never in that of a caller. No event is
//! lost, doubled, or told out of order for its user, as long as the runtime of its device runs.

use crate::{
    app::listeners::{Happened, Listeners},
    error::SendError,
    server::{
        event::Event,
        users::{
            change::{Change, Handled, Observer},
            conn::Conn,
            shards::{Keyed, Locked, Shards},
            user::User,
        },
    },
    watch::Watched,
};
use std::{collections::VecDeque, sync::Arc};
use tokio::{
    runtime,
    sync::{Notify, oneshot},
};
use wse_proto::{Cid, Code, KeptHello};

/// Events of one user that may wait for the application. While so many wait, no more devices of that
/// user are accepted.
const BACKLOG: usize = 256;

/// The observer that tells the application. A handle, cheap to clone.
#[derive(Clone)]
pub(crate) struct Events(Arc<EventQueues>);

struct EventQueues {
    queues: Shards<UserEvents>,
    /// All nodes of a cluster together say that a user is there or has left, and one of them tells.
    clustered: bool,
    listeners: Arc<Listeners<Event>>,
    /// Notified when a shard of queues becomes empty.
    emptied: Notify,
}

/// The events of one user that wait, or of which one is being handled.
struct UserEvents {
    cid: Cid,
    events: VecDeque<(PendingEvent, Option<runtime::Handle>)>,
    /// A task handles them.
    draining: bool,
}

impl Keyed for UserEvents {
    type Key = Cid;

    fn key(&self) -> &Cid {
        &self.cid
    }
}

/// Handles the events of one user in a runtime. Dropped before its end, as with that runtime, it drops the
/// events of the devices that the runtime has served, since they hold their server. Others are told in
/// the runtimes of their devices.
struct Drain {
    events: Events,
    cid: Cid,
    runtime: runtime::Id,
    done: bool,
}

/// An event, and the sender that is told when the event was handled.
type PendingEvent = (Happened<Event>, Option<oneshot::Sender<()>>);

impl Events {
    pub(crate) fn new(listeners: Arc<Listeners<Event>>, clustered: bool) -> Self {
        Self(Arc::new(EventQueues { queues: Shards::new(), clustered, listeners, emptied: Notify::new() }))
    }

    /// Whether so many events of a user wait that no more of its devices are accepted.
    pub(crate) fn is_behind(&self, cid: &Cid) -> bool {
        !self.0.listeners.is_empty() && self.0.queues.lock(cid).get().is_some_and(|queue| queue.events.len() >= BACKLOG)
    }

    /// Resolves when every event was handled. Events that happen meanwhile may be missed.
    pub(crate) async fn handled(&self) {
        loop {
            let emptied = self.0.emptied.notified();
            if self.0.queues.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Queues an event of a user, and has all of that queue handled in that runtime, by a task that ends with
    /// them.
    fn push(&self, cid: &Cid, runtime: Option<runtime::Handle>, event: PendingEvent) {
        let mut queues = self.0.queues.lock(cid);
        if queues.get().is_none() {
            queues.put(UserEvents { cid: cid.clone(), events: VecDeque::new(), draining: false });
        }
        let Some(queue) = queues.get_mut() else { return }; // never: it was put there
        queue.events.push_back((event, runtime.clone()));
        let Some(runtime) = runtime.filter(|_| !queue.draining) else { return };
        queue.draining = true;
        drop(queues); // a runtime that has ended drops the task at once
        self.drain(cid.clone(), &runtime);
    }

    fn drain(&self, cid: Cid, runtime: &runtime::Handle) {
        let drain = Drain { events: self.clone(), cid, runtime: runtime.id(), done: false };
        runtime.spawn(drain.run());
    }

    /// Drops the waiting events of a runtime that has ended, and has the others handled.
    fn leave(&self, cid: &Cid, ended: runtime::Id) {
        let mut queues = self.0.queues.lock(cid);
        let Some(queue) = queues.get_mut() else { return };
        let stays = |runtime: &Option<runtime::Handle>| runtime.as_ref().is_some_and(|runtime| runtime.id() != ended);
        let waiting = std::mem::take(&mut queue.events);
        let (left, dropped): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, runtime)| stays(runtime));
        let next = left.first().and_then(|(_, runtime)| runtime.clone());
        queue.events = left.into();
        if next.is_none() {
            self.remove(&mut queues);
        }
        drop(queues);
        drop(dropped); // after the lock, as it wakes tasks
        if let Some(runtime) = next {
            self.drain(cid.clone(), &runtime);
        }
    }

    /// Tells the application of a message that this device and perhaps more were not sent, since it has no form on
    /// their wire. These events have a queue of their own, under the empty cid, which no user has. While it is
    /// full, no more of them are told.
    pub(crate) fn left_out(&self, conn: &Conn, name: &str, error: SendError) {
        let nobody = Cid::from("");
        if self.0.listeners.is_empty() || self.is_behind(&nobody) {
            return;
        }
        let (name, error) = (Some(name.into()), Arc::new(error.into()));
        let event = Event::Error { code: Code::RP_INVALID, conn: None, remote_addr: None, name, error };
        if let Some(event) = self.0.listeners.happened(event) {
            self.push(&nobody, conn.0.runtime.clone(), (event, None));
        }
    }

    /// Tells the application that a user has joined or left, as the cluster says, in that runtime. These come by
    /// turns. While too many events of the user wait, one that ends what the last of them says takes it back
    /// instead, and neither is told.
    pub(crate) fn report(&self, cid: &Cid, event: Event, runtime: Option<runtime::Handle>) {
        let Some(event) = self.0.listeners.happened(event) else { return };
        let mut queues = self.0.queues.lock(cid);
        let waiting = queues.get_mut().map(|queue| &mut queue.events).filter(|events| events.len() >= BACKLOG);
        let taken_back = waiting.and_then(|events| match events.back() {
            Some(((last, _), _)) if is_opposite(&last.event, &event.event) => events.pop_back(),
            _ => None,
        });
        drop(queues);
        if taken_back.is_none() {
            self.push(cid, runtime, (event, None));
        }
    }

    /// Tells the application what is of no user. While too many of these wait it is not told.
    pub(crate) fn tell_of_nobody(&self, event: Event, runtime: Option<runtime::Handle>) {
        let nobody = Cid::from("");
        if !self.is_behind(&nobody)
            && let Some(event) = self.0.listeners.happened(event)
        {
            self.push(&nobody, runtime, (event, None));
        }
    }

    /// Takes the next event of a user; `None` forgets the queue, and the caller stops.
    pub(in crate::server) fn next(&self, cid: &Cid) -> Option<PendingEvent> {
        let mut queues = self.0.queues.lock(cid);
        let next = queues.get_mut()?.events.pop_front();
        if next.is_none() {
            self.remove(&mut queues);
        }
        next.map(|(event, _)| event)
    }

    fn remove(&self, queues: &mut Locked<'_, UserEvents>) {
        drop(queues.take());
        if queues.is_shard_empty() {
            self.0.emptied.notify_waiters();
        }
    }
}

/// Whether one says that a user has joined, and the other that the user has left.
fn is_opposite(one: &Event, other: &Event) -> bool {
    matches!((one, other), (Event::Joined(_), Event::Left(..)) | (Event::Left(..), Event::Joined(_)))
}

impl Drain {
    async fn run(mut self) {
        while let Some((event, handled)) = self.events.next(&self.cid) {
            if let Some(told) = self.events.0.listeners.tell(event) {
                Watched(told).await;
            }
            // The connection may have ended meanwhile.
            let _ = handled.map(|handled| handled.send(()));
        }
        self.done = true;
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        if !self.done {
            self.events.leave(&self.cid, self.runtime);
        }
    }
}

impl Observer<Conn> for Events {
    fn changed(&self, change: &Change<'_, Conn>) -> Option<Handled> {
        if self.0.listeners.is_empty() {
            return None;
        }
        let user =
            |conn: &Conn, first: Option<&KeptHello>| User::new(conn.server(), conn.cid().clone(), first.cloned());
        let (conn, event) = match *change {
            Change::Joined(_) | Change::Left { .. } if self.0.clustered => return None,
            Change::Joined(conn) => (conn, Event::Joined(user(conn, Some(&conn.hello())))),
            Change::Parked(conn) => (conn, Event::Parked(conn.clone())),
            Change::Resumed(conn) => (conn, Event::Resumed(conn.clone())),
            Change::Disconnected(conn, closed) => (conn, Event::Disconnected(conn.clone(), closed.clone())),
            Change::Left { last, closed, first } => (last, Event::Left(user(last, first), closed.clone())),
            Change::MovedIn(conn) => (conn, Event::MovedIn(conn.clone())),
            Change::MovedOut(conn, to) => (conn, Event::MovedOut(conn.clone(), to)),
            Change::Connected { device: conn, .. } => (conn, Event::Connected(conn.clone())),
            Change::Confirmed(_) => return None,
        };
        let event = self.0.listeners.happened(event)?;
        let (handled, ready) = match change {
            Change::Connected { .. } | Change::MovedIn(_) => Some(oneshot::channel()).unzip(),
            _ => (None, None),
        };
        self.push(conn.cid(), conn.0.runtime.clone(), (event, handled));
        ready
    }
}
