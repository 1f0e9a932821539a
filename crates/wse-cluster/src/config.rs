//! The times and bounds of a node.

/// The times and bounds of a node, in milliseconds and bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The node's name, such as that of its host: a newer node of that name buries the older one. Empty: none.
    pub name: String,
    /// Devices that one user may have, on all nodes.
    pub limit: usize,
    /// How long a user without a device may be back before it is reported as left.
    pub grace: u64,
    /// Between two beats, ±10 %.
    pub beat: u64,
    /// Without its own beat for so long a node is deaf.
    pub deaf: u64,
    /// A node that is silent for so long is dead.
    pub dead: u64,
    /// The same where the engine says that nobody listens there.
    pub dead_hinted: u64,
    /// After every change of the members nothing is reported for so long.
    pub handover: u64,
    /// A node that starts does not report for so long.
    pub settle: u64,
    /// Unacknowledged for so long, frames are sent again; doubling up to `resend_most`.
    pub resend: u64,
    /// The longest time between sending again.
    pub resend_most: u64,
    /// Without progress for so long, what waits for a peer is given up.
    pub give_up: u64,
    /// An acknowledgement that nothing carries waits for so long.
    pub ack: u64,
    /// A user who has left is remembered for so long.
    pub remember: u64,
    /// A take of a session ends after so long.
    pub take: u64,
    /// Bytes that may wait for one peer. Sessions on their way to it are half of that at most.
    pub peer_bytes: usize,
    /// Bytes that may wait for all of them, with the sessions that are on their way.
    pub bytes: usize,
    /// Bytes of one message, call, answer or session; a larger one is refused before memory is taken.
    pub frame_bytes: usize,
    /// Bytes of memory that the devices and rooms of one peer may take here, and users without a device together. A
    /// peer with more is buried.
    pub entry_bytes: usize,
    /// Bytes of one part of what a peer is told at the beginning.
    pub part_bytes: usize,
    /// Peers that are known at once; further ones are not listened to.
    pub peers: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: String::new(),
            limit: 1,
            grace: 15_000,
            beat: 2_000,
            deaf: 5_000,
            dead: 10_000,
            dead_hinted: 3_000,
            handover: 3_000,
            settle: 5_000,
            resend: 300,
            resend_most: 2_000,
            give_up: 10_000,
            ack: 50,
            remember: 120_000,
            take: 2_000,
            peer_bytes: 4 << 20,
            bytes: 64 << 20,
            frame_bytes: 2 << 20,
            entry_bytes: 512 << 20,
            part_bytes: 16 << 10,
            peers: 256,
        }
    }
}
