//! What carries datagrams between the nodes of a cluster, and what it has of its node.

use crate::server::{
    Inner,
    cluster::{
        member::Member,
        order::Order,
        outside::{Outside, Reach, Reply},
        script::{Arrival, Script},
        seat::Seat,
    },
};
use bytes::Bytes;
use std::{
    fmt,
    future::Future,
    sync::{Arc, Weak},
};
use tokio::sync::mpsc::UnboundedReceiver;
use wse_cluster::NodeId;

/// Carries datagrams between the nodes of one cluster. It may lose, repeat and delay them. It may not keep
/// what it could not send: that is sent again, and would come late.
pub trait Bus: Send + 'static {
    /// Runs until [`Port::next`] gives nothing more. It connects again by itself, for ever, and says so by
    /// [`Port::link`].
    ///
    /// It runs within the task that also serves the node, so it must not block.
    fn run(self, seat: Seat, port: Port) -> impl Future<Output = ()> + Send;
}

/// What a bus has of its node. Orders are given only while the link is up.
pub struct Port {
    end: End,
}

/// The half of a [`Port`] that takes what comes from the engine, for a bus that reads while it publishes. Its
/// clones are the same.
#[derive(Clone)]
pub struct Arrivals {
    end: End,
}

/// Who stands behind a port.
#[derive(Clone)]
enum End {
    Node(Arc<Member>, Outside),
    Script(Arc<Script>),
}

impl Port {
    /// With the server that others may ask from outside, if they may.
    pub(crate) fn new(member: Arc<Member>, outside: Option<Weak<Inner>>) -> Self {
        Self { end: End::Node(member, Outside::new(outside)) }
    }

    /// A port for the test of a bus, without a server: the bus is given these orders, and its end when their
    /// sender is dropped. `arrived` is called with all that the bus says; it must not block.
    pub fn scripted(orders: UnboundedReceiver<Order>, arrived: impl Fn(Arrival) + Send + Sync + 'static) -> Self {
        Self { end: End::Script(Arc::new(Script::new(orders, arrived))) }
    }

    /// The next order; waits for one. `None`: the server has shut down. The future may be dropped before its
    /// end: no order is lost by that.
    pub async fn next(&mut self) -> Option<Order> {
        match &self.end {
            End::Node(member, _) => member.next_order().await,
            End::Script(script) => script.next().await,
        }
    }

    /// What else is to be done now, for a pipeline.
    pub fn more(&mut self) -> Option<Order> {
        match &self.end {
            End::Node(member, _) => member.more_orders(),
            End::Script(script) => script.more(),
        }
    }

    /// The half that takes what comes.
    pub fn arrivals(&self) -> Arrivals {
        Arrivals { end: self.end.clone() }
    }

    /// As [`Arrivals::arrived`].
    pub fn arrived(&self, datagram: Bytes) {
        self.end.arrived(datagram);
    }

    /// As [`Arrivals::outside`].
    pub fn outside(&self, request: &[u8], reach: Reach, reply: Option<Reply>) {
        self.end.outside(request, reach, reply);
    }

    /// As [`Arrivals::nobody`].
    pub fn nobody(&self, to: NodeId) {
        self.end.nobody(to);
    }

    /// As [`Arrivals::link`].
    pub fn link(&self, up: bool) {
        self.end.link(up);
    }
}

impl Arrivals {
    /// A datagram has come, for this node or for all. Never waits: while 1,024 or 16 MiB wait for the node it is
    /// dropped, and comes again. One of more than 64 KiB is dropped too.
    ///
    /// The bytes are held until they are read: they should not be a slice of something larger.
    pub fn arrived(&self, datagram: Bytes) {
        self.end.arrived(datagram);
    }

    /// A request has come from outside, and `reply` takes its answer where the engine carries answers. Never waits:
    /// calls run on, at most 256 at once, and what is one too many is answered with an error. Nothing is served
    /// unless [`Seat::outside`] says so.
    pub fn outside(&self, request: &[u8], reach: Reach, reply: Option<Reply>) {
        self.end.outside(request, reach, reply);
    }

    /// The engine says that nobody listens at the inbox of that node. A hint: it may be wrong.
    pub fn nobody(&self, to: NodeId) {
        self.end.nobody(to);
    }

    /// The link is up, with all subscriptions, or it is not. It begins as one that is not.
    pub fn link(&self, up: bool) {
        self.end.link(up);
    }
}

impl End {
    fn arrived(&self, datagram: Bytes) {
        match self {
            End::Node(member, _) => member.arrived(datagram),
            End::Script(script) => script.arrived(Arrival::Datagram(datagram)),
        }
    }

    fn outside(&self, request: &[u8], reach: Reach, reply: Option<Reply>) {
        match self {
            End::Node(_, outside) => outside.serve(request, reach, reply),
            End::Script(script) => script.outside(request, reach, reply),
        }
    }

    fn nobody(&self, to: NodeId) {
        match self {
            End::Node(member, _) => member.with(|node, time| node.nobody(time, to)),
            End::Script(script) => script.arrived(Arrival::Nobody(to)),
        }
    }

    fn link(&self, up: bool) {
        match self {
            End::Node(member, _) => member.with(|node, time| node.link(time, up)),
            End::Script(script) => script.arrived(Arrival::Link(up)),
        }
    }

    fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = match self {
            End::Node(member, _) => Some(member.id()),
            End::Script(_) => None,
        };
        f.debug_struct(name).field("node", &node).finish_non_exhaustive()
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.end.fmt("Port", f)
    }
}

impl fmt::Debug for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.end.fmt("Arrivals", f)
    }
}
