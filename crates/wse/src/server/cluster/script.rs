//! The other end of a port, where a test stands in place of a node.

use crate::server::cluster::{
    order::Order,
    outside::{Reach, Reply},
};
use bytes::Bytes;
use tokio::sync::{Mutex, mpsc::UnboundedReceiver};
use wse_cluster::NodeId;

/// What a bus has told its node, as a test sees it ([`Port::scripted`](crate::cluster::Port::scripted)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A datagram has come.
    Datagram(Bytes),
    /// A request has come from outside. The test's answer to it is the request itself.
    Outside(Bytes, Reach),
    /// The engine says that nobody listens at the inbox of that node.
    Nobody(NodeId),
    /// The link is up, or it is not.
    Link(bool),
}

/// Gives a bus the orders of a test, and the test what arrives.
pub(crate) struct Script {
    orders: Mutex<UnboundedReceiver<Order>>,
    arrived: Box<dyn Fn(Arrival) + Send + Sync>,
}

impl Script {
    pub(crate) fn new(orders: UnboundedReceiver<Order>, arrived: impl Fn(Arrival) + Send + Sync + 'static) -> Self {
        Self { orders: Mutex::new(orders), arrived: Box::new(arrived) }
    }

    pub(crate) async fn next(&self) -> Option<Order> {
        self.orders.lock().await.recv().await
    }

    pub(crate) fn more(&self) -> Option<Order> {
        self.orders.try_lock().ok()?.try_recv().ok()
    }

    pub(crate) fn outside(&self, request: &[u8], reach: Reach, reply: Option<Reply>) {
        let request = Bytes::copy_from_slice(request);
        self.arrived(Arrival::Outside(request.clone(), reach));
        if let Some(reply) = reply {
            reply(request);
        }
    }

    pub(crate) fn arrived(&self, arrival: Arrival) {
        (self.arrived)(arrival);
    }
}
