//! Tells a device the presence of a room, as messages: a task for each device and room, which waits while the
//! device reads slowly, and tells then what is true.

use crate::{
    error::SendError,
    server::users::{
        changes::Changes,
        conn::Conn,
        joining::{JoinError, check_name},
        rooms::Refused,
        status::{Change, Status},
    },
};
use serde::{Serialize, Serializer};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The name of these messages.
const PRESENCE: &str = "wse:presence";

/// Bytes of one message, more or less.
const PAGE: usize = 16 << 10;

/// Bytes of an entry beside those of the cid.
const ENTRY: usize = 16;

/// What a device is told.
#[derive(Serialize)]
#[serde(untagged)]
enum Told<'a> {
    /// Everybody in the room. It takes the place of what was told before.
    All { room: &'a str, all: Entries<'a> },
    /// One change.
    One { room: &'a str, cid: &'a str, status: Status },
    /// Several changes, or more of a large room.
    More { room: &'a str, more: Entries<'a> },
}

/// Users and their presence, as pairs.
struct Entries<'a>(&'a [Change]);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|change| (change.cid.as_str(), change.status)))
    }
}

impl Conn {
    /// Tells this device the presence of the users in a room, until it [leaves](Conn::leave) the room or its
    /// user. It need not be a member. A second call for the room changes nothing. Where [`on_send`] stops one of
    /// the messages, the telling ends, and a further call begins it anew.
    ///
    /// The device gets messages `wse:presence`. The first has everybody who is there:
    /// `{"room":"tea","all":[["ann","online"],["bob","away"]]}`. A change is
    /// `{"room":"tea","cid":"ann","status":"offline"}`. Several at once are
    /// `{"room":"tea","more":[["ann","away"],["eve","online"]]}`, as is the rest of a room with more users than fit
    /// into the first. A device that reads slowly is told less often.
    ///
    /// ```
    /// # fn example(conn: wse::Conn) -> Result<(), Box<dyn std::error::Error>> {
    /// conn.join("tea")?;
    /// conn.presence_for("tea")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`on_send`]: crate::ServerBuilder::on_send
    ///
    /// # Errors
    /// [`JoinError`]: a device is told the presence of [`Limits::rooms_per_conn`](crate::Limits::rooms_per_conn)
    /// rooms.
    pub fn presence_for(&self, room: &str) -> Result<(), JoinError> {
        check_name(room)?;
        let (server, room) = (&self.0.server, Arc::<str>::from(room));
        let ended = server.registry.with_devices(self.cid(), |devices| match devices.contains(self) {
            true => server.rooms.tell(self, &room).map_err(|_: Refused| JoinError::TooMany),
            false => Err(JoinError::Gone),
        })?;
        let Some(ended) = ended else { return Ok(()) };
        let mut changes = Changes::of_room(server, room.clone());
        let first = page(&mut changes, Vec::new());
        if self.send(PRESENCE, Told::All { room: &room, all: Entries(&first) }).is_ok()
            && let Some(runtime) = &self.0.runtime
        {
            runtime.spawn(tell(self.clone(), room, changes, ended));
        }
        Ok(())
    }
}

/// Tells a device of every change, until that is to end.
async fn tell(conn: Conn, room: Arc<str>, changes: Changes, ended: oneshot::Receiver<()>) {
    tokio::select! {
        biased; // once it is to end, nothing more is told
        _ = ended => {}
        _ = tell_on(&conn, &room, changes) => {}
    }
}

async fn tell_on(conn: &Conn, room: &str, mut changes: Changes) -> Result<(), SendError> {
    loop {
        conn.ready().await?;
        let Some(first) = changes.next().await else { return Ok(()) };
        let told = page(&mut changes, vec![first]);
        let told = match &told[..] {
            [Change { cid, status }] => Told::One { room, cid: cid.as_str(), status: *status },
            more => Told::More { room, more: Entries(more) },
        };
        conn.send(PRESENCE, told)?;
    }
}

/// Adds the changes that have happened, as many as fit into a message.
fn page(changes: &mut Changes, mut page: Vec<Change>) -> Vec<Change> {
    let mut bytes: usize = page.iter().map(bytes_of).sum();
    while bytes < PAGE
        && let Some(change) = changes.next_now()
    {
        bytes += bytes_of(&change);
        page.push(change);
    }
    page
}

fn bytes_of(change: &Change) -> usize {
    change.cid.as_str().len() + ENTRY
}
