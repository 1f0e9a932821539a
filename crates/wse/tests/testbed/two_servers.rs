//! The testbed as two servers on two paths of one port. It runs the built program.

use serde_json::{Value, json};
use wse::{Client, ConnectError};
use wse_test_peers::{
    programs::{Program, Testbed},
    soon,
};

async fn enter(testbed: &Testbed, path: &str, identity: &str) -> Result<Client, ConnectError> {
    soon(Client::builder(&testbed.url(path)).identity(identity).meta(&json!({})).connect()).await
}

#[tokio::test]
async fn second_path_is_another_server_on_the_same_port() {
    let mut testbed = Testbed::start(&["--path", "/foo", "--second-path", "/bar"]).await;
    let foo = enter(&testbed, "/foo", "valid-secret").await.unwrap();
    let joined = json!({"event": "joined", "cid": "u1", "meta": {}, "path": "/foo"});
    assert_eq!(testbed.program.event("joined").await, joined);
    let bar = enter(&testbed, "/bar?x=1", "valid-secret").await.unwrap();
    let joined = json!({"event": "joined", "cid": "u1", "meta": {}, "path": "/bar"});
    assert_eq!(testbed.program.event("joined").await, joined, "the users of both are counted apart");
    for path in ["/nope", "/", "/foo/bar"] {
        let error = enter(&testbed, path, "valid-secret").await.unwrap_err();
        assert!(matches!(error, ConnectError::UpgradeRefused { status: 404, .. }), "{path}: {error}");
    }
    foo.send("talk", 10).unwrap();
    bar.send("talk", 20).unwrap();
    for (path, payload) in [("/foo", 10), ("/bar", 20)] {
        let ignored = testbed.program.find(|line| line["event"] == "ignored" && line["path"] == path).await;
        assert_eq!((&ignored["cid"], &ignored["payload"]), (&json!("u1"), &json!(payload)));
    }
    foo.send("unregister", "add").unwrap();
    foo.send("drop", json!({"what": "cid", "cid": "u1"})).unwrap();
    let gone = testbed.program.event("disconnected").await;
    assert_eq!(gone["path"], "/foo");
    assert_eq!(soon(bar.call::<_, i64>("add", (2, 3))).await.unwrap(), 5, "the other server knows nothing of it");
    assert_eq!(soon(bar.call::<_, Value>("devices", ())).await.unwrap(), 1);
    let left = testbed.terminate().await;
    let restarted = |line: &&Value| line["event"] == "left" && line["path"] == "/bar" && line["code"] == 1012;
    assert_eq!(left.iter().filter(restarted).count(), 1, "{left:?}");
}

#[tokio::test]
async fn both_servers_have_the_same_options_and_know_the_address_of_a_device() {
    let options = ["--second-path", "/b", "--path", "*", "--trusted-proxy", "127.0.0.0/8", "--max-message", "64KiB"];
    let testbed = Testbed::start(&options).await;
    for path in ["/b", "/any/thing", "/"] {
        let (when, mut events) = wse_test_peers::events();
        let builder = Client::builder(&testbed.url(path)).identity("user-ann").header("X-Forwarded-For", "203.0.113.7");
        let client = soon(builder.when(when).connect()).await.unwrap();
        client.send("who", ()).unwrap();
        let who = soon(events.next_like("ignored who")).await;
        assert!(who.contains(r#""remote_addr":"203.0.113.7""#), "{path}: {who}");
        client.send("echo", "x".repeat(70_000)).unwrap();
        assert!(soon(events.next_like("closed")).await.starts_with("closed 1009"), "{path}");
    }
    testbed.terminate().await;
}

#[tokio::test]
async fn a_second_path_that_cannot_be_served_is_a_mistake() {
    for path in ["/", "bar"] {
        let (status, lines) = Program::start("testbed", &["--port", "0", "--second-path", path]).ended().await;
        assert_ne!(status, Some(0), "{path}");
        assert!(lines.is_empty(), "{path}");
    }
}
