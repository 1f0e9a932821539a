//! `Faults`: what an application's test says to a network. It may never touch a byte: what it says
//! is written down, and each connection heeds it by itself.

use super::{
    links::Links,
    rules::{Cut, Rules, Towards, Way},
};
use std::{sync::Arc, time::Duration};

/// What a network does to its connections; from [`Net::faults`](super::Net::faults) or
/// [`Proxy::faults`](super::Proxy::faults). A handle, cheap to clone.
///
/// It begins as *all connections, both ways*: those there are and those to come. [`nth`](Faults::nth)
/// and [`next`](Faults::next) narrow it to one connection, [`to_server`](Faults::to_server) and
/// [`to_client`](Faults::to_client) to one way. Every other method takes effect at once, also on
/// bytes that are under way; a connection has one value of each fault, and the last word wins.
///
/// ```
/// use std::time::Duration;
/// use wse::{Backoff, Server, test::Net};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::builder()
///     .identify(async |stranger, name: String| Ok(stranger.accept(name)))
///     .register("add", async |_, (a, b): (i64, i64)| Ok(a + b))
///     .build();
/// let net = Net::new(&server);
///
/// // 20 ms each way for everybody; the first connection breaks within the client's first frame,
/// // the second attempt is refused, the third is slow towards the client.
/// net.faults().latency(Duration::from_millis(20));
/// net.faults().nth(1).to_server().cut_after(220);
/// net.faults().nth(2).refuse();
/// net.faults().nth(3).to_client().bandwidth(10_000);
///
/// let client = net.client().identity("ann").reconnect(Backoff::default()).connect().await?;
/// assert_eq!(client.call::<_, i64>("add", (2, 3)).await?, 5);
/// assert_eq!(net.counts().connections, 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Faults {
    links: Arc<Links>,
    /// `None`: all.
    number: Option<u64>,
    /// `None`: both.
    towards: Option<Towards>,
}

impl Faults {
    pub(super) fn new(links: Arc<Links>) -> Self {
        Self { links, number: None, towards: None }
    }

    /// Only the connection of this number, whether it is there or to come. They are counted from 1,
    /// in the order in which clients dial, refused ones included. One that is over heeds nothing.
    pub fn nth(&self, number: u64) -> Self {
        Self { number: Some(number), ..self.clone() }
    }

    /// Only the next connection: the one after those that were dialed until now.
    pub fn next(&self) -> Self {
        self.nth(self.links.counts().connections + 1)
    }

    /// Only bytes that the client sends.
    pub fn to_server(&self) -> Self {
        Self { towards: Some(Towards::Server), ..self.clone() }
    }

    /// Only bytes that the server sends.
    pub fn to_client(&self) -> Self {
        Self { towards: Some(Towards::Client), ..self.clone() }
    }

    /// Cuts what is there, now; a connection to come is not touched. What is under way is lost. Who
    /// sees it is chosen by [`cut_as`](Faults::cut_as); a cut is for the whole connection, whatever
    /// the way.
    pub fn cut(&self) -> Self {
        self.links.cut(self.number);
        self.clone()
    }

    /// Cuts each connection when this many bytes of it were delivered in one direction: exactly
    /// these arrive, and not one more. On both ways each has its own count, and the first that is
    /// full cuts. 0 cuts as soon as the connection is made; a count that is full already cuts now.
    ///
    /// Bytes are those of the stream, from the HTTP request on. Until the welcome they are about 240
    /// each way for a short identity, and as many each time; the request is about 190 of them.
    pub fn cut_after(&self, bytes: u64) -> Self {
        self.way(|way| way.cut_after = Some(bytes))
    }

    /// To whom a cut shows itself, and how: [`Cut::Reset`] by default. For the cuts that follow,
    /// those of [`cut_after`](Faults::cut_after) too; whatever the way.
    pub fn cut_as(&self, cut: Cut) -> Self {
        self.change(|rules| rules.cut_as = cut)
    }

    /// Bytes vanish and nobody is told: both streams stay open. With one way only, the other goes on
    /// as before. What was under way vanishes too, and so does the end of the stream if the sender
    /// leaves. After [`heal`](Faults::heal) new bytes pass again; what has vanished stays lost, so a
    /// WebSocket is most likely broken by then.
    pub fn blackhole(&self) -> Self {
        self.blackhole_after(0)
    }

    /// The same, once this many bytes of the way were delivered.
    pub fn blackhole_after(&self, bytes: u64) -> Self {
        self.way(|way| way.vanish_after = Some(bytes))
    }

    /// Delays every byte, and the end of the stream, by this long; the order is kept. Rounded up to
    /// the next millisecond. It counts from when the network took the byte, so a change moves what is
    /// under way; a test that moves the clock by hand lets the tasks run before. Dialing itself takes
    /// no time.
    ///
    /// At most 64 KiB are under way in one direction; beyond that the sender is not read, as with a
    /// TCP window. So with 100 ms at most 640 KiB pass in a second.
    pub fn latency(&self, latency: Duration) -> Self {
        self.way(|way| way.latency = latency)
    }

    /// Lets this many bytes through in a second, evenly, in pieces of 10 ms (at least one byte).
    /// With 0 nothing moves, and nothing is lost: what waits goes on when another word is said.
    pub fn bandwidth(&self, bytes_per_second: u64) -> Self {
        self.way(|way| way.bandwidth = Some(bytes_per_second))
    }

    /// Delivers in pieces of at most this many bytes (0 counts as 1), so that frames come in parts.
    /// Between two pieces the reader has a turn; one that is slower, or that runs on another thread,
    /// may still find several at once.
    pub fn split(&self, bytes: usize) -> Self {
        self.way(|way| way.piece = Some(bytes.max(1)))
    }

    /// New connections fail, those there are go on. In memory the dial is an error
    /// (`ConnectionRefused`); over TCP the connection is accepted and reset at once, as the address
    /// must stay taken. Whatever the way.
    pub fn refuse(&self) -> Self {
        self.change(|rules| rules.refuse = true)
    }

    /// Takes all faults back, or those of the one way. What was cut stays cut, what has vanished
    /// stays lost; what was delayed comes at once.
    pub fn heal(&self) -> Self {
        match self.towards {
            Some(_) => self.way(|way| *way = Way::default()),
            None => self.change(|rules| *rules = Rules::default()),
        }
    }

    fn change(&self, change: impl Fn(&mut Rules)) -> Self {
        self.links.change(self.number, change);
        self.clone()
    }

    fn way(&self, change: impl Fn(&mut Way)) -> Self {
        let meant = |towards: &Towards| self.towards.is_none_or(|only| only == *towards);
        self.change(|rules| {
            let both = [Towards::Server, Towards::Client].into_iter().filter(meant);
            both.for_each(|towards| change(rules.way(towards)));
        })
    }
}
