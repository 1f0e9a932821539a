//! What is asked for from outside, at the nodes that it reaches.

use crate::nodes::{Node, READY, S, limits, node_with};
use tokio::{sync::oneshot, time::sleep};
use wse::cluster::{Arrivals, Bus, Port, Reach, Seat};
use wse_test::BusNode;
use wse_test_peers::enter;

/// A bus whose arrivals the test has too.
struct Tapped(BusNode, oneshot::Sender<Arrivals>);

impl Bus for Tapped {
    async fn run(self, seat: Seat, port: Port) {
        drop(self.1.send(port.arrivals()));
        self.0.run(seat, port).await;
    }
}

/// A node that serves what is asked from outside.
async fn node(bus: &wse_test::Bus, name: &str) -> (Node, Arrivals) {
    let (tap, tapped) = oneshot::channel();
    let options = wse::cluster::ClusterOptions::new().node(name).outside(true);
    let bus = Tapped(bus.node(name), tap);
    let node = node_with(bus, name, |builder| builder.limits(limits(4)).cluster_options(options));
    (node, tapped.await.expect("it runs"))
}

#[tokio::test(start_paused = true)]
async fn a_drop_that_every_node_gets_ends_the_devices_of_each_and_one_for_all_those_of_all() {
    for (reach, left) in [(Reach::Here, 1), (Reach::Cluster, 0)] {
        let bus = wse_test::Bus::new();
        let ((a, outside), (b, _)) = (node(&bus, "a").await, node(&bus, "b").await);
        sleep(READY).await;
        let _peers = [enter(&a.server, "ann").await, enter(&b.server, "ann").await];
        sleep(S).await;
        let (reply, answer) = oneshot::channel();
        let reply = Box::new(|bytes| drop(reply.send(bytes)));
        outside.outside(br#"{"drop": "ann"}"#, reach, Some(reply));
        let ended = 2 - left;
        assert_eq!(answer.await.unwrap(), format!(r#"{{"devices":{ended}}}"#), "{reach:?}");
        sleep(S).await;
        assert_eq!(a.server.user("ann").conns().len(), 0, "{reach:?}");
        assert_eq!(b.server.user("ann").conns().len(), left, "{reach:?}");
    }
}
