//! How many connections are not accepted yet, in all and from one address. A place may never be
//! kept by a device that was accepted, nor given back while something of a stranger still waits.

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

/// A stranger's place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    strangers: Arc<BeforeVerdict>,
    address: Option<IpAddr>,
}

impl BeforeVerdict {
    /// A place for one more; `None` when the server or the address has as many as the limits allow.
    /// An unknown address counts for the server only.
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
        Some(Permit { strangers: self.clone(), address })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.strangers.lock();
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
        let strangers = Arc::new(BeforeVerdict::default());
        let first = strangers.enter(one, &limits).unwrap();
        let _second = strangers.enter(one, &limits).unwrap();
        assert!(strangers.enter(one, &limits).is_none(), "two of one address");
        let _third = strangers.enter(two, &limits).unwrap();
        assert!(strangers.enter(None, &limits).is_none(), "three in all");
        drop(first);
        assert!(strangers.enter(one, &limits).is_some());
    }
}
