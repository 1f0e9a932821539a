//! Floods: what they make this process hold, and how long a good client waits beside them.

mod frames;
mod harmless;
mod memory;
mod run;
mod servers;
mod sockets;

pub use frames::{any_frame, code_of, flood, pour};
pub use harmless::harmless;
pub use memory::Growth;
pub use run::{alone, until};
pub use servers::{every_wire, many_devices, noting, peer, serving};
pub use sockets::{leave, socket, upgrade_before_long, upgrade_from};

/// Bytes of a MiB.
pub const MIB: usize = 1 << 20;
