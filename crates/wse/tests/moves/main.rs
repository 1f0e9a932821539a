//! Sessions that move between the servers of a cluster, over a bus in memory.
#![expect(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

mod by_hand;
mod cluster;
#[allow(dead_code, reason = "what one server alone tells is checked where there is one")]
#[path = "../session/conversation.rs"]
mod conversation;
mod crossing;
mod crowd;
mod drain;
mod faults;
mod outages;
