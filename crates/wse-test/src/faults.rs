//! `Faults`: how a test changes what a network does to its connections. It writes settings down and
//! touches no byte; each relay reads its own.

use crate::{
    connections::Connections,
    cut_orders::CutOrder,
    settings::{Cut, Direction, DirectionSettings, Settings},
};
use std::{panic::Location, sync::Arc, time::Duration};

/// What a network does to its connections, from [`Net::faults`](crate::Net::faults) or
/// [`Proxy::faults`](crate::Proxy::faults). A handle, cheap to clone.
///
/// It begins as *all connections, both directions*: the live ones and those to come.
/// [`nth`](Faults::nth) and [`next`](Faults::next) narrow it to one connection,
/// [`to_server`](Faults::to_server) and [`to_client`](Faults::to_client) to one direction. Every
/// other method takes effect at once, also on bytes in flight. A connection has one value of each
/// fault, and the last one set counts.
///
/// A cut that does not happen would prove nothing. So a network that is dropped panics when a connection
/// that was to be cut was not: it ended before, had fewer bytes, or was never there. Of a cut for all
/// connections, one has to happen. [`heal`](Faults::heal) takes back what may stay undone.
///
/// ```
/// use std::time::Duration;
/// use wse::{Backoff, Server};
/// use wse_test::Net;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::builder()
///     .identify(async |stranger, name: String| Ok(stranger.accept(name)))
///     .register("add", async |_, (a, b): (i64, i64)| Ok(a + b))
///     .build();
/// let net = Net::new(&server);
///
/// // 20 ms each way for all connections. The first one breaks within the client's first frame, the
/// // second is refused, the third is slow towards the client.
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
    connections: Arc<Connections>,
    /// `None`: all.
    number: Option<u64>,
    /// `None`: both.
    direction: Option<Direction>,
}

impl Faults {
    pub(crate) fn new(connections: Arc<Connections>) -> Self {
        Self { connections, number: None, direction: None }
    }

    /// Only the connection of this number, live or to come. Connections are counted from 1, in the
    /// order in which clients dial, refused ones included. For one that has ended nothing happens.
    pub fn nth(&self, number: u64) -> Self {
        Self { number: Some(number), ..self.clone() }
    }

    /// Only the next connection: the one after those that were dialed until now.
    pub fn next(&self) -> Self {
        self.nth(self.connections.counts(None).connections + 1)
    }

    /// Only bytes that the client sends.
    pub fn to_server(&self) -> Self {
        Self { direction: Some(Direction::ToServer), ..self.clone() }
    }

    /// Only bytes that the server sends.
    pub fn to_client(&self) -> Self {
        Self { direction: Some(Direction::ToClient), ..self.clone() }
    }

    /// Cuts live connections now. Connections to come are not touched. Bytes in flight are lost.
    /// [`cut_as`](Faults::cut_as) chooses which end sees it. A cut always cuts both directions.
    #[track_caller]
    pub fn cut(&self) -> Self {
        if !self.connections.cut(self.number) {
            self.order("cut()");
        }
        self.clone()
    }

    /// Cuts each connection when this many of its bytes were delivered in one direction: exactly
    /// these arrive, and not one more. With both directions each has its own count, and the first
    /// that is full cuts. 0 cuts as soon as the connection is made. A count that is full already cuts
    /// now.
    ///
    /// Bytes are those of the stream, from the HTTP request on. Until the welcome they are about 240
    /// each way for a short identity, and the same number each time. The request is about 190 of them.
    #[track_caller]
    pub fn cut_after(&self, bytes: u64) -> Self {
        self.order("cut_after()");
        self.set(|direction| direction.cut_after = Some(bytes))
    }

