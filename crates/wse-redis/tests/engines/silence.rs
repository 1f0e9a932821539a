//! A connection to a Redis Cluster that dies without a word.

use wse_redis::Redis;
use wse_test::Proxy;
use wse_test_peers::bus::{Node, redis, until};

/// The connection that carries the inbox carries nothing else, so no beat of the node tells that it is dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbox_that_nothing_reaches_any_more_is_noticed() {
    let servers = redis("/usr/bin/redis-server", 3, &[]);
    let mut proxies = Vec::new();
    for port in &servers.ports {
        let proxy = Proxy::new(("127.0.0.1", *port)).await.unwrap();
        let announced = proxy.addr().port().to_string();
        servers.cli(*port, &["config", "set", "cluster-announce-port", &announced]);
        proxies.push(proxy);
    }
    until("all servers name the proxies", || {
        let told: Vec<String> = servers.ports.iter().map(|port| servers.cli(*port, &["cluster", "slots"])).collect();
        told.iter().all(|told| proxies.iter().all(|proxy| told.contains(&proxy.addr().port().to_string())))
    })
    .await;
    // asked at its own port, so that a proxy carries what publishes and what subscribes alone
    let bus = || Redis::cluster([format!("127.0.0.1:{}", servers.ports[0])]).unwrap();
    let node = Node::start(bus(), 1);
    node.linked().await;
    let inbox = format!("wse:t:{{n:{}}}", node.id);
    let all = "wse:t:{all}";
    let subscribed = |port: u16, channel: &str| servers.cli(port, &["pubsub", "shardchannels"]).contains(channel);
    let master = servers.ports.iter().position(|port| subscribed(*port, &inbox)).unwrap();
    assert!(!subscribed(servers.ports[master], all), "the beats of all come another way");
    proxies[master].device(2).faults().blackhole(); // the first one publishes
    until("all connections are new ones", || node.links() == [true, false, true]).await;
    let other = Node::start(bus(), 2);
    other.linked().await;
    other.reach(&node, "here").await;
}
