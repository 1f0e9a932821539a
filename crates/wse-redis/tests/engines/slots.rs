//! Slots of a Redis Cluster that another master gets: they are moved, or a replica takes the place of its master.

use wse_redis::Redis;
use wse_test_peers::bus::{Node, redis, until};

/// The one who has subscribed is told by the server, the one who publishes by its answer: both find the new master.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbox_moves_to_another_master() {
    let servers = redis("/usr/bin/redis-server", 3, &[]);
    let address = format!("127.0.0.1:{}", servers.ports[0]);
    let bus = || Redis::cluster([&address]).unwrap();
    let (one, two) = (Node::start(bus(), 1), Node::start(bus(), 2));
    one.linked().await;
    two.linked().await;
    one.reach(&two, "before").await;
    let inbox = format!("wse:t:{{n:{}}}", two.id);
    let slot = servers.cli(servers.ports[0], &["cluster", "keyslot", &inbox]);
    let has = |port: u16| servers.cli(port, &["pubsub", "shardchannels"]).contains(&inbox);
    let from = servers.ports.iter().position(|port| has(*port)).unwrap();
    let to = (from + 1) % 3;
    let id = servers.cli(servers.ports[to], &["cluster", "myid"]);
    for port in [servers.ports[to], servers.ports[from], servers.ports[(from + 2) % 3]] {
        let said = servers.cli(port, &["cluster", "setslot", slot.trim(), "node", id.trim()]);
        assert_eq!(said.trim(), "OK");
    }
    until("the inbox is at the other master", || has(servers.ports[to])).await;
    one.reach(&two, "after").await;
    assert_eq!(two.links(), [true, false, true]);
}

/// The master that is lost is the one server whose address was given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_the_place_of_its_master() {
    let mut servers = redis("/usr/bin/redis-server", 6, &[]);
    let address = format!("127.0.0.1:{}", servers.ports[0]);
    let nodes: Vec<Node> = (1..=6).map(|number| Node::start(Redis::cluster([&address]).unwrap(), number)).collect();
    for node in &nodes {
        node.linked().await;
    }
    until("each master has its replica", || {
        let told = servers.cli(servers.ports[0], &["info", "replication"]);
        told.contains("role:master") && told.contains("state=online")
    })
    .await;
    servers.servers[0].kill();
    for node in &nodes {
        until("all connections are new ones", || node.links() == [true, false, true]).await;
    }
    for from in &nodes {
        for to in &nodes {
            from.reach(to, "here").await;
        }
    }
}
