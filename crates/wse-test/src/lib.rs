//! Tests of an application against cuts and delays: a network in memory and a TCP proxy, both with
//! faults that a test switches on and off. It never changes the bytes that it carries.
//!
//! | | |
//! |---|---|
//! | [`Net`] | a network in memory in front of a [`Server`](wse::Server): no sockets, paused time |
//! | [`Proxy`] | the same over TCP, in front of an address |
//! | [`Faults`] | what a network or proxy does to its connections |
//! | [`Cut`] | which ends see a cut |
//! | [`Device`] | one connection of it: its faults and its counts |
//! | [`Counts`] | what was carried so far |
//! | [`Bus`] | a bus in memory between the servers of a cluster |
//! | [`BusFaults`] | what a bus does to its nodes |
//!
//! # A test
//!
//! Build the server as your program does, put a [`Net`] in front of it, and take clients from that.
//! Time is paused: whenever all tasks wait, tokio moves the clock to the next timer, so a test of a
//! minute takes a millisecond. Paused time needs tokio's feature `test-util`. It and `wse-test`
//! belong among your `dev-dependencies`.
//!
//! ```
//! use std::{sync::{Arc, atomic::{AtomicU32, Ordering::Relaxed}}, time::Duration};
//! use wse::{Backoff, CallError, Conn, RpError, Server, with};
//! use wse_test::Net;
//!
//! /// What is tested: a procedure that must not run twice.
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
//! net.faults().cut_in_next_call();
//! assert_eq!(client.call::<_, u32>("buy", ()).await?, 1);
//! assert_eq!((net.counts().connections, shop.sold.load(Relaxed)), (2, 1));
//!
//! // The network discards everything from now on. A call fails in time.
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
//! | A phone changes its network, and the server does not notice for 35 s | [`cut_as`](Faults::cut_as)`(Cut::ClientOnly).cut()` |
//! | A firewall forgot the connection: who notices, and when? | [`blackhole`](Faults::blackhole), in one direction or both |
//! | The other side of the world; a reply that comes late | [`latency`](Faults::latency) |
//! | A client reads slower than you send | [`to_client`](Faults::to_client)`().bandwidth(1000)` |
//! | Does anything wait for the rest of a frame for ever? | [`split`](Faults::split)`(1)`, `bandwidth(0)` and [`heal`](Faults::heal) |
//! | The server is down, or full, and comes back | [`refuse`](Faults::refuse) and `heal` |
//! | The server restarts | [`Net::serving`], which passes each stream to the current server: one that was shut down cannot serve again |
//!
//! # Every byte
//!
//! A new network for each run costs about a millisecond, so a test may cut a conversation after its
//! first byte, its second, and so on to its last. Only the first connection is cut, so the client
//! comes back and the test can check the result. When no cut was needed the conversation is over, and
//! `heal` takes back the one that did not happen:
//!
//! ```
//! use wse::{Backoff, Server};
//! use wse_test::Net;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder()
//!     .identify(async |stranger, name: String| Ok(stranger.accept(name)))
//!     .register("add", async |_, (a, b): (i64, i64)| Ok(a + b))
//!     .build();
//! for bytes in (0..).step_by(25) {
//!     let net = Net::new(&server);
//!     net.faults().nth(1).to_server().cut_after(bytes);
//!     let client = net.client().identity("ann").reconnect(Backoff::default()).connect().await?;
//!     assert_eq!(client.call::<_, i64>("add", (2, 3)).await?, 5, "the session has the answer");
//!     assert!(net.counts().connections <= 2, "cut after {bytes} bytes");
//!     client.close("done").await;
//!     if net.counts().cuts == 0 {
//!         net.faults().heal();
//!         break;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # When a test proves nothing
//!
//! - A cut that was ordered and did not happen fails the test when its network is dropped, with the line
//!   that ordered it: the connection had another number, or fewer bytes than were counted.
//! - A test that hangs in paused time has a task that never waits: the clock moves only when every task
//!   does. Where a [`Net`] is used, such a test fails after some seconds and says what to look for.
//!
//! # Guarantees and their edges
//!
//! - Bytes of one direction are delivered in order, each at most once, under all faults and their
//!   changes. Bytes are lost only by a cut, a blackhole or the end of the `Net` or `Proxy`.
//! - A connection holds at most 64 KiB in flight in each direction, and in memory 16 KiB more at each
//!   end. Beyond that its sender waits.
//! - The kit uses no randomness: a [`Bus`] draws from a seed. In memory, with paused time, on a current-thread runtime, every run
//!   is the same. With more threads, or over TCP, only what this page states holds.
//! - Frames, envelopes and TLS are only bytes to it. Only [`cut_in_next_call`](Faults::cut_in_next_call)
//!   looks for the begin of an answer.

mod bus;
mod bus_faults;
mod bus_settings;
mod connections;
mod cut_orders;
mod device;
mod engine;
mod faults;
mod frames;
mod in_flight;
mod net;
mod proxy;
mod relay;
mod settings;
mod standstill;

pub use bus::{Bus, BusNode};
pub use bus_faults::BusFaults;
pub use bus_settings::BusCounts;
pub use connections::Counts;
pub use device::Device;
pub use faults::Faults;
pub use net::Net;
pub use proxy::Proxy;
pub use settings::Cut;
