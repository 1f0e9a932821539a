//! The bus over real NATS servers: the oldest that is tested, the newest, and a cluster of three.

#![expect(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

mod alone;
mod cluster;
mod login;
mod outside;
