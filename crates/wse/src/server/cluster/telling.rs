//! Tells other servers what concerns the servers, and no device.

use crate::server::cluster::member::Member;
use bytes::Bytes;
use wse_cluster::NodeId;

/// Tells every other server where a room has members. `bodies` is called only if there is one.
pub(crate) fn nodes_of_room(member: &Member, room: &str, bodies: impl FnOnce() -> Vec<Bytes>) {
    let nodes = member.look(|node, _| node.nodes_of_room(room));
    if !nodes.is_empty() {
        tell(member, &nodes, &bodies());
    }
}

/// Tells some servers. One that is not reached now is told nothing. Returns whether all were told everything.
pub(crate) fn tell(member: &Member, nodes: &[NodeId], bodies: &[Bytes]) -> bool {
    member.with(|node, time| {
        let told = nodes.iter().flat_map(|to| bodies.iter().map(|body| (*to, body.clone())));
        told.fold(true, |all, (to, body)| node.app(time, to, body) && all)
    })
}
