//! Many servers as one, over a bus in memory with faults.
#![expect(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

mod bounds;
mod calling;
mod calls;
mod ending;
mod limit;
mod members;
mod nodes;
mod order;
mod outside;
mod presence;
mod quiet;
mod reports;
mod retaining;
mod sending;
mod wires;
