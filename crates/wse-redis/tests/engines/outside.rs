//! What others ask without being a server of the cluster.

use wse::cluster::Reach;
use wse_redis::Redis;
use wse_test_peers::bus::{Node, RedisServers, redis, until};

/// Every server gets a request.
async fn comes_to_every_server(servers: RedisServers, bus: impl Fn() -> Redis, command: &[&str]) {
    let nodes: Vec<Node> = (1..=3).map(|number| Node::start(bus(), number)).collect();
    for node in &nodes {
        node.linked().await;
    }
    servers.cli(servers.ports[0], command);
    for node in &nodes {
        until("it comes", || !node.outside().is_empty()).await;
        assert_eq!(node.outside(), [("request".into(), Reach::Here)]);
        assert!(node.take().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_from_outside_comes_to_every_server() {
    let servers = redis("/usr/bin/redis-server", 1, &[]);
    let address = format!("redis://127.0.0.1:{}", servers.ports[0]);
    let bus = || Redis::connect(&address).unwrap();
    comes_to_every_server(servers, bus, &["publish", "wse:t:pub", "request"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_from_outside_comes_to_every_server_through_a_redis_cluster() {
    let servers = redis("/usr/bin/redis-server", 3, &[]);
    let address = format!("127.0.0.1:{}", servers.ports[0]);
    let bus = || Redis::cluster([&address]).unwrap();
    comes_to_every_server(servers, bus, &["-c", "spublish", "wse:t:{pub}", "request"]).await;
}
