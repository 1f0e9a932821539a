//! Test your handlers against cuts and delays: a network in memory, and a proxy for TCP, both with
//! faults that a test switches on and off. It may never look at what it carries.
//!
//! | | |
//! |---|---|
//! | [`Net`] | a network in memory in front of a [`Server`](crate::Server): no sockets, paused time |
//! | [`Proxy`] | the same over TCP, in front of an address |
//! | [`Faults`] | what either does to its connections |
//! | [`Cut`] | to whom a cut shows itself |
//! | [`Counts`] | what was carried so far |
//!
//! # A test
//!
//! Build the server as your program does, give it a [`Net`], and take clients from that. Time is
//! paused: whenever everybody waits, tokio moves the clock to the next timer, so a test of a minute
//! takes a millisecond. Paused time needs tokio's feature `test-util` among the `dev-dependencies`.
//!
//! ```
//! use std::{sync::{Arc, atomic::{AtomicU32, Ordering::Relaxed}}, time::Duration};
//! use wse::{Backoff, CallError, Conn, RpError, Server, test::Net, with};
//!
//! /// What is tested: a procedure that is not to run twice.
//! #[derive(Default)]
//! struct Shop {
//!     sold: AtomicU32,
//! }
//!
//! impl Shop {
//!     async fn buy(self: Arc<Self>, _: Conn, (): ()) -> Result<u32, RpError> {
//!         Ok(self.sold.fetch_add(1, Relaxed) + 1)
//!     }
//! }
//!
//! # // What `#[tokio::test(start_paused = true)]` makes of a test.
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let shop = Arc::new(Shop::default());
//! let server = Server::builder()
//!     .identify(async |stranger, name: String| Ok(stranger.accept(name)))
//!     .register("buy", with(&shop, Shop::buy))
//!     .build();
//! let net = Net::new(&server);
//! let client = net.client().identity("ann").reconnect(Backoff::default()).connect().await?;
//!
//! // The order reaches the server, and the connection breaks within the answer to it. The session
//! // brings the answer over the second connection, and the order is not run twice.
//! net.faults().nth(1).to_client().cut_after(net.counts().to_client + 5);
//! assert_eq!(client.call::<_, u32>("buy", ()).await?, 1);
//! assert_eq!((net.counts().connections, shop.sold.load(Relaxed)), (2, 1));
//!
//! // The network stops without a word. Whoever asks for an answer gets none, and in time.
//! net.faults().blackhole();
//! let bought = client.call_within::<_, u32>(Duration::from_secs(5), "buy", ()).await;
//! assert!(matches!(bought, Err(CallError::TimedOut)));
//! # Ok(())
//! # }
//! ```
//!
//! # Which fault for which question
//!
//! | the question | the fault |
//! |---|---|
//! | A train enters a tunnel: what is lost, what comes twice? | [`cut`](Faults::cut), [`cut_after`](Faults::cut_after) for every byte of a conversation |
//! | A phone changes its network, and the server does not know for 35 s | [`cut_as`](Faults::cut_as)`(Cut::ClientOnly).cut()` |
//! | A firewall forgot the connection: who notices, and when? | [`blackhole`](Faults::blackhole), on one way or both |
//! | The other side of the world; a reply that comes late | [`latency`](Faults::latency) |
//! | Somebody reads slower than you send | [`to_client`](Faults::to_client)`().bandwidth(1000)` |
//! | Does anything wait for the rest of a frame for ever? | [`split`](Faults::split)`(1)`, `bandwidth(0)` and [`heal`](Faults::heal) |
//! | The server is down, or full, and comes back | [`refuse`](Faults::refuse) and `heal` |
//! | The server restarts | [`Net::serving`], with whichever server is there: one that was shut down is not used again |
//!
//! # Every byte
//!
//! A network of its own for each run costs about a millisecond, so a test may cut a conversation
//! behind its first byte, its second, and so on to its last. Only the first connection is cut, so
//! the client comes back and the test can look at what became of it:
//!
//! ```
//! use wse::{Backoff, Server, test::Net};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder()
//!     .identify(async |stranger, name: String| Ok(stranger.accept(name)))
//!     .register("add", async |_, (a, b): (i64, i64)| Ok(a + b))
//!     .build();
//! for bytes in (0..=400).step_by(25) {
//!     let net = Net::new(&server);
//!     net.faults().nth(1).to_server().cut_after(bytes);
//!     let client = net.client().identity("ann").reconnect(Backoff::default()).connect().await?;
//!     assert_eq!(client.call::<_, i64>("add", (2, 3)).await?, 5, "the session has the answer");
//!     assert!(net.counts().connections <= 2, "cut after {bytes} bytes");
//!     client.close("done").await;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees and their edges
//!
//! - Bytes of one way are delivered in order, each at most once, whatever the faults and their
//!   changes. Nothing is lost but by a cut, a blackhole or the end of the `Net` or `Proxy`.
//! - A connection holds at most 64 KiB under way in each direction, and in memory 16 KiB more at each
//!   end; beyond that its sender waits.
//! - The kit has no randomness. In memory, with paused time, on a current-thread runtime, every run
//!   is the same. On more threads, or over TCP, only what this page states is.
//! - Frames, envelopes and TLS are only bytes to it: it never looks at them.

mod carry;
mod faults;
mod line;
mod links;
mod net;
mod proxy;
mod rules;

pub use faults::Faults;
pub use links::Counts;
pub use net::Net;
pub use proxy::Proxy;
pub use rules::Cut;
