//! How many upgraded connections have no verdict yet, in all and from one address. A connection
//! counts until its device is accepted or its task has ended.

use crate::sync::{Mutex, MutexGuard};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, PoisonError},
};
use wse_proto::Limits;

#[derive(Debug, Default)]
pub(crate) struct BeforeVerdict(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Permits one connection to wait for its verdict. The place is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    before_verdict: Arc<BeforeVerdict>,
    address: Option<IpAddr>,
}

impl BeforeVerdict {
    /// Permits one more; `None` when the server or the address has as many as the limits allow. A
    /// connection without an address counts for the server only.
    pub(crate) fn enter(self: &Arc<Self>, address: Option<IpAddr>, limits: &Limits) -> Option<Permit> {
        let mut counts = self.lock();
        let here = address.map_or(0, |address| counts.by_address.get(&address).copied().unwrap_or(0));
        if counts.all >= limits.strangers || here >= limits.strangers_per_address {
            return None;
        }
        counts.all += 1;
        if let Some(address) = address {
            counts.by_address.insert(address, here + 1);
        }
        Some(Permit { before_verdict: self.clone(), address })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.before_verdict.lock();
        counts.all -= 1;
        if let Some(address) = self.address
            && let Some(here) = counts.by_address.get_mut(&address)
        {
            *here -= 1;
            if *here == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        shuttle::check_random(places, 1);
    }

    fn places() {
        let limits = Limits { strangers: 3, strangers_per_address: 2, ..Limits::default() };
        let (one, two) = (Some(IpAddr::from([127, 0, 0, 1])), Some(IpAddr::from([127, 0, 0, 2])));
        let before_verdict = Arc::new(BeforeVerdict::default());
        let first = before_verdict.enter(one, &limits).unwrap();
        let _second = before_verdict.enter(one, &limits).unwrap();
        assert!(before_verdict.enter(one, &limits).is_none(), "two of one address");
        let _third = before_verdict.enter(two, &limits).unwrap();
        assert!(before_verdict.enter(None, &limits).is_none(), "three in all");
        drop(first);
        assert!(before_verdict.enter(one, &limits).is_some());
    }
}
