//! Sessions that move between the servers of a cluster: one server gives, the other takes in, and what is left of a
//! session at the first reaches the second. Nothing here waits but a device that comes back to a session elsewhere.
//!
//! 1. A device comes back with the token of a session that is not here ([`bring`]). The directory says which node has
//!    it, and that node is asked ([`ask`](Ask)).
//! 2. That node checks the token as if the session were resumed, and gives the session as bytes ([`giving`]). It keeps
//!    it, parked, until it knows that it has arrived.
//! 3. This node takes it in, parked ([`taking`]), and the device resumes it as any other.
//! 4. What others send meanwhile reaches it once, by the first node or by this one ([`crossing`]).
//! 5. The first node forgets it. Handlers that run there finish: what they send is carried to this node, and what the
//!    client says to them is carried back ([`relay`]).

mod ask;
pub(super) mod bring;
pub(super) mod crossing;
pub(super) mod giving;
pub(super) mod relay;
pub(super) mod taking;
pub(super) mod told;
mod untold;

use crate::{
    server::moves::{
        crossing::{Fresh, Passing},
        untold::Untold,
    },
    server::users::conn::{Conn, ConnInner},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};
use std::{
    collections::HashMap,
    net::IpAddr,
    ops::{Deref, DerefMut},
    sync::{Arc, PoisonError, Weak},
};
use tokio::sync::oneshot;
use wse_cluster::{DeviceId, NodeId, TakeId};

/// The sessions of a server that move or have moved. Without a cluster there are none.
#[derive(Default)]
pub(crate) struct Moves {
    state: Mutex<State>,
    /// How many sessions there are that more than one node may have to send to. Read without the lock.
    crossing: AtomicUsize,
    /// How many sessions have come.
    came: AtomicU64,
    /// What other servers could not be told. Not to be locked with the state.
    untold: Untold,
}

/// The state, locked.
pub(super) struct Locked<'a> {
    state: MutexGuard<'a, State>,
    crossing: &'a AtomicUsize,
}

#[derive(Default)]
pub(super) struct State {
    /// Sessions that were given, until the other node has them, and the calls that are at work here for them.
    leaving: HashMap<DeviceId, Leaving>,
    /// Sessions that are elsewhere, while code of the application still has their `Conn`.
    left: HashMap<DeviceId, Vec<Weak<ConnInner>>>,
    /// How many of them there may be before those are looked for that nobody has any more.
    left_checked_at: usize,
    /// Sessions that are elsewhere, while not every node knows that.
    passing: HashMap<DeviceId, Passing>,
    /// Sessions that have come, while something is still to come after them.
    fresh: HashMap<DeviceId, Fresh>,
    /// Sessions that came from elsewhere.
    guests: HashMap<DeviceId, Guest>,
    /// Devices that wait for their session.
    waiting: HashMap<TakeId, Waiting>,
}

/// A session that was given.
pub(super) struct Leaving {
    conn: Conn,
    /// The nodes that know already that it is elsewhere.
    seen: Vec<NodeId>,
}

/// What other nodes still have of a session that is here.
#[derive(Clone, Default)]
pub(super) struct Guest {
    /// Calls of the client whose procedures run there.
    at_work: Vec<(String, NodeId)>,
    /// Where code of the application has its `Conn`.
    origins: Vec<NodeId>,
    /// The rooms that it came with.
    rooms: Vec<Arc<str>>,
}

/// A device that waits for its session.
struct Waiting {
    addr: Option<IpAddr>,
    reply: oneshot::Sender<Brought>,
}

/// How a wait for a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// It is here.
    Here,
    /// There is none with that token.
    Nothing,
    /// The device has to come again.
    Again,
}

impl Moves {
    pub(super) fn lock(&self) -> Locked<'_> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { state, crossing: &self.crossing }
    }
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let State { leaving, passing, fresh, .. } = &*self.state;
        self.crossing.store(leaving.len() + passing.len() + fresh.len(), Ordering::Release);
    }
}

impl State {
    /// Notes that code of the application may have the `Conn` of a session that is elsewhere.
    fn has_left(&mut self, conn: &Conn) {
        if self.left.len() >= self.left_checked_at {
            self.left.retain(|_, conns| conns.iter().any(|conn| conn.strong_count() > 0));
            self.left_checked_at = 2 * self.left.len().max(32);
        }
        let conns = self.left.entry(conn.id()).or_default();
        conns.retain(|conn| conn.strong_count() > 0);
        conns.push(std::sync::Arc::downgrade(&conn.0));
    }

    /// The `Conn`s of a session that is elsewhere.
    fn left_of(&self, device: DeviceId) -> Vec<Conn> {
        let conns = self.left.get(&device).into_iter().flatten();
        conns.filter_map(Weak::upgrade).map(Conn).collect()
    }

    /// Ends the wait for a session.
    fn brought(&mut self, take: TakeId, how: Brought) {
        if let Some(waiting) = self.waiting.remove(&take) {
            let _ = waiting.reply.send(how); // the device may have gone
        }
    }
}
