//! A cluster of three NATS servers.

use std::time::Duration;
use tokio::time::sleep;
use wse_nats::Nats;
use wse_test_peers::bus::{Engine, NatsServers, Node, built, nats, until};

struct Three(NatsServers);

impl Three {
    fn start() -> Self {
        Self(nats(&built("nats-server").display().to_string(), 3, &[]))
    }
}

impl Engine for Three {
    type Bus = Nats;

    fn bus(&self) -> Nats {
        let addresses = self.0.ports.iter().map(|port| format!("127.0.0.1:{port}"));
        Nats::connect(&addresses.collect::<Vec<_>>().join(",")).unwrap()
    }

    fn kill(&mut self) {
        self.0.servers.iter_mut().for_each(|server| server.kill());
    }

    fn restart(&mut self) {
        self.0.servers.iter_mut().for_each(|server| server.restart());
    }

    fn stop(&mut self) {
        self.0.servers.iter().for_each(|server| server.stop());
    }

    fn resume(&mut self) {
        self.0.servers.iter().for_each(|server| server.resume());
    }
}

wse_test_peers::bus_checks!(
    Three::start();
    datagrams_reach_those_they_are_for,
    datagrams_of_every_size_come_whole,
    datagrams_come_in_order,
    an_engine_that_is_killed_comes_back,
    an_engine_that_stops_for_a_while_is_waited_for,
    an_engine_may_come_later,
    a_bus_connects_again_when_it_is_told_to,
    a_bus_ends_with_its_server,
    a_reader_that_stands_still_is_not_read_for,
);

/// Nodes are spread over the servers; those of one that is killed go to another one, the others notice nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_servers_can_be_lost() {
    let mut three = Three::start();
    let nodes: Vec<Node> = (1..=6).map(|number| Node::start(three.bus(), number)).collect();
    for node in &nodes {
        node.linked().await;
    }
    three.0.servers[0].kill();
    sleep(Duration::from_secs(1)).await;
    for from in &nodes {
        for to in &nodes {
            from.reach(to, "still there").await;
        }
    }
    let lost = nodes.iter().filter(|node| node.links() == [true, false, true]).count();
    let kept = nodes.iter().filter(|node| node.links() == [true]).count();
    assert_eq!((lost, kept), (2, 4));
}

/// A bus that was given one server of a cluster knows the others when it is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_are_learnt_from_one_another() {
    let mut three = Three::start();
    sleep(Duration::from_secs(1)).await; // until they know one another
    let bus = || Nats::connect(&format!("127.0.0.1:{}", three.0.ports[0])).unwrap();
    let nodes: Vec<Node> = (1..=2).map(|number| Node::start(bus(), number)).collect();
    for node in &nodes {
        node.linked().await;
    }
    three.0.servers[0].kill();
    for node in &nodes {
        until("it is linked to another one", || node.links() == [true, false, true]).await;
    }
    nodes[0].reach(&nodes[1], "elsewhere").await;
}
