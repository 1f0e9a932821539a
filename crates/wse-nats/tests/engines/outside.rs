//! What others ask without being a server of the cluster.

use wse::cluster::Reach;
use wse_nats::Nats;
use wse_test_peers::bus::{Node, built, nats};

/// One of the servers takes a request, and its answer goes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_from_outside_comes_to_one_server_and_is_answered() {
    let servers = nats(&built("nats-server").display().to_string(), 1, &[]);
    let address = format!("nats://127.0.0.1:{}", servers.ports[0]);
    let nodes: Vec<Node> = (1..=3).map(|number| Node::start(Nats::connect(&address).unwrap(), number)).collect();
    for node in &nodes {
        node.linked().await;
    }
    let other = async_nats::connect(&address).await.unwrap();
    for number in 0..20 {
        let answer = other.request("wse.t.pub", format!("request {number}").into()).await.unwrap();
        assert_eq!(answer.payload, format!("request {number}"));
    }
    let came: Vec<_> = nodes.iter().flat_map(Node::outside).collect();
    assert_eq!(came.len(), 20);
    assert!(came.iter().all(|(_, reach)| *reach == Reach::Cluster));
    other.publish("wse.t.pub", "no answer wanted".into()).await.unwrap();
    wse_test_peers::bus::until("it comes", || nodes.iter().map(|node| node.outside().len()).sum::<usize>() == 21).await;
}
