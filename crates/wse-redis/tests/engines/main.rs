//! The bus over real servers: the oldest Redis that is tested, a new Valkey, and a Redis Cluster of three masters.

#![expect(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

mod alone;
mod cluster;
mod login;
mod outside;
mod silence;
mod slots;
