//! What rooms retain, over the nodes of a cluster: every server where a room has members keeps it, and asks the
//! others for it when a room has its first member there.

use crate::server::{
    Inner,
    cluster::{
        member::Member,
        message::{
            send,
            values::{self, OF_ROOMS, Told},
        },
        telling,
    },
    users::deliver::nodes,
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use wse_cluster::{NodeId, Scope};

/// So long after a node has come it is asked what the rooms retain that both have: it has told its rooms then.
const SETTLED: Duration = Duration::from_secs(2);

/// So often it is tried, while the node is not reached.
const TRIES: usize = 30;

/// Does what another server says.
pub(crate) fn told(server: &Inner, from: NodeId, body: &Bytes) {
    if body.first() != Some(&OF_ROOMS) {
        return; // of a later version
    }
    match values::read(body) {
        Some(Told::Ask(rooms)) => rooms.iter().for_each(|room| _ = answer(server, from, room)),
        Some(Told::Value { room, sent, stamp }) => {
            let sort_out = |_: &_, members: &mut Vec<_>| server.moves.leave_out_moved(&room, members);
            nodes::retained(server, &room, (*sent, stamp), sort_out);
        }
        Some(Told::Forget { room, name, stamp }) => nodes::forgotten(server, &room, &name, stamp),
        None => tracing::warn!(what = "rooms", "malformed body from another node"),
    }
}

/// Tells another server what a room retains here. Returns whether it was told everything.
fn answer(server: &Inner, to: NodeId, room: &str) -> bool {
    let Some(member) = &server.cluster else { return true };
    let (values, forgotten) = server.rooms.retained(room);
    if values.is_empty() && forgotten.is_empty() {
        return true;
    }
    let codecs = member.look(|node, _| node.codecs(&Scope::Everyone.into()));
    let values = values.iter().filter_map(|value| {
        let sent = send::write(server, &value.message, codecs, Some(value.stamp))?;
        Some(values::value(room, &sent))
    });
    let forgotten = forgotten.iter().map(|(name, stamp)| values::forget(room, name, *stamp));
    telling::tell(member, &[to], &values.chain(forgotten).collect::<Vec<_>>())
}

/// Asks a node that has come, or has come back, what the rooms retain that both have. To be called in a runtime.
pub(crate) fn up(server: &Arc<Inner>, node: NodeId) {
    repeat(server, node, move |server, member| {
        let rooms = shared(server, member, node);
        telling::tell(member, &[node], &values::ask(rooms.iter().map(|room| &**room)))
    });
}

/// Asks all nodes the same: this one did not hear the others, nor they it. To be called in a runtime.
pub(crate) fn back(server: &Arc<Inner>) {
    let Some(member) = &server.cluster else { return };
    let nodes = member.look(|node, _| node.nodes());
    nodes.into_iter().filter(|(node, _)| *node != member.id()).for_each(|(node, _)| up(server, node));
}

/// Tells a node that has missed something what the rooms retain that both have. To be called in a runtime.
pub(crate) fn missed(server: &Arc<Inner>, node: NodeId) {
    let mut rooms = None;
    repeat(server, node, move |server, member| {
        let rooms = rooms.get_or_insert_with(|| shared(server, member, node));
        while rooms.last().is_some_and(|room| answer(server, node, room)) {
            rooms.pop();
        }
        let is_done = rooms.is_empty();
        if !is_done {
            rooms.rotate_right(1); // what is too big for other nodes keeps no other room back
        }
        is_done
    });
}

/// Does something for a node that is there, once it may have settled, until it is done.
fn repeat(server: &Arc<Inner>, node: NodeId, mut does: impl FnMut(&Inner, &Member) -> bool + Send + 'static) {
    let server = Arc::downgrade(server);
    tokio::spawn(async move {
        for _ in 0..TRIES {
            tokio::time::sleep(SETTLED).await;
            let Some(server) = server.upgrade() else { return };
            let Some(member) = &server.cluster else { return };
            let is_there = member.look(|member, _| member.nodes().iter().any(|(id, _)| *id == node));
            if !is_there || does(&server, member) {
                return;
            }
        }
    });
}

/// The rooms that have members here and at another node.
fn shared(server: &Inner, member: &Member, node: NodeId) -> Vec<Arc<str>> {
    let mut rooms: Vec<Arc<str>> = server.rooms.names();
    rooms.retain(|room| member.look(|it, _| it.nodes_of_room(room).contains(&node)));
    rooms
}
