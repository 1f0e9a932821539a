//! What the page about publishing from outside shows, run as it stands there.

use crate::storm::{becomes, count};
use serde_json::{Value, json};
use std::{process::Command, time::Duration};
use tokio::{sync::mpsc::unbounded_channel, task::spawn_blocking, time::timeout};
use wse_test_peers::{
    bus::{built, nats, redis},
    programs::Testbed,
};

const PAGE: &str = include_str!("../../../../docs/reference/publishing.md");

const MOMENT: Duration = Duration::from_secs(10);

/// The block of the page in that language.
fn block(language: &str) -> String {
    let begins = format!("```{language}\n");
    let at = PAGE.find(&begins).expect("the page has such a block") + begins.len();
    let end = PAGE[at..].find("```").expect("it ends");
    PAGE[at..at + end].to_owned()
}

async fn run(program: &str, arguments: [String; 2]) -> String {
    let mut command = Command::new(program);
    command.args(arguments);
    let ran = timeout(MOMENT, spawn_blocking(move || command.output())).await.expect("it ends");
    let output = ran.expect("no panic").expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_of_the_page_publishes_and_calls_over_nats() {
    let servers = nats(&built("nats-server").display().to_string(), 1, &[]);
    let port = servers.ports[0];
    let options = ["--cluster", &format!("nats://127.0.0.1:{port}"), "--outside", "--cluster-name", "main"];
    let (one, other) = (Testbed::start(&options).await, Testbed::start(&options).await);
    let (ann, _at_ann) = one.enter("user-ann", json!({})).await;
    becomes(&ann, "two nodes", MOMENT, |told| count(told) == 2).await;
    let (news, mut heard) = unbounded_channel();
    ann.on("news", async move |_, what: Value| {
        news.send(what).map_err(|_| wse::RpError::new("over"))?;
        Ok(())
    });
    ann.register("whoami", async |_, _: Value| Ok("ann")).expect("nobody has that name");
    let script = block("python").replace("port=4222", &format!("port={port}")).replace(r#""ann""#, r#""user-ann""#);
    let said = run("python3", ["-c".to_owned(), script]).await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "{'devices': 1}", "{said}");
    assert!(lines[1].starts_with("{'answers': [{'device': '") && lines[1].ends_with("', 'ok': 'ann'}]}"), "{said}");
    assert_eq!(timeout(MOMENT, heard.recv()).await.expect("it came"), Some(json!("hello")));
    drop((one, other));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shell_of_the_page_publishes_over_redis() {
    let servers = redis("/usr/bin/redis-server", 1, &[]);
    let port = servers.ports[0];
    let options = ["--cluster", &format!("redis://127.0.0.1:{port}"), "--outside", "--cluster-name", "main"];
    let (one, other) = (Testbed::start(&options).await, Testbed::start(&options).await);
    let (ann, _at_ann) = one.enter("user-ann", json!({})).await;
    becomes(&ann, "two nodes", MOMENT, |told| count(told) == 2).await;
    let (news, mut heard) = unbounded_channel();
    ann.on("news", async move |_, what: Value| {
        news.send(what).map_err(|_| wse::RpError::new("over"))?;
        Ok(())
    });
    let line = block("sh").replace("redis-cli", &format!("redis-cli -p {port}")).replace(r#""ann""#, r#""user-ann""#);
    assert_eq!(run("sh", ["-c".to_owned(), line]).await.trim(), "2", "both nodes have got it");
    assert_eq!(timeout(MOMENT, heard.recv()).await.expect("it came"), Some(json!("hello")));
    assert!(timeout(Duration::from_millis(200), heard.recv()).await.is_err(), "once");
    drop((one, other));
}
