//! The options of a cluster, without an engine.

use serde_json::{Value, json};
use wse_test_peers::programs::{Testbed, command};

#[tokio::test]
async fn without_a_cluster_there_are_no_nodes() {
    let testbed = Testbed::start(&[]).await;
    let (ann, _at_ann) = testbed.enter("user-ann", json!({})).await;
    let nodes = ann.call::<_, Value>("nodes", json!(null)).await;
    assert_eq!(nodes.expect_err("there are none").code(), "no-cluster");
    testbed.terminate().await;
}

#[tokio::test]
async fn a_server_starts_and_ends_while_its_engine_is_away() {
    for engine in ["nats://127.0.0.1:1", "redis://127.0.0.1:1", "redis-cluster://127.0.0.1:1,127.0.0.1:2"] {
        let testbed = Testbed::start(&["--cluster", engine, "--node", "a", "--outside"]).await;
        let (ann, _at_ann) = testbed.enter("user-ann", json!({})).await;
        let told: Value = ann.call("nodes", json!(null)).await.expect("there is one");
        assert_eq!((&told["connected"], &told["nodes"][0]["name"]), (&json!(false), &json!("a")), "{engine}");
        assert_eq!(told["nodes"][0]["node"], told["me"]);
        let me: Value = ann.call("me", json!(null)).await.expect("every device is somebody");
        assert_eq!(me["node"], told["me"], "{engine}");
        assert!(told["stale_ms"].is_u64(), "{told}");
        testbed.terminate().await;
    }
}

#[tokio::test]
async fn what_is_no_engine_and_what_is_no_key_ends_the_program_without_the_secret() {
    for options in [
        ["--cluster", "http://ann:S3CRET@127.0.0.1"],
        ["--cluster", "redis://ann:S3CRET@127.0.0.1:99999"],
        ["--cluster", "redis-cluster://"],
        ["--cluster-key", "1234"],
    ] {
        let ended = command("testbed").args(["--port", "0"]).args(options).output().await.expect("it starts");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && !said.is_empty() && !said.contains("S3CRET"), "{options:?}: {said}");
    }
}
