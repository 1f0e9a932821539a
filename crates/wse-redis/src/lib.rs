//! Carries a cluster of `wse` servers over [Redis](https://redis.io) or [Valkey](https://valkey.io), alone or as a
//! Redis Cluster: servers that share it are one.
//!
//! ```no_run
//! use wse::Server;
//! use wse_redis::Redis;
//!
//! # fn main() -> Result<(), wse_redis::SetupError> {
//! let server = Server::builder()
//!     .identify(async |stranger, name: String| Ok(stranger.accept(name)))
//!     .cluster(Redis::connect("redis://10.0.0.5:6379")?)
//!     .build();
//! # Ok(())
//! # }
//! ```
//!
//! # What Redis is used for
//!
//! Only for datagrams, by publish and subscribe: no key is read or written. Every server of a cluster named `c`
//! subscribes to these channels and publishes to them. In a Redis Cluster they are sharded channels.
//!
//! | Redis | Redis Cluster | what is on it |
//! |---|---|---|
//! | `wse:c:n:<node>` | `wse:c:{n:<node>}` | what other servers have for this one |
//! | `wse:c:all` | `wse:c:{all}` | the beat of every server |
//! | `wse:c:pub` | `wse:c:{pub}` | what others ask from outside, if the application lets them |
//!
//! Its user needs `resetchannels &wse:c:* +publish +subscribe`, and for a Redis Cluster
//! `resetchannels &wse:c:* +spublish +ssubscribe +ping +cluster|slots`. The server speaks RESP3, so Redis 6 or
//! Valkey, and Redis 7 or Valkey for a Redis Cluster. Redis 7.0 and Valkey 9.1 are tested. With replicas, give the
//! address of the master: what is published at one is heard at all, but a master that fails is not replaced here.
//!
//! # Outages
//!
//! The bus connects again for ever, with waits from 100 ms to 2 s. It never fails and never holds up the server it
//! belongs to. While it is not connected nothing is queued; what was lost is sent again by the servers themselves.
//! What comes is handed over as it is read, so nothing waits here; a pipeline of what is published has at most
//! 1 MiB and one datagram. An answer that takes 3 s is as good as none: the bus connects again.
//!
//! A Redis Cluster counts as down while one of its masters is: each holds the inboxes of some servers. When a master
//! has been replaced, or a slot has moved, the bus connects to all of them anew.

mod channels;
mod connect;
mod error;
mod map;
mod redis;
mod run;

pub use crate::redis::Redis;
pub use error::SetupError;
