//! How many upgraded connections have no verdict yet, in all and from one address. A connection
//! counts until its device is accepted or its task has ended.

use crate::places::{Place, Places, Total};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};
use wse_proto::Limits;

#[derive(Debug)]
pub(crate) struct BeforeVerdict(Arc<Places<Option<IpAddr>, ByAddress>>);

/// Permits one connection to wait for its verdict. The place is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    _place: Place<Option<IpAddr>, ByAddress>,
}

/// How many there are from each address.
#[derive(Default)]
struct ByAddress(HashMap<IpAddr, usize>);

impl Total<Option<IpAddr>> for ByAddress {
    fn add(&mut self, address: &Option<IpAddr>) {
        if let Some(address) = address {
            *self.0.entry(*address).or_default() += 1;
        }
    }

    fn remove(&mut self, address: &Option<IpAddr>) {
        if let Some(address) = address
            && let Some(here) = self.0.get_mut(address)
        {
            *here -= 1;
            if *here == 0 {
                self.0.remove(address);
            }
        }
    }
}

impl Default for BeforeVerdict {
    fn default() -> Self {
        BeforeVerdict(Places::new(ByAddress::default()))
    }
}

impl BeforeVerdict {
    /// Permits one more; `None` when the server or the address has as many as the limits allow. A
    /// connection without an address counts for the server only.
    pub(crate) fn enter(&self, address: Option<IpAddr>, limits: &Limits) -> Option<Permit> {
        let address = address.map(holder);
        let mut taken = self.0.lock();
        let here = address.and_then(|address| taken.total().0.get(&address)).copied().unwrap_or(0);
        if taken.len() >= limits.strangers || here >= limits.strangers_per_address {
            return None;
        }
        Some(Permit { _place: self.0.take(&mut taken, address) })
    }
}

/// The address that stands for everything one customer has: of IPv6 the network of 64 bits, since each
/// customer has at least one.
fn holder(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = !0 << 64;
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address => address,
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
        let before_verdict = BeforeVerdict::default();
        let first = before_verdict.enter(one, &limits).unwrap();
        let _second = before_verdict.enter(one, &limits).unwrap();
        assert!(before_verdict.enter(one, &limits).is_none(), "two of one address");
        let _third = before_verdict.enter(two, &limits).unwrap();
        assert!(before_verdict.enter(None, &limits).is_none(), "three in all");
        drop(first);
        assert!(before_verdict.enter(one, &limits).is_some());
    }

    #[test]
    fn an_address_of_version_six_counts_by_its_network_of_64_bits() {
        shuttle::check_random(networks, 1);
    }

    fn networks() {
        let limits = Limits { strangers_per_address: 1, ..Limits::default() };
        let before_verdict = BeforeVerdict::default();
        let enter = |address: &str| before_verdict.enter(address.parse().ok(), &limits).map(std::mem::forget).is_some();
        assert!(enter("2001:db8:0:1::1"));
        assert!(!enter("2001:db8:0:1:ffff:ffff:ffff:ffff"), "the same network");
        assert!(enter("2001:db8:0:2::1"), "the next one");
        assert!(enter("::ffff:1.2.3.4"));
        assert!(!enter("1.2.3.4"), "the same address in its other form");
        assert!(enter("1.2.3.5"));
    }
}
