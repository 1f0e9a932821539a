//! Looks at the presence of a user at this moment, under the lock under which it changes.

use crate::server::{
    Inner,
    users::{conn::Conn, status::Status},
};
use std::sync::Arc;
use wse_proto::Cid;

/// The presence of a user.
pub(crate) fn at_user(server: &Inner, cid: &Cid) -> Status {
    server.registry.with_devices(cid, |devices| {
        let devices = parked(devices).chain(server.parked_elsewhere(cid));
        Status::of(devices, || server.watching.lingers(cid))
    })
}

/// The presence of a user in a room.
pub(crate) fn at_user_in(server: &Inner, room: &Arc<str>, cid: &Cid) -> Status {
    server.registry.with_devices(cid, |devices| {
        let members = devices.iter().filter(|conn| server.rooms.is_member(room, conn.id()));
        Status::of(parked(members), || server.watching.lingers_in(room, cid))
    })
}

/// Which of these devices have lost their connections.
pub(crate) fn parked<'a>(devices: impl IntoIterator<Item = &'a Conn>) -> impl Iterator<Item = bool> {
    // Not whether it has a slot: it takes that after the registry was told, and the session is parked before.
    devices.into_iter().map(|conn| conn.0.handle.session(|session| session.is_parked()).unwrap_or(false))
}
