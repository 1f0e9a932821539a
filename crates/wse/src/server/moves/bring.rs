//! Brings the session of a device that comes back here from the node that has it.

use crate::{
    connection::spoken::Spoken,
    server::{
        Inner,
        moves::{Brought, Waiting, ask::Ask},
    },
};
use std::{net::IpAddr, time::Duration};
use tokio::{sync::oneshot, time::timeout};
use wse_cluster::{DeviceId, NodeId, TakeId};
use wse_proto::{Cid, Closed, Reason, Token};

/// How long a device waits for its session. Then its connection ends, and it comes again.
const PATIENCE: Duration = Duration::from_secs(2);

/// So many devices may wait at once, of all addresses and of one. Beyond, they come again.
const WAITING: usize = 1024;
const WAITING_OF_ADDRESS: usize = 64;

/// A wait. Dropped before its end it is forgotten: the session that comes all the same is parked here.
struct Wait<'a> {
    server: &'a Inner,
    take: TakeId,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.server.moves.lock().waiting.remove(&self.take);
    }
}

/// Brings the session of a token here, if another node has it. That may take some time; the device can resume it
/// afterwards as any other. While this node reaches no other, nobody waits: the device begins anew.
///
/// # Errors
/// When it is not known yet whether there is such a session. The connection ends, and the client tries again.
pub(crate) async fn bring(
    server: &Inner,
    spoken: &Spoken,
    addr: Option<IpAddr>,
    cid: &Cid,
    token: &Token,
    seen: u64,
) -> Result<(), Closed> {
    let (Some(member), Some((node, number))) = (&server.cluster, token.device()) else { return Ok(()) };
    let device = DeviceId::new(NodeId::new(node), number);
    if server.registry.device(device).is_some() {
        return Ok(());
    }
    let (owner, reached) = member.look(|node, time| (node.device(device), node.is_connected(time)));
    if !reached || owner.is_none_or(|(at, _)| at == member.id()) {
        return Ok(());
    }
    let again = Closed::broken(Reason::default());
    let ask = Ask {
        cid: cid.clone(),
        token: token.clone(),
        seen,
        protocol: spoken.protocol.name().to_owned(),
        format: spoken.codec.format(),
    };
    let (reply, brought) = oneshot::channel();
    let wait = {
        let mut moves = server.moves.lock();
        let of_address = moves.waiting.values().filter(|waiting| waiting.addr == addr).count();
        if moves.waiting.len() >= WAITING || addr.is_some() && of_address >= WAITING_OF_ADDRESS {
            return Err(again);
        }
        // Under the lock, so that the answer does not come before it is waited for.
        let take = member.with(|node, time| node.take(time, device, ask.write()));
        moves.waiting.insert(take, Waiting { addr, reply });
        Wait { server, take }
    };
    let brought = timeout(PATIENCE, brought).await;
    drop(wait);
    match brought {
        Ok(Ok(Brought::Here | Brought::Nothing)) => Ok(()),
        Ok(Ok(Brought::Again) | Err(_)) | Err(_) => Err(again),
    }
}
