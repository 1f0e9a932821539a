//! Tests of a bus of a cluster against a real engine: engines as children, nodes that a test drives, and the checks
//! that every bus has to pass.

mod certificates;
pub mod checks;
mod engine;
mod engines;
mod log;
mod node;

pub use certificates::Certificates;
pub use engine::{Engine, Process, free_port};
pub use engines::{NatsServers, RedisServers, built, nats, redis};
pub use log::Log;
pub use node::{Node, PATIENCE, until};
