//! The subjects of a node, and what can be read from them.

use wse::cluster::{NodeId, Seat, To};

/// The subjects that a node subscribes and publishes to.
pub(crate) struct Subjects {
    cluster: String,
    node: NodeId,
    open: bool,
}

impl Subjects {
    pub(crate) fn of(seat: &Seat) -> Self {
        Self { cluster: format!("wse.{}", seat.cluster()), node: seat.node(), open: seat.outside() }
    }

    /// Where a datagram goes.
    pub(crate) fn of_datagram(&self, to: To) -> String {
        match to {
            To::All => format!("{}.all", self.cluster),
            To::Node(node) => format!("{}.n.{node}", self.cluster),
        }
    }

    /// Where this node gets what is for it alone.
    pub(crate) fn inbox(&self) -> String {
        self.of_datagram(To::Node(self.node))
    }

    /// Where NATS tells this node that nobody listens at another one's inbox.
    pub(crate) fn nobody(&self, node: NodeId) -> String {
        format!("{}.r.{}.{node}", self.cluster, self.node)
    }

    /// Whether others may ask from outside.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Where others ask from outside.
    pub(crate) fn outside(&self) -> String {
        format!("{}.pub", self.cluster)
    }

    /// What this node sends itself, to learn that its subscriptions are in force.
    pub(crate) fn probe(&self) -> String {
        self.nobody(self.node)
    }

    /// All subjects of [`Subjects::nobody`].
    pub(crate) fn nobody_at_all(&self) -> String {
        format!("{}.r.{}.*", self.cluster, self.node)
    }

    /// The node whose inbox such a subject is about.
    pub(crate) fn node_of(&self, subject: &str) -> Option<NodeId> {
        subject.rsplit('.').next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subjects_are_fixed() {
        let (one, two) = (NodeId::new(1), NodeId::new(2));
        let subjects = Subjects::of(&Seat::new("chat", one, false));
        assert_eq!(subjects.of_datagram(To::All), "wse.chat.all");
        assert_eq!(subjects.of_datagram(To::Node(two)), "wse.chat.n.0000000000002");
        assert_eq!(subjects.inbox(), "wse.chat.n.0000000000001");
        assert_eq!(subjects.outside(), "wse.chat.pub");
        assert_eq!(subjects.nobody(two), "wse.chat.r.0000000000001.0000000000002");
        assert_eq!(subjects.nobody_at_all(), "wse.chat.r.0000000000001.*");
        assert_eq!(subjects.node_of("wse.chat.r.0000000000001.0000000000002"), Some(two));
        assert_eq!(subjects.node_of("wse.chat.r.0000000000001.someone"), None);
    }
}
