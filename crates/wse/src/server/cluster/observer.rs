//! Tells the node of the devices of its server, as they come and go. It is told under the lock of a user's
//! shard, so the node hears of the devices of one user in the order in which it happened.

use crate::server::{
    cluster::{closing, codecs, member::Member},
    users::{
        change::{Change, Handled, Observer},
        conn::Conn,
        watching::is_goodbye,
    },
};
use std::sync::Arc;
use wse_cluster::{Entry, Hlc, Leaving};

pub(crate) struct TellsNode(pub(crate) Arc<Member>);

impl Observer<Conn> for TellsNode {
    fn changed(&self, change: &Change<'_, Conn>) -> Option<Handled> {
        let member = &self.0;
        match *change {
            Change::Connected { device, unconfirmed } => {
                let entry = entry(device, unconfirmed);
                member.with(|node, time| node.enter(time, entry));
            }
            Change::Confirmed(device) => member.with(|node, time| node.confirm(time, device.id())),
            Change::Parked(device) => member.with(|node, time| node.park(time, device.id(), true)),
            Change::Resumed(device) => member.with(|node, time| node.park(time, device.id(), false)),
            Change::Disconnected(device, closed) => {
                let leaving = Leaving { clean: is_goodbye(device, closed), closed: closing::write(closed) };
                member.with(|node, time| node.leave(time, device.id(), leaving));
            }
            Change::Joined(_) | Change::Left { .. } => {} // all nodes together decide who is there
            Change::MovedIn(_) | Change::MovedOut(..) => {} // it has said so
        }
        None
    }
}

fn entry(device: &Conn, trial: bool) -> Entry {
    let handle = &device.0.handle;
    Entry {
        id: device.id(),
        cid: device.cid().clone(),
        since: Hlc::default(), // the node makes it
        hop: 0,
        codec: codecs::number_of(handle.codec()),
        parked: false,
        session: handle.session(|_| ()).is_some(),
        trial,
    }
}
