//! How devices and users come into rooms, and leave them.

use crate::server::{
    Inner,
    users::{
        conn::Conn,
        rooms::Refused,
        shown::{Shown, Unseen},
        user::User,
    },
};
use std::sync::Arc;
use wse_proto::Cid;

/// Bytes of the longest name of a room.
const NAME_BYTES: usize = 256;

/// A device or user did not come into a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The name is empty, or longer than 256 bytes.
    #[error("the name of a room has 1 to 256 bytes")]
    Name,
    /// The device is in [`Limits::rooms_per_conn`](crate::Limits::rooms_per_conn) rooms already; for a user,
    /// the user or one of its devices is.
    #[error("in too many rooms already")]
    TooMany,
    /// The device has left, or the user has no device.
    #[error("not connected")]
    Gone,
}

/// Who joins.
#[derive(Clone, Copy)]
enum Joining<'a> {
    /// This device.
    Device(&'a Conn),
    /// All devices of a user, also those that come later.
    User,
    /// A device that has come later, if its user is still in the room.
    Late(&'a Conn),
}

impl Conn {
    /// Puts this device into a room, if it is not in it yet. A room is there as long as it has members, and
    /// its name is any text of 1 to 256 bytes.
    ///
    /// From now on the device gets what is sent to [the room](crate::Server::room): first what the room
    /// [retains](crate::Room::retain). It stays a member while its session waits for a connection, and
    /// leaves the room when it leaves its user.
    ///
    /// ```
    /// # fn example(conn: wse::Conn) -> Result<(), Box<dyn std::error::Error>> {
    /// conn.join("tea")?;
    /// conn.server().room("tea").except(&conn).send("came", conn.cid().as_str())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`JoinError`]; the device is in no more rooms than before.
    pub fn join(&self, room: &str) -> Result<(), JoinError> {
        join(&self.0.server, self.cid(), room, Joining::Device(self))
    }

    /// Takes this device out of a room, and ends what it is [told](Conn::presence_for) of its presence. False
    /// when it was no member.
    pub fn leave(&self, room: &str) -> bool {
        let server = &self.0.server;
        server.registry.with_devices(self.cid(), |_| server.rooms.leave(self, room))
    }

    /// The rooms that this device is in, in the order in which it joined them.
    pub fn rooms(&self) -> Vec<Arc<str>> {
        self.0.server.rooms.of_device(self.id())
    }
}

impl User {
    /// Puts all devices of the user into a room: those that are there, and those that come while the user is
    /// there. One of them can still [leave](Conn::leave). In a cluster these are the devices at this server.
    ///
    /// # Errors
    /// [`JoinError`]; [`Gone`](JoinError::Gone) for a user without devices, of whom nothing is kept.
    pub fn join(&self, room: &str) -> Result<(), JoinError> {
        join(&self.server().0, self.cid(), room, Joining::User)
    }

    /// Takes all devices of the user at this server out of a room, also those that joined it by themselves, and puts none
    /// that comes later into it. False when there was nothing to do.
    pub fn leave(&self, room: &str) -> bool {
        let server = &self.server().0;
        server.registry.with_devices(self.cid(), |devices| {
            let user = server.rooms.leave_user(self.cid(), room);
            devices.iter().fold(user, |left, conn| server.rooms.leave(conn, room) || left)
        })
    }

    /// The rooms that the user has [joined](User::join) as a whole, in that order.
    pub fn rooms(&self) -> Vec<Arc<str>> {
        self.server().0.rooms.of_user(self.cid())
    }
}

/// Puts a device that has just come into the rooms of its user.
pub(crate) fn join_rooms_of_user(conn: &Conn) {
    let server = &conn.0.server;
    for room in server.rooms.of_user(conn.cid()) {
        // It fails only for a device that has left again, or that the application has put into too many rooms
        // meanwhile.
        let _ = join(server, conn.cid(), &room, Joining::Late(conn));
    }
}

/// Puts a device whose session has come from another node into a room that it was in there. What the room retains it
/// has already.
pub(crate) fn join_moved(conn: &Conn, room: &str) {
    let server = &conn.0.server;
    server.registry.with_devices(conn.cid(), |devices| {
        if check_name(room).is_ok() && devices.contains(conn) {
            // It fails only for one room more than a device may be in here.
            let _ = server.rooms.enter(conn, room, None);
        }
    });
}

fn join(server: &Inner, cid: &Cid, room: &str, who: Joining<'_>) -> Result<(), JoinError> {
    check_name(room)?;
    let mut shown = Shown::default();
    loop {
        let entered = server.registry.with_devices(cid, |devices| enter(server, cid, devices, room, who, &shown));
        match entered? {
            None => return Ok(()),
            Some(unseen) => shown.show(unseen),
        }
    }
}

pub(crate) fn check_name(room: &str) -> Result<(), JoinError> {
    if (1..=NAME_BYTES).contains(&room.len()) { Ok(()) } else { Err(JoinError::Name) }
}

/// Puts devices into a room, under the lock of their user's shard: all or none. Returns what the hook has to
/// see before.
fn enter(
    server: &Inner,
    cid: &Cid,
    devices: &[Conn],
    room: &str,
    who: Joining<'_>,
    shown: &Shown,
) -> Result<Option<Unseen>, JoinError> {
    let rooms = &server.rooms;
    let devices = match who {
        Joining::Device(conn) | Joining::Late(conn) => {
            devices.iter().find(|other| *other == conn).map(std::slice::from_ref).unwrap_or_default()
        }
        Joining::User => devices,
    };
    if devices.is_empty() {
        return Err(JoinError::Gone);
    }
    if devices.iter().any(|conn| rooms.is_full(conn, room)) {
        return Err(JoinError::TooMany);
    }
    match who {
        Joining::Device(_) => {}
        Joining::User => match rooms.enter_user(cid, room) {
            Ok(()) => {}
            Err(_) => return Err(JoinError::TooMany),
        },
        Joining::Late(_) if !rooms.of_user(cid).iter().any(|name| **name == *room) => return Ok(None),
        Joining::Late(_) => {}
    }
    for conn in devices {
        match rooms.enter(conn, room, Some(shown)) {
            Ok(()) => {}
            Err(Refused::TooMany | Refused::Older) => return Err(JoinError::TooMany),
            Err(Refused::Unseen(unseen)) => return Ok(Some(unseen)),
        }
    }
    Ok(None)
}
