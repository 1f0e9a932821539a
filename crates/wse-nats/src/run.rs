//! Runs a bus over NATS: connects, carries datagrams, and begins again when the connection is lost.

use crate::{
    connection::{Connection, Publisher},
    nats::Nats,
    subjects::Subjects,
};
use async_nats::{ConnectOptions, ServerAddr};
use tokio::time::sleep;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use wse::cluster::{Arrivals, Bus, Order, Port, Retry, Seat};

/// Servers that are known at once, at most.
const SERVERS: usize = 64;

/// Why a connection was left.
enum End {
    /// The server that the bus belongs to has shut down.
    Shutdown,
    Lost(String),
}

impl Bus for Nats {
    async fn run(self, seat: Seat, mut port: Port) {
        // The library panics where two providers are compiled in and none was chosen.
        if CryptoProvider::get_default().is_none() {
            let _ = ring::default_provider().install_default();
        }
        let own = Subjects::of(&seat);
        let arrivals = port.arrivals();
        // each node begins with another server
        let first = seat.node().number() as usize % self.servers.len();
        let mut servers = Servers { configured: self.servers, told: Vec::new(), next: first };
        let mut retry = Retry::new();
        loop {
            let connection = tokio::select! {
                connection = servers.connect(&self.options, &own) => connection,
                () = shutdown(&mut port) => return,
            };
            let error = match connection {
                Ok(connection) => {
                    retry.up(&servers.last());
                    arrivals.link(true);
                    let end = carry(connection, &mut port, &arrivals, &own).await;
                    arrivals.link(false);
                    match end {
                        End::Shutdown => return,
                        End::Lost(error) => error,
                    }
                }
                Err(error) => error,
            };
            let wait = retry.down(&servers.last(), &error);
            tokio::select! {
                () = sleep(wait) => {}
                () = shutdown(&mut port) => return,
            }
        }
    }
}

/// Resolves when the server has shut down. There are no orders while the link is down; one that was on its way is
/// dropped.
async fn shutdown(port: &mut Port) {
    while port.next().await.is_some() {}
}

/// Carries datagrams both ways until the connection is lost. Reading never waits for publishing.
async fn carry(connection: Connection, port: &mut Port, arrivals: &Arrivals, own: &Subjects) -> End {
    let publisher = connection.publisher();
    tokio::select! {
        error = connection.read(arrivals, own) => End::Lost(error),
        end = publish(&publisher, port, own) => end,
    }
}

/// Publishes what is ordered.
async fn publish(publisher: &Publisher, port: &mut Port, own: &Subjects) -> End {
    loop {
        match port.next().await {
            Some(Order::Publish(to, datagram)) => publisher.publish(to, datagram, own).await,
            Some(Order::Reconnect) => {
                let error = publisher.error();
                return End::Lost(error.unwrap_or_else(|| "nothing comes back from it".to_owned()));
            }
            None => {
                publisher.flush().await;
                return End::Shutdown;
            }
        }
    }
}

/// The servers of a cluster of NATS, one of which is next.
struct Servers {
    configured: Vec<ServerAddr>,
    /// Named by a server.
    told: Vec<ServerAddr>,
    next: usize,
}

impl Servers {
    /// Connects to one of them; each is tried once, from the one after the last.
    async fn connect(&mut self, options: &ConnectOptions, own: &Subjects) -> Result<Connection, String> {
        let mut last = String::new();
        for _ in 0..self.count() {
            let server = self.at(self.next).clone();
            self.next = (self.next + 1) % self.count();
            match Connection::open(&server, options, own).await {
                Ok(connection) => {
                    self.learn(connection.others());
                    return Ok(connection);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Notes which servers there are besides. They are tried after those that are configured.
    fn learn(&mut self, urls: Vec<String>) {
        let last = self.last();
        let known = |server: &ServerAddr| {
            self.configured.iter().any(|own| own.host() == server.host() && own.port() == server.port())
        };
        let told = urls.iter().filter_map(|url| url.parse().ok()).filter(|server| !known(server));
        self.told = told.take(SERVERS.saturating_sub(self.configured.len())).collect();
        // the one after this one, wherever it stands now
        let at = (0..self.count()).find(|at| address(self.at(*at)) == last);
        self.next = at.map_or(0, |at| (at + 1) % self.count());
    }

    /// The one that was tried last.
    fn last(&self) -> String {
        address(self.at((self.next + self.count() - 1) % self.count()))
    }

    fn count(&self) -> usize {
        self.configured.len() + self.told.len()
    }

    fn at(&self, at: usize) -> &ServerAddr {
        self.configured.get(at).unwrap_or_else(|| &self.told[at - self.configured.len()])
    }
}

fn address(server: &ServerAddr) -> String {
    format!("{}:{}", server.host(), server.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(configured: &[&str]) -> Servers {
        Servers { configured: configured.iter().map(|url| url.parse().unwrap()).collect(), told: Vec::new(), next: 0 }
    }

    #[test]
    fn the_next_server_follows_the_last_one_when_others_become_known() {
        let mut servers = servers(&["a", "b:4223"]);
        servers.next = 1; // connected to a
        servers.learn(["b:4223", "c", "a:4222", "not an address", "d"].map(str::to_owned).to_vec());
        assert_eq!(servers.told.iter().map(address).collect::<Vec<_>>(), ["c:4222", "d:4222"]);
        assert_eq!((servers.last(), address(servers.at(servers.next))), ("a:4222".into(), "b:4223".into()));
        servers.next = 3; // connected to c
        servers.learn(["c".to_owned()].to_vec());
        assert_eq!((servers.count(), servers.last(), servers.next), (3, "c:4222".into(), 0));
        servers.next = 0; // c went, as was told by itself
        servers.learn(Vec::new());
        assert_eq!(servers.next, 0);
    }

    #[test]
    fn a_server_cannot_name_servers_without_end() {
        let mut servers = servers(&["a"]);
        servers.learn((0..1000).map(|at| format!("host-{at}")).collect());
        assert_eq!(servers.count(), SERVERS);
    }
}
