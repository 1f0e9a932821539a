//! The presence of the users of a server: who is there, who may be back, and who is told of it.

use crate::server::{
    Inner, Server,
    users::{changes::Changes, lingering::Lingering, looks, shards::Shards, status::Status},
};
use std::fmt;
use wse_proto::Cid;

/// The presence of the users of a server; made by [`Server::presence`].
///
/// A user whose connection is lost is away at once, and offline only after a real absence: when the sessions
/// of all devices have ended, and [`Limits::presence_grace`](crate::Limits::presence_grace) has passed without
/// a new one. A goodbye, which is 1000 from either side, makes it offline at once. So a page that reloads and
/// a tunnel are no leave and no join.
///
/// A server notes who may be back from the first call of [`Server::presence`] on.
///
/// ```
/// # async fn example(server: wse::Server) {
/// let presence = server.presence();
/// println!("{} users, ann is {}", presence.count(), presence.status(&"ann".into()));
///
/// let mut changes = presence.watch(["ann", "bob"]);
/// while let Some(change) = changes.next().await {
///     println!("{} is {}", change.cid, change.status);
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Presence {
    server: Server,
}

impl Server {
    /// Who is there, who is away and may be back, and how that changes.
    pub fn presence(&self) -> Presence {
        lingering(&self.0);
        Presence { server: self.clone() }
    }
}

impl Presence {
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// The users who may be back.
    pub(super) fn lingering(&self) -> &Shards<Lingering> {
        lingering(&self.server.0)
    }

    /// Whether the user is there: not offline. In a cluster it is what this server knows of all of them: it asks
    /// nobody, so that it answers at once also while no other server is reached.
    pub fn is_online(&self, cid: &Cid) -> bool {
        self.status(cid) != Status::Offline
    }

    /// Whether the user is there, away or offline.
    pub fn status(&self, cid: &Cid) -> Status {
        looks::at_user(&self.server.0, cid)
    }

    /// How many users are there, those that are away among them.
    pub fn count(&self) -> usize {
        let lingering: usize = lingering(&self.server.0).each().map(|users| users.len()).sum();
        self.server.user_count() + lingering
    }

    /// The users who are there, in pages: at most `limit` behind the one that is named, which need not be
    /// there any more. The order has no meaning and never changes, so who is there all the time stands on
    /// exactly one page. A page with fewer than `limit` is the last.
    ///
    /// ```
    /// # fn example(server: wse::Server) {
    /// let (presence, mut after) = (server.presence(), None);
    /// loop {
    ///     let page = presence.list(after.as_ref(), 1000);
    ///     page.iter().for_each(|(cid, status)| println!("{cid} {status}"));
    ///     match page.into_iter().nth(999) {
    ///         Some((last, _)) => after = Some(last),
    ///         None => break,
    ///     }
    /// }
    /// # }
    /// ```
    pub fn list(&self, after: Option<&Cid>, limit: usize) -> Vec<(Cid, Status)> {
        let server = &self.server.0;
        if server.cluster.is_some() {
            return self.list_of_nodes(after, limit);
        }
        server.registry.page(after, limit, lingering(server), |devices| Status::of(looks::parked(devices), || true))
    }

    /// The presence of these users: how each is at first, then every change. A watcher that is slow misses
    /// what is over, and always gets what is true last; it takes no memory for what it has not read.
    pub fn watch<C: Into<Cid>>(&self, cids: impl IntoIterator<Item = C>) -> Changes {
        Changes::of_users(&self.server.0, cids.into_iter().map(Into::into))
    }
}

/// The users who may be back, noted from now on.
fn lingering(server: &Inner) -> &Shards<Lingering> {
    server.watching.lingering(|| server.registry.shards_alike())
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence").finish_non_exhaustive()
    }
}
