//! What shall happen to the bytes of a connection, as values. It may never know a stream or a
//! clock.

use std::time::Duration;

/// How a cut shows itself to the two ends of a connection; [`Faults::cut_as`](super::Faults::cut_as)
/// chooses it.
///
/// | | over TCP | in memory |
/// |---|---|---|
/// | `Reset` | both ends get a reset (RST) | both streams end, writing fails |
/// | `Fin` | both streams end in order (FIN), writing fails after that | the same as `Reset` |
/// | `ClientOnly` | the client gets a reset; to the server nothing has happened | the client's stream ends |
/// | `ServerOnly` | the server gets a reset; to the client nothing has happened | the server's stream ends |
///
/// What was delivered before a cut can still be read, but after a reset over TCP only where the
/// operating system keeps it, as Linux does. In no case is there a close frame: the library sees
/// 1006.
///
/// With the last two the connection is *half-open*: bytes of the end that was not told vanish, its
/// stream stays open, and the connection counts as live until that end leaves as well or
/// another cut tells it.
///
/// ```
/// use wse::{Server, test::{Cut, Net}};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::builder().identify(async |stranger, name: String| Ok(stranger.accept(name))).build();
/// let net = Net::new(&server);
/// let _ann = net.client().identity("ann").connect().await?;
///
/// net.faults().cut_as(Cut::ClientOnly).cut();
/// assert_eq!(net.counts().live, 1, "the server still takes her for connected");
/// net.until(|counts| counts.live == 0).await; // 35 s later its ping was not answered
/// # Ok(())
/// # }
/// ```
#[doc(alias = "half-open")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cut {
    /// Both ends see it, abruptly.
    #[default]
    Reset,
    /// Both ends see it as an orderly end of the stream.
    Fin,
    /// Only the client sees it, abruptly.
    ClientOnly,
    /// Only the server sees it, abruptly.
    ServerOnly,
}

/// The faults of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    pub(super) to_server: Way,
    pub(super) to_client: Way,
    pub(super) cut_as: Cut,
    pub(super) refuse: bool,
}

/// The faults of one way of a connection. Bytes are counted from its start, as they are delivered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Way {
    pub(super) latency: Duration,
    /// Bytes a second; 0: nothing moves.
    pub(super) bandwidth: Option<u64>,
    /// The most that is delivered at once.
    pub(super) piece: Option<usize>,
    pub(super) cut_after: Option<u64>,
    pub(super) vanish_after: Option<u64>,
}

/// Where bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Towards {
    Server,
    Client,
}

impl Rules {
    pub(super) fn way(&mut self, towards: Towards) -> &mut Way {
        match towards {
            Towards::Server => &mut self.to_server,
            Towards::Client => &mut self.to_client,
        }
    }
}
