//! A room as an address. It holds no connection.

use crate::{
    app::names::{Message, Procedure},
    error::SendError,
    server::{
        Server,
        cluster::member::Member,
        users::{
            answers::Answers,
            audience::Audience,
            changes::Changes,
            conn::Conn,
            deliver::{self, Delivered},
            device::Device,
            encoded::Encoded,
            retained::RetainError,
        },
    },
};
use serde::Serialize;
use std::{fmt, sync::Arc};
use wse_cluster::{DeviceId, Recipients, Scope};
use wse_proto::Cid;

/// A room as an address, made of its name by [`Server::room`]: what is done with it reaches the devices that
/// are in it at that moment, which may be none.
///
/// A device [joins](Conn::join) a room and leaves it, as does [a user](crate::User::join) with all devices. A
/// room is there while it has members.
///
/// ```
/// # fn example(conn: wse::Conn) -> Result<(), Box<dyn std::error::Error>> {
/// conn.join("tea")?;
/// let tea = conn.server().room("tea");
/// tea.send("said", "hello")?;                                   // to all members
/// tea.except(&conn).send("came", conn.cid().as_str())?;         // to the others
/// tea.retain("topic", "Assam")?;                                // and to those who come later
/// println!("{tea} has {} devices", tea.count());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Room {
    server: Server,
    name: Arc<str>,
}

impl Server {
    /// A room as an address. It may have members or not.
    pub fn room(&self, name: impl Into<Arc<str>>) -> Room {
        Room { server: self.clone(), name: name.into() }
    }
}

impl Room {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server that reaches it.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// All devices that are in it, in no order, of all servers of a cluster: as addresses. Without a cluster it waits
    /// for nothing; in one, for the other servers that have members, at most
    /// [`Limits::rpc_timeout`](crate::Limits::rpc_timeout). The members of a server that does not answer are left
    /// out.
    pub async fn devices(&self) -> Vec<Device> {
        let ids = deliver::ids(&self.server.0, &self.recipients()).await;
        ids.into_iter().map(|id| self.server.device(id)).collect()
    }

    /// The devices that are in it, in no order. In a cluster they are those of this server;
    /// [`devices`](Self::devices) has all of them.
    pub fn members(&self) -> Vec<Conn> {
        self.server.0.rooms.members(&self.name)
    }

    /// How many devices are in it, of all servers of a cluster. What other servers have is known by the counts that
    /// they tell, at most once a second for each room; that a server has members at all is told at once.
    pub fn count(&self) -> usize {
        let here = self.server.0.rooms.count(&self.name);
        let elsewhere = |member: &Arc<Member>| member.look(|node, _| node.members_elsewhere(&self.name));
        here + self.server.0.cluster.as_ref().map_or(0, elsewhere)
    }

    /// All devices in it but one, given as a [`Conn`] or by its id.
    pub fn except(&self, device: impl Into<DeviceId>) -> Audience {
        Audience::from(self).except(device)
    }

    /// All devices in it but those of a user.
    pub fn except_user(&self, cid: impl Into<Cid>) -> Audience {
        Audience::from(self).except_user(cid)
    }

    /// Queues a message for every member. Returns how many devices took it.
    ///
    /// # Errors
    /// When no wire of the receivers can carry the payload, or its frame is larger than a queue; no device
    /// got anything then.
    pub fn send<P: Serialize>(&self, message: impl Message<P>, payload: P) -> Result<Delivered, SendError> {
        deliver::send(&self.server.0, &self.recipients(), message, &payload)
    }

    /// Calls a procedure of every member. The answers come as a stream, or [all](Answers::all), the
    /// [first](Answers::first) or [some](Answers::quorum) of them.
    pub fn ask<P: Serialize, R>(&self, rp: impl Procedure<P, R>, payload: P) -> Answers<R> {
        deliver::ask(&self.server.0, &self.recipients(), rp.name(), &payload)
    }

    /// Queues a message that was [encoded](Server::encode) before. Returns how many devices took it.
    pub fn send_encoded(&self, message: &Encoded) -> Delivered {
        deliver::send_encoded(&self.server.0, &self.recipients(), message)
    }

    /// Queues a message for every member, and keeps it in place of the last of that name: who joins later gets
    /// it right behind joining, before anything else that the room is sent. Returns how many devices took it.
    ///
    /// A room retains messages of up to 16 names, together of at most
    /// [`Limits::queue_bytes`](crate::Limits::queue_bytes). They go with its last member; a room without members
    /// keeps nothing.
    ///
    /// In a cluster each server that has members keeps them, and all of them the same: of two messages of one name
    /// the newer one, by a clock that is never behind what its server has seen. Members that have got the newer one do
    /// not get the older one any more. A server asks the others when the room has its first member there, so that
    /// one may get other messages of the room before what it retains. What a server retains is lost with its last
    /// member if no other server has one, and does not reach a server that is cut off at that moment; when both are
    /// together again they keep the newer ones.
    ///
    /// # Errors
    /// [`RetainError`](crate::room::RetainError); then nothing was sent or kept.
    pub fn retain<P: Serialize>(&self, message: impl Message<P>, payload: P) -> Result<Delivered, RetainError> {
        let message = self.server.encode(message, payload)?;
        deliver::retain(&self.server.0, &self.name, message)
    }

    /// Forgets what is retained under that name, which the members keep, at all servers of a cluster. False when this
    /// server retains nothing under it.
    pub fn forget(&self, name: &str) -> bool {
        deliver::forget(&self.server.0, &self.name, name)
    }

    /// The presence of the users in this room: who is in it at first, then every change. In a cluster it is that of
    /// the members at this server.
    ///
    /// A user is online while one of its devices in the room is connected, away while all of them have lost
    /// their connections, and offline when it has left the room: by [`leave`](Conn::leave), by a goodbye, or
    /// when none of its devices has joined again within
    /// [`Limits::presence_grace`](crate::Limits::presence_grace). One that is offline is not mentioned at first.
    pub fn watch(&self) -> Changes {
        Changes::of_room(&self.server.0, self.name.clone())
    }

    fn recipients(&self) -> Recipients {
        Scope::Room(self.name.clone()).into()
    }
}

impl From<&Room> for Audience {
    fn from(room: &Room) -> Self {
        Audience::new(room.server.clone(), Scope::Room(room.name.clone()))
    }
}

impl From<Room> for Audience {
    fn from(room: Room) -> Self {
        Audience::from(&room)
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Room({:?})", self.name)
    }
}