    /// Cuts within the next answer to a call: the procedure was called, and who has called it does not get
    /// the answer on this connection. Only the first connection that brings an answer is cut. After
    /// [`to_client`](Faults::to_client) only answers to calls of the client count, and after
    /// [`to_server`](Faults::to_server) only those to calls of the server.
    ///
    /// An answer is told by the begin of its frame, on the wires that the library knows. One that is
    /// compressed or goes through TLS is not seen, so the cut does not happen.
    ///
    /// ```
    /// use wse::{Backoff, Server};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::builder()
    ///     .identify(async |stranger, name: String| Ok(stranger.accept(name)))
    ///     .register("add", async |_, (a, b): (i64, i64)| Ok(a + b))
    ///     .build();
    /// let net = wse_test::Net::new(&server);
    /// let client = net.client().identity("ann").reconnect(Backoff::default()).connect().await?;
    ///
    /// net.faults().cut_in_next_call();
    /// assert_eq!(client.call::<_, i64>("add", (2, 3)).await?, 5, "the session has the answer");
    /// assert_eq!((net.counts().connections, net.counts().cuts), (2, 1));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn cut_in_next_call(&self) -> Self {
        self.order("cut_in_next_call()");
        self.set(|direction| direction.cut_in_answer = true)
    }

    /// Chooses which end sees the cuts that follow, those of [`cut_after`](Faults::cut_after) too, and
    /// how. The default is [`Cut::Reset`]. It holds for both directions.
    pub fn cut_as(&self, cut: Cut) -> Self {
        self.change(|settings| settings.cut_as = cut)
    }

    /// Discards bytes and tells neither end: both streams stay open. With one direction only, the
    /// other still works. Bytes in flight are discarded too, and so is the end of the stream
    /// when the sender leaves. After [`heal`](Faults::heal) new bytes pass again. Discarded bytes stay
    /// lost, so a WebSocket is most likely broken by then.
    pub fn blackhole(&self) -> Self {
        self.blackhole_after(0)
    }

    /// The same, once this many bytes of the direction were delivered.
    pub fn blackhole_after(&self, bytes: u64) -> Self {
        self.set(|direction| direction.discard_after = Some(bytes))
    }

    /// Delays every byte, and the end of the stream, by this duration. The order is kept. The delay
    /// is rounded up to the next millisecond. It counts from when the network read the byte, so a
    /// change moves bytes in flight; a test that moves the clock by hand lets the tasks run before.
    /// Dialing itself takes no time.
    ///
    /// At most 64 KiB are in flight in one direction. Beyond that the network does not read from the
    /// sender, as with a TCP window. So with 100 ms at most 640 KiB pass in a second.
    pub fn latency(&self, latency: Duration) -> Self {
        self.set(|direction| direction.latency = latency)
    }

    /// Delivers this many bytes a second, evenly, in pieces of 10 ms (at least one byte). With 0
    /// nothing moves and nothing is lost: the bytes move again when another bandwidth is set.
    pub fn bandwidth(&self, bytes_per_second: u64) -> Self {
        self.set(|direction| direction.bandwidth = Some(bytes_per_second))
    }

    /// Delivers in pieces of at most this many bytes (0 counts as 1), so that frames arrive in parts.
    /// The reader runs between two pieces. A reader that is slower, or that runs on another thread,
    /// may still find several at once.
    pub fn split(&self, bytes: usize) -> Self {
        self.set(|direction| direction.piece = Some(bytes.max(1)))
    }

    /// Refuses new connections; live ones stay. In memory the dial fails with `ConnectionRefused`. Over
    /// TCP the proxy accepts and resets at once, since it must keep its address. It holds for both
    /// directions.
    pub fn refuse(&self) -> Self {
        self.change(|settings| settings.refuse = true)
    }

    /// Takes all faults back, or those of the one direction, with the cuts that have not happened.
    /// Connections that were cut stay cut, and discarded bytes stay lost. Delayed bytes are delivered at
    /// once.
    pub fn heal(&self) -> Self {
        self.connections.orders().take_back(self.number, self.direction);
        match self.direction {
            Some(_) => self.set(|direction| *direction = DirectionSettings::default()),
            None => self.change(|settings| *settings = Settings::default()),
        }
    }

    /// Notes a cut that has to happen.
    #[track_caller]
    fn order(&self, what: &'static str) {
        let ordered = CutOrder { number: self.number, direction: self.direction, what, place: Location::caller() };
        self.connections.orders().add(ordered);
    }

    fn change(&self, change: impl Fn(&mut Settings)) -> Self {
        self.connections.change(self.number, change);
        self.clone()
    }

    fn set(&self, set: impl Fn(&mut DirectionSettings)) -> Self {
        let chosen = |direction: &Direction| self.direction.is_none_or(|only| only == *direction);
        self.change(|settings| {
            let both = [Direction::ToServer, Direction::ToClient].into_iter().filter(chosen);
            both.for_each(|direction| set(settings.of(direction)));
        })
    }
}
