//! The list of all users of a cluster, in pages, as one of its nodes knows them.

use crate::server::users::{counting::each_user, looks, presence::Presence, status::Status};
use std::collections::BinaryHeap;
use wse_proto::Cid;

/// The place of a user in the order of all of them: shard and hash.
type Place = (usize, u64);

impl Presence {
    /// The users of all nodes, in the order in which [`list`](Presence::list) has those of one. Each page looks at
    /// every user of other nodes. One who has left meanwhile is offline.
    pub(super) fn list_of_nodes(&self, after: Option<&Cid>, limit: usize) -> Vec<(Cid, Status)> {
        let server = &self.server().0;
        let place = |cid: &Cid| server.registry.place(cid);
        let mut page = Smallest::new(limit, after.map(|cid| (place(cid), cid)));
        for (cid, ()) in server.registry.page(after, limit, self.lingering(), |_| ()) {
            page.add(place(&cid), &cid);
        }
        if let Some(member) = &server.cluster {
            each_user(member, |cid| page.add(place(cid), cid));
        }
        page.into_sorted().map(|cid| (cid.clone(), looks::at_user(server, &cid))).collect()
    }
}

/// The smallest so many users behind one of them, each once.
struct Smallest<'a> {
    users: BinaryHeap<(Place, Cid)>,
    limit: usize,
    after: Option<(Place, &'a Cid)>,
}

impl<'a> Smallest<'a> {
    fn new(limit: usize, after: Option<(Place, &'a Cid)>) -> Self {
        Self { users: BinaryHeap::new(), limit, after }
    }

    /// Adds a user, which may come twice: as one who is here and as one who is elsewhere.
    fn add(&mut self, place: Place, cid: &Cid) {
        let is_full = self.users.len() >= self.limit.saturating_mul(2);
        let is_behind = |(last, last_cid): &(Place, Cid)| (place, cid) >= (*last, last_cid);
        if self.after.is_some_and(|after| (place, cid) <= after) || is_full && self.users.peek().is_none_or(is_behind) {
            return;
        }
        self.users.push((place, cid.clone()));
        if is_full {
            self.users.pop();
        }
    }

    fn into_sorted(self) -> impl Iterator<Item = Cid> {
        let mut users = self.users.into_sorted_vec();
        users.dedup();
        users.into_iter().take(self.limit).map(|(_, cid)| cid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pages_have_each_user_once_and_in_order(
            users in prop::collection::vec(0..60_u64, 0..80),
            twice in prop::collection::vec(0..60_u64, 0..40),
            limit in 1..7_usize,
        ) {
            let mut all: Vec<u64> = users.clone();
            all.sort_unstable();
            all.dedup();
            let again: Vec<u64> = twice.into_iter().filter(|user| all.contains(user)).collect();
            let mut again = again;
            again.sort_unstable();
            again.dedup();
            let (mut seen, mut after) = (Vec::new(), None::<Cid>);
            loop {
                let place = |cid: &Cid| (0, cid.as_str().parse::<u64>().unwrap_or(0));
                let mut page = Smallest::new(limit, after.as_ref().map(|cid| (place(cid), cid)));
                for user in all.iter().rev().chain(&again) {
                    let cid = Cid::from(*user);
                    page.add(place(&cid), &cid);
                }
                let page: Vec<Cid> = page.into_sorted().collect();
                let is_last = page.len() < limit;
                seen.extend(page.iter().map(|cid| place(cid).1));
                after = page.into_iter().last().or(after);
                if is_last {
                    break;
                }
            }
            prop_assert_eq!(seen, all);
        }
    }
}
