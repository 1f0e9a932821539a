//! The channels of a node, and the slots they have in a Redis Cluster.

use wse::cluster::{NodeId, Seat, To};

/// The channels that a node subscribes and publishes to.
pub(crate) struct Channels {
    cluster: String,
    node: NodeId,
    /// In a Redis Cluster the part in braces decides where a channel is.
    sharded: bool,
    /// Others may ask from outside.
    open: bool,
}

impl Channels {
    pub(crate) fn of(seat: &Seat, sharded: bool) -> Self {
        Self { cluster: format!("wse:{}", seat.cluster()), node: seat.node(), sharded, open: seat.outside() }
    }

    /// Where a datagram goes.
    pub(crate) fn of_datagram(&self, to: To) -> String {
        let cluster = &self.cluster;
        match (to, self.sharded) {
            (To::All, false) => format!("{cluster}:all"),
            (To::All, true) => format!("{cluster}:{{all}}"),
            (To::Node(node), false) => format!("{cluster}:n:{node}"),
            (To::Node(node), true) => format!("{cluster}:{{n:{node}}}"),
        }
    }

    /// Where this node gets what is for it alone.
    pub(crate) fn inbox(&self) -> String {
        self.of_datagram(To::Node(self.node))
    }

    /// Where others ask from outside.
    pub(crate) fn outside(&self) -> String {
        let cluster = &self.cluster;
        if self.sharded { format!("{cluster}:{{pub}}") } else { format!("{cluster}:pub") }
    }

    /// What this node subscribes to.
    pub(crate) fn subscribed(&self) -> Vec<String> {
        let mut channels = vec![self.inbox(), self.of_datagram(To::All)];
        if self.open {
            channels.push(self.outside());
        }
        channels
    }
}

/// The slot of a channel, one of 16,384: of its first part in braces, unless that is empty.
pub(crate) fn slot(channel: &str) -> u16 {
    let tag = channel.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    crc16(tag.filter(|tag| !tag.is_empty()).unwrap_or(channel).as_bytes()) % 16_384
}

/// CRC-16 as XMODEM has it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_are_fixed() {
        let seat = Seat::new("chat", NodeId::new(1), true);
        let two = To::Node(NodeId::new(2));
        let channels = Channels::of(&seat, false);
        assert_eq!(channels.of_datagram(two), "wse:chat:n:0000000000002");
        assert_eq!(channels.subscribed(), ["wse:chat:n:0000000000001", "wse:chat:all", "wse:chat:pub"]);
        let channels = Channels::of(&seat, true);
        assert_eq!(channels.of_datagram(two), "wse:chat:{n:0000000000002}");
        assert_eq!(channels.subscribed(), ["wse:chat:{n:0000000000001}", "wse:chat:{all}", "wse:chat:{pub}"]);
    }

    /// As `CLUSTER KEYSLOT` of Redis says.
    #[test]
    fn slots_are_those_of_redis() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot("a{foo}b{bar}"), 12_182);
        assert_eq!(slot("{}foo"), crc16(b"{}foo") % 16_384);
        assert_eq!(slot("{foo"), crc16(b"{foo") % 16_384);
    }
}
