//! The faults that a test has set for a connection, as values. They know no stream and no clock.

use std::time::Duration;

/// How a cut shows itself to the two ends of a connection; [`Faults::cut_as`](crate::Faults::cut_as)
/// chooses it.
///
/// | | over TCP | in memory |
/// |---|---|---|
/// | `Reset` | both ends get a reset (RST) | both streams end, writing fails |
/// | `Fin` | both streams end in order (FIN), writing fails after that | the same as `Reset` |
/// | `ClientOnly` | the client gets a reset; the server sees nothing | the client's stream ends |
/// | `ServerOnly` | the server gets a reset; the client sees nothing | the server's stream ends |
///
/// Bytes that were delivered before a cut can still be read. After a reset over TCP this holds only
/// where the operating system keeps them, as Linux does. A cut never sends a close frame: the
/// library reports 1006.
///
/// The last two leave the connection *half-open*. Bytes from the end that saw nothing are discarded,
/// and its stream stays open. The connection counts as live until that end leaves too, or until
/// another cut reaches it.
///
/// ```
/// use wse::Server;
/// use wse_test::{Cut, Net};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::builder().identify(async |stranger, name: String| Ok(stranger.accept(name))).build();
/// let net = Net::new(&server);
/// let _ann = net.client().identity("ann").connect().await?;
///
/// net.faults().cut_as(Cut::ClientOnly).cut();
/// assert_eq!(net.counts().live, 1, "the server still takes her for connected");
/// net.until(|counts| counts.live == 0).await; // 35 s later her device has not answered the ping
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
pub(crate) struct Settings {
    pub(crate) to_server: DirectionSettings,
    pub(crate) to_client: DirectionSettings,
    pub(crate) cut_as: Cut,
    pub(crate) refuse: bool,
}

/// The faults of one direction of a connection. Bytes are counted from the start of the connection,
/// as they are delivered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DirectionSettings {
    pub(crate) latency: Duration,
    /// Bytes a second. With 0 nothing moves.
    pub(crate) bandwidth: Option<u64>,
    /// The most bytes that are delivered at once.
    pub(crate) piece: Option<usize>,
    pub(crate) cut_after: Option<u64>,
    /// Cuts within the first answer that is read from now on.
    pub(crate) cut_in_answer: bool,
    pub(crate) discard_after: Option<u64>,
}

/// Where bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

impl Settings {
    pub(crate) fn of(&mut self, direction: Direction) -> &mut DirectionSettings {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    /// Whether the connection is to be cut in its next answer.
    pub(crate) fn awaits_answer(&self) -> bool {
        self.to_server.cut_in_answer || self.to_client.cut_in_answer
    }

    pub(crate) fn await_no_answer(&mut self) {
        (self.to_server.cut_in_answer, self.to_client.cut_in_answer) = (false, false);
    }
}
