//! Who is there, of all nodes: what a node knows of the others needs no question to them.

use crate::server::{Inner, cluster::member::Member};
use std::collections::HashSet;
use wse_proto::Cid;

/// Users that are looked at while the node waits: a millisecond, more or less.
const STEP: usize = 10_000;

/// Calls `each` with every user who has a device at any node, in no order.
pub(crate) fn each_user(member: &Member, mut each: impl FnMut(&Cid)) {
    let mut next = Some(0);
    while let Some(from) = next {
        next = member.look(|node, _| node.users(from, STEP, &mut each));
    }
}

impl Inner {
    /// How many users and devices are there.
    pub(crate) fn counts(&self) -> (usize, usize) {
        match &self.cluster {
            Some(member) => member.look(|node, _| node.counts()),
            None => self.registry.counts(),
        }
    }

    /// Every user with a device, in no order.
    pub(crate) fn cids(&self) -> Vec<Cid> {
        let here = self.registry.cids();
        let Some(member) = &self.cluster else { return here };
        let mut all: HashSet<Cid> = here.into_iter().collect();
        each_user(member, |cid| {
            if !all.contains(cid) {
                all.insert(cid.clone());
            }
        });
        all.into_iter().collect()
    }

    /// Which devices of a user at other nodes have lost their connections.
    pub(crate) fn parked_elsewhere(&self, cid: &Cid) -> Vec<bool> {
        let Some(member) = &self.cluster else { return Vec::new() };
        let devices = member.look(|node, _| node.devices_of(cid));
        devices.into_iter().filter(|(at, _)| *at != member.id()).map(|(_, device)| device.parked).collect()
    }
}
