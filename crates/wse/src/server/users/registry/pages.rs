//! The users of a server in pages. The order of users never changes, so that whoever is there from the
//! first page to the last stands on exactly one of them, whoever comes and goes meanwhile.

use crate::server::users::{
    lingering::Lingering,
    member::Member,
    registry::Registry,
    shards::{Keyed, SHARDS, Shards},
};
use wse_proto::Cid;

/// A user of a shard: the hash, the cid, and the devices.
type Found<'a, D> = (u64, &'a Cid, &'a [D]);

impl<D: Member> Registry<D> {
    /// A set whose shards hold the same users as the registry's.
    pub(crate) fn shards_alike<V: Keyed<Key = Cid>>(&self) -> Shards<V> {
        self.users.alike()
    }

    /// The shard and the hash of a user: its place in the order of all users, before its id.
    pub(crate) fn place(&self, cid: &Cid) -> (usize, u64) {
        self.users.place(cid)
    }

    /// At most `limit` users behind `after`, with what `of` makes of their devices; those that linger have
    /// none.
    pub(crate) fn page<T>(
        &self,
        after: Option<&Cid>,
        limit: usize,
        lingering: &Shards<Lingering>,
        of: impl Fn(&[D]) -> T,
    ) -> Vec<(Cid, T)> {
        let (first, hash) = after.map_or((0, None), |cid| {
            let (shard, hash) = self.users.place(cid);
            (shard, Some((hash, cid)))
        });
        let mut page = Vec::new();
        for shard in first..SHARDS {
            let behind = |hash_of: u64, cid: &Cid| shard > first || hash.is_none_or(|after| (hash_of, cid) > after);
            // Both at once, since a user who leaves moves from one to the other.
            let (users, left) = (self.users.shard(shard), lingering.shard(shard));
            let there =
                users.iter().map(|user| (user.key(), user.devices())).filter(|(_, devices)| !devices.is_empty());
            let gone = left.iter().map(|lingering| (lingering.key(), &[][..]));
            let hashed = there.chain(gone).map(|(cid, devices)| (self.users.place(cid).1, cid, devices));
            let found: Vec<Found<'_, D>> = hashed.filter(|(hash, cid, _)| behind(*hash, cid)).collect();
            let wanted = smallest(found, limit - page.len());
            page.extend(wanted.into_iter().map(|(_, cid, devices)| (cid.clone(), of(devices))));
            if page.len() == limit {
                break;
            }
        }
        page
    }
}

/// The first so many of them, in order. Only these are sorted.
fn smallest<D>(mut found: Vec<Found<'_, D>>, limit: usize) -> Vec<Found<'_, D>> {
    let order = |(hash, cid, _): &Found<'_, D>| (*hash, (*cid).clone());
    if limit < found.len() && limit > 0 {
        found.select_nth_unstable_by(limit - 1, |one, other| (one.0, one.1).cmp(&(other.0, other.1)));
    }
    found.truncate(limit);
    found.sort_by_cached_key(order);
    found
}
