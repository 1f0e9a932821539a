//! Carries a cluster of `wse` servers over [NATS](https://nats.io): servers that share a NATS server, or a cluster
//! of them, are one.
//!
//! ```no_run
//! use wse::Server;
//! use wse_nats::Nats;
//!
//! # fn main() -> Result<(), wse_nats::SetupError> {
//! let server = Server::builder()
//!     .identify(async |stranger, name: String| Ok(stranger.accept(name)))
//!     .cluster(Nats::connect("nats://10.0.0.5:4222,10.0.0.6:4222")?.credentials("wse.creds")?)
//!     .build();
//! # Ok(())
//! # }
//! ```
//!
//! # What NATS is used for
//!
//! Only for datagrams: no JetStream, nothing is stored. Every server of a cluster named `c` subscribes to these
//! subjects and publishes to them; its user needs `publish` and `subscribe` for `wse.c.>` and nothing else.
//!
//! | subject | what is on it |
//! |---|---|
//! | `wse.c.n.<node>` | what other servers have for this one |
//! | `wse.c.all` | the beat of every server |
//! | `wse.c.pub` | what others ask from outside, if the application lets them; servers share it as the queue group `wse` |
//! | `wse.c.r.<node>.<node>` | what NATS answers when nobody listens at the second server's inbox |
//!
//! A message of a server has at most 64 KiB, so `max_payload` of NATS (1 MiB unless it is set) must not be less.
//! NATS 2.2 and later will do; 2.9.10 and 2.15.1 are tested.
//!
//! # Outages
//!
//! The bus connects again for ever, to each known server in turn, with waits from 100 ms to 2 s between rounds;
//! servers that NATS names are tried too. It never fails and never holds up the server it belongs to. While it is
//! not connected nothing is queued; what was lost is sent again by the servers themselves. At most 64 datagrams
//! wait to be written, and 1,024 on each subject to be read.

mod address;
mod connection;
mod error;
mod nats;
mod run;
mod subjects;

pub use error::SetupError;
pub use nats::Nats;
