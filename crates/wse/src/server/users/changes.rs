//! The stream of changes of presence. It looks at what is true when it is read, so that a slow reader makes
//! nothing wait and nothing grow.

use crate::server::{
    Inner,
    users::{
        lingering::Place,
        looks,
        status::{Change, Status},
        watcher::{Noted, Watcher},
        watching::Watching,
    },
};
use futures_util::{FutureExt, Stream};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};
use wse_proto::Cid;

/// So many users are looked at in one poll, if nothing has changed.
const LOOKS: usize = 1024;

/// A stream of the changes of presence of some users ([`Presence::watch`](crate::presence::Presence::watch)) or
/// of those in a room ([`Room::watch`](crate::Room::watch)). It begins with what is true, and ends with
/// the server.
///
/// Changes are not queued: each item is true when it is read, and a user who has changed many times since the
/// last one is told of once.
#[must_use = "it does nothing unless it is read"]
pub struct Changes {
    server: Weak<Inner>,
    watching: Watching,
    watcher: Arc<Watcher>,
    /// `None` for a choice of users.
    room: Option<Arc<str>>,
    /// What was told last. Of a room nobody is in it who is offline.
    told: HashMap<Cid, Option<Status>>,
    /// Whom to look at.
    looks: Vec<Cid>,
}

impl Changes {
    pub(crate) fn of_users(server: &Arc<Inner>, cids: impl Iterator<Item = Cid>) -> Self {
        let changes = Self::new(server, None, cids.map(|cid| (cid, None)).collect());
        changes.places(|place| changes.watching.watch(place, &changes.watcher));
        changes
    }

    pub(crate) fn of_room(server: &Arc<Inner>, room: Arc<str>) -> Self {
        let changes = Self::new(server, Some(room), HashMap::new());
        changes.places(|place| changes.watching.watch(place, &changes.watcher));
        changes
    }

    fn new(server: &Arc<Inner>, room: Option<Arc<str>>, told: HashMap<Cid, Option<Status>>) -> Self {
        let (watching, watcher) = (server.watching.clone(), Arc::new(Watcher::new()));
        Self { server: Arc::downgrade(server), watching, watcher, room, told, looks: Vec::new() }
    }

    fn places(&self, each: impl FnMut(Place)) {
        match &self.room {
            Some(room) => std::iter::once(Place::Room(room.clone())).for_each(each),
            None => self.told.keys().cloned().map(Place::User).for_each(each),
        }
    }

    /// The next change; `None` when the server has ended.
    pub async fn next(&mut self) -> Option<Change> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// The next change, if it has happened already.
    pub(crate) fn next_now(&mut self) -> Option<Change> {
        self.next().now_or_never().flatten()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        let mut looks = 0;
        loop {
            while let Some(cid) = self.looks.pop() {
                let Some(server) = self.server.upgrade() else { return Poll::Ready(None) };
                if let Some(change) = self.look(&server, cid) {
                    return Poll::Ready(Some(change));
                }
                looks += 1;
                if looks == LOOKS {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            match self.watcher.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Noted::Ended) => return Poll::Ready(None),
                Poll::Ready(Noted::These(cids)) => self.looks.extend(cids),
                Poll::Ready(Noted::All) => self.looks = self.all(),
            }
        }
    }

    /// Everybody whose presence may differ from what was told.
    fn all(&self) -> Vec<Cid> {
        let (Some(room), Some(server)) = (&self.room, self.server.upgrade()) else {
            return self.told.keys().cloned().collect();
        };
        let mut all: HashSet<Cid> = self.told.keys().cloned().collect();
        all.extend(server.rooms.members(room).iter().map(|conn| conn.cid().clone()));
        all.extend(self.watching.lingering_in(room));
        all.into_iter().collect()
    }

    fn look(&mut self, server: &Inner, cid: Cid) -> Option<Change> {
        let status = match &self.room {
            Some(room) => looks::at_user_in(server, room, &cid),
            None => looks::at_user(server, &cid),
        };
        let before = match (&self.room, status) {
            (Some(_), Status::Offline) => Some(self.told.remove(&cid)?),
            _ => self.told.insert(cid.clone(), Some(status)),
        };
        (before.flatten() != Some(status)).then_some(Change { cid, status })
    }
}

impl Stream for Changes {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        self.poll(cx)
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.places(|place| self.watching.unwatch(&place, &self.watcher));
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}
