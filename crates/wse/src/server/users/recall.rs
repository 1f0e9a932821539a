//! Sends devices away that are to come back at once: their tokens have expired, or another server is to
//! have some of them.

use crate::server::{
    Server,
    users::{audience::Audience, conn::Conn, deliver, device::Device, user::User},
};
use std::time::Duration;
use tokio::time::Instant;
use wse_cluster::Scope;
use wse_proto::Restart;

impl Server {
    /// Lets devices connect anew: each is closed with 1012 `wse.restart after=MS`, comes back when it is
    /// told to, and `identify` decides about it again. Takes a [`Conn`], a [`Device`], a [`User`] or an
    /// [`Audience`] of this server; in a cluster the devices of other servers are left alone. Returns how many there
    /// were, after the last was asked to leave.
    ///
    /// They are closed evenly over `within`, the oldest of a user first. A running handler may finish and
    /// answer before. `MS` is 0, unless the returns were more than 90 % of
    /// [`Limits::returns_per_second`](crate::Limits::returns_per_second): then each client waits for its
    /// turn. As with a restart the session ends, so what the device has not acknowledged is lost.
    ///
    /// A device whose session waits for a connection is left alone, because `identify` decides when it
    /// comes. When the future is dropped, those whose turn has not come stay.
    ///
    /// ```
    /// # async fn example(server: wse::Server, conn: wse::Conn) {
    /// use std::time::Duration;
    ///
    /// server.recall(&conn, Duration::ZERO).await; // its token has expired
    /// server.recall(server.everyone(), Duration::from_secs(600)).await; // new servers are there
    /// # }
    /// ```
    pub async fn recall(&self, audience: impl Into<Audience>, within: Duration) -> usize {
        let conns = deliver::connected(&self.0, audience.into().recipients());
        let began = Instant::now();
        let count = conns.len();
        let turns = Restart::recall(count, self.0.env.limits.returns_per_second, within).turns();
        for (conn, turn) in conns.into_iter().zip(turns) {
            let due = began + turn.at;
            if due > Instant::now() {
                tokio::time::sleep_until(due).await;
            }
            if !conn.0.handle.is_parked() {
                conn.0.handle.drain(turn.end);
            }
        }
        count
    }
}

impl From<&Audience> for Audience {
    fn from(audience: &Audience) -> Self {
        audience.clone()
    }
}

impl From<&User> for Audience {
    fn from(user: &User) -> Self {
        Audience::new(user.server().clone(), Scope::User(user.cid().clone()))
    }
}

impl From<User> for Audience {
    fn from(user: User) -> Self {
        Audience::from(&user)
    }
}

impl From<&Device> for Audience {
    fn from(device: &Device) -> Self {
        Audience::new(device.server().clone(), Scope::Device(device.id()))
    }
}

impl From<Device> for Audience {
    fn from(device: Device) -> Self {
        Audience::from(&device)
    }
}

impl From<&Conn> for Audience {
    fn from(conn: &Conn) -> Self {
        Audience::new(conn.server(), Scope::Device(conn.id()))
    }
}

impl From<Conn> for Audience {
    fn from(conn: Conn) -> Self {
        Audience::from(&conn)
    }
}
